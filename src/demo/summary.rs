//! One look at the running worker, as numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::core::{Collector as _, Metric as _};
use prometheus::{Histogram, IntCounterVec};

use crate::telemetry::Metrics;

/// What the screen shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) elapsed: Duration,
    /// Consumed a second since the look before.
    pub(super) rate: f64,
    pub(super) produced: u64,
    pub(super) consumed: u64,
    pub(super) lag: i64,
    pub(super) in_flight: i64,
    /// End to end, in seconds.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) clean: u64,
    pub(super) not_scanned: u64,
    pub(super) flagged: u64,
    pub(super) reports: u64,
    pub(super) dead_letters: u64,
    /// Delivered items by queue.
    pub(super) queues: BTreeMap<String, u64>,
}

impl Summary {
    /// Takes what the worker's metrics say.
    pub(super) fn of_metrics(metrics: &Metrics) -> Self {
        let verdicts = metrics.verdict_counters();
        let partitions = metrics.partitions().snapshot();
        Self {
            consumed: sum(&metrics.consumed_messages),
            lag: partitions.iter().filter_map(|seen| seen.lag_stored).sum(),
            in_flight: metrics.in_flight_messages.get(),
            p50: quantile(&metrics.end_to_end_seconds, 0.5),
            p99: quantile(&metrics.end_to_end_seconds, 0.99),
            clean: verdicts.clean.get(),
            not_scanned: verdicts.not_scanned.get(),
            ..Self::default()
        }
    }

    /// Records of which it is known what became of them.
    pub(super) const fn accounted(&self) -> u64 {
        self.clean + self.not_scanned + self.flagged + self.reports + self.dead_letters
    }
}

/// The sum over all labels.
pub(super) fn sum(counters: &IntCounterVec) -> u64 {
    let families = counters.collect();
    let series = families.iter().flat_map(|family| family.get_metric());
    series
        .map(|series| series.get_counter().get_value() as u64)
        .sum()
}

/// The quantile as Prometheus' `histogram_quantile` computes it: within a bucket, evenly spread.
fn quantile(histogram: &Histogram, quantile: f64) -> Option<f64> {
    let metric = histogram.metric();
    let buckets = metric.get_histogram().get_bucket();
    let buckets = buckets
        .iter()
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    let total = metric.get_histogram().get_sample_count();
    let rank = quantile * total as f64;
    let (mut below, mut lower) = (0_u64, 0.0);
    for (upper, cumulative) in buckets {
        if total > 0 && cumulative as f64 >= rank {
            let inside = (rank - below as f64) / (cumulative - below).max(1) as f64;
            return Some(lower + (upper - lower) * inside);
        }
        (below, lower) = (cumulative, upper);
    }
    // Beyond the last bound nothing better is known than that bound.
    (total > 0).then_some(lower)
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let options = HistogramOpts::new("h", "h").buckets(vec![0.01, 0.02, 0.04]);
        let histogram = Histogram::with_opts(options).unwrap();
        assert_eq!(quantile(&histogram, 0.5), None);
        for _ in 0..50 {
            histogram.observe(0.005);
        }
        for _ in 0..50 {
            histogram.observe(0.03);
        }
        assert_eq!(quantile(&histogram, 0.5), Some(0.01));
        assert_eq!(quantile(&histogram, 0.25), Some(0.005));
        assert!((quantile(&histogram, 0.75).unwrap() - 0.03).abs() < 1e-9);
        for _ in 0..900 {
            histogram.observe(5.0);
        }
        assert_eq!(quantile(&histogram, 0.99), Some(0.04));
    }

    #[test]
    fn every_outcome_counts_once() {
        let metrics = Metrics::new().unwrap();
        metrics.topic("dm.messages").messages.inc_by(10);
        metrics.topic("dm.reports").messages.inc_by(2);
        metrics.verdict_counters().clean.inc_by(5);
        metrics.verdict_counters().not_scanned.inc_by(2);
        let mut summary = Summary::of_metrics(&metrics);
        assert_eq!(summary.consumed, 12);
        summary.flagged = 2;
        summary.reports = 2;
        summary.dead_letters = 1;
        assert_eq!(summary.accounted(), 12);
    }
}
