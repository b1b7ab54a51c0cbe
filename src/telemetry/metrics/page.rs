//! `docs/metrics.md`, from the table.

use super::declare::Metric;
use super::table::{LABELS, SAMPLED, WRITTEN};

/// Where the page lives in the repository.
#[cfg(test)]
pub(super) const PAGE: &str = "docs/metrics.md";

/// The documentation page of every metric.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         Generated from the table in `src/telemetry/metrics/table.rs`; a test compares the two. After a \
         change of the table: `UPDATE_DOCS=1 cargo test --lib metrics`.\n\n\
         `GET /metrics` serves them. Series of a partition end when the partition is revoked. Labels \
         hold names from the settings and from closed lists, never message text, account ids, \
         conversation ids or free text of an error.\n",
    );
    for (section, metrics) in sections() {
        page.push_str(&format!("\n## {section}\n\n"));
        page.push_str("| metric | type | labels | meaning |\n|---|---|---|---|\n");
        for metric in metrics {
            let labels: Vec<String> = metric
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            let row = format!(
                "| `{}` | {} | {} | {} |\n",
                metric.name,
                metric.kind.as_str(),
                labels.join(", "),
                metric.help,
            );
            page.push_str(&row);
        }
        for metric in metrics_with_buckets(section) {
            let bounds: Vec<String> = metric.buckets.iter().map(f64::to_string).collect();
            page.push_str(&format!(
                "\nBuckets of `{}`: {}.\n",
                metric.name,
                bounds.join(", ")
            ));
        }
    }
    page.push_str("\n## Labels\n\n| label | values |\n|---|---|\n");
    for (label, values) in LABELS {
        page.push_str(&format!("| `{label}` | {values} |\n"));
    }
    page
}

pub(super) fn all() -> impl Iterator<Item = &'static Metric> {
    WRITTEN.iter().chain(SAMPLED.iter().copied())
}

fn sections() -> Vec<(&'static str, Vec<&'static Metric>)> {
    let mut sections: Vec<(&'static str, Vec<&'static Metric>)> = Vec::new();
    for metric in all() {
        match sections
            .iter_mut()
            .find(|(name, _)| *name == metric.section)
        {
            Some((_, metrics)) => metrics.push(metric),
            None => sections.push((metric.section, vec![metric])),
        }
    }
    sections
}

fn metrics_with_buckets(section: &str) -> impl Iterator<Item = &'static Metric> {
    all().filter(move |metric| metric.section == section && !metric.buckets.is_empty())
}
