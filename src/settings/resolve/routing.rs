//! `queues`, `routing`, `default_queue`.

use std::time::Duration;

use dmwatch_core::document::{Fault, Place, closest, format_duration};
use dmwatch_core::message::AgeBand;
use dmwatch_core::region::is_region_name;
use dmwatch_core::routing::{Glob, Kind, Queue, Routing, Row, When};
use dmwatch_core::verdict::Severity;

use super::Resolver;
use crate::settings::values::View;

impl Resolver<'_> {
    pub(super) fn routing(&mut self) -> Routing {
        let queues: Vec<Queue> = self.queues();
        let rows: Vec<Row> = self.root.at("routing").items().iter().map(row).collect();
        let names: Vec<String> = queues.iter().map(|queue| queue.name.to_string()).collect();
        for view in self.root.at("routing").items() {
            self.queue_exists(&view.at("queue"), &names);
            let row = row(&view);
            if row.when == When::default() && view.has_value() {
                let message = "a row without conditions applies to every item";
                let fault = Fault::warning("row", message, &view.place());
                self.faults
                    .push(fault.help("rows after it never apply; `default_queue` is for the rest"));
            }
        }
        let default_queue = self.root.at("default_queue");
        self.queue_exists(&default_queue, &names);
        let name = default_queue.text().unwrap_or_default();
        Routing::new(queues, rows, name).unwrap_or_else(|_| unusable())
    }

    fn queues(&mut self) -> Vec<Queue> {
        let mut queues = Vec::new();
        for (key, view) in self.root.at("queues").entries("<queue>") {
            if !is_region_name(&key.name) {
                let message = format!(
                    "queue name `{}`: expected 1 to 63 of a-z, 0-9 and `-`, starting with a letter",
                    key.name
                );
                self.faults
                    .push(Fault::error("queue-name", message, &key.place));
            }
            let due = view.at("due").duration().unwrap_or_default();
            let mut due_by_age_band = Vec::new();
            for (band, view) in view.at("due_by_age_band").entries("<age_band>") {
                let band = AgeBand::from_name(&band.name);
                if let (Some(band), Some(due_of_band)) = (band, view.duration()) {
                    self.minors_wait_no_longer(band, due_of_band, due, &view.place());
                    due_by_age_band.push((band, due_of_band));
                }
            }
            queues.push(Queue {
                name: key.name.as_str().into(),
                due,
                due_by_age_band,
                priority: view.at("priority").integer().unwrap_or_default(),
            });
        }
        queues
    }

    fn minors_wait_no_longer(
        &mut self,
        band: AgeBand,
        due: Duration,
        of_all: Duration,
        at: &Place,
    ) {
        if band.is_minor() && due > of_all {
            let message = format!(
                "minors would wait longer ({}) than everybody else ({})",
                format_duration(due),
                format_duration(of_all)
            );
            self.faults.push(Fault::warning("deadline", message, at));
        }
    }

    fn queue_exists(&mut self, view: &View<'_>, names: &[String]) {
        let Some(name) = view.text() else { return };
        if names.iter().any(|known| known == name) {
            return;
        }
        let message = format!("queue `{name}` is not declared");
        let near = closest(name, names.iter().map(String::as_str));
        let fault = Fault::error("unknown-queue", message, &view.place());
        self.faults.push(match near {
            Some(near) => fault.did_you_mean(Some(near)),
            None => fault.help(format!("declare it: `queues: {{{name}: {{due: 1h}}}}`")),
        });
    }
}

/// Stands in where faults were found, and is never used.
fn unusable() -> Routing {
    let queue = Queue {
        name: "none".into(),
        due: Duration::ZERO,
        due_by_age_band: Vec::new(),
        priority: 0,
    };
    match Routing::new(vec![queue], Vec::new(), "none") {
        Ok(routing) => routing,
        Err(_) => unreachable!("one queue, and it is the default"),
    }
}

fn row(view: &View<'_>) -> Row {
    let when = view.at("when");
    let bands = when.at("recipient_age_band").owned_texts();
    Row {
        when: When {
            policy: when.at("policy").owned_texts(),
            severity_at_least: when.at("severity_at_least").text().and_then(severity),
            rule: when.at("rule").owned_texts().map(|globs| {
                let globs = globs.into_iter();
                globs.map(Glob::new).collect()
            }),
            minor_with_adult_or_unknown: when.at("pair").text().map(|pair| pair == "minor_adult"),
            recipient_age_band: bands.map(|bands| {
                let bands = bands.iter();
                bands.filter_map(|band| AgeBand::from_name(band)).collect()
            }),
            kind: when.at("kind").text().map(|kind| match kind {
                "report" => Kind::Report,
                _ => Kind::Flag,
            }),
            report_reason: when.at("report_reason").owned_texts(),
        },
        queue: view.at("queue").text_or_empty(),
        due: view.at("due").duration(),
        priority: view.at("priority").integer(),
    }
}

fn severity(name: &str) -> Option<Severity> {
    Severity::ALL
        .into_iter()
        .find(|severity| severity.as_str() == name)
}
