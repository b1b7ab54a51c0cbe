//! Settings that are fine by themselves and contradict each other.

use std::collections::BTreeMap;
use std::time::Duration;

use dmwatch_core::document::{Fault, Origin, Place, format_duration, format_size};

use super::Resolver;
use crate::kafka::SESSION_TIMEOUT_MILLIS;
use crate::settings::types::Settings;
use crate::settings::values::View;

impl Resolver<'_> {
    pub(super) fn cross_check(&mut self, settings: &Settings) {
        self.timeouts(settings);
        self.sizes();
        self.topic_names(settings);
        if settings.regions.is_empty() && self.needs.keys && !self.faults.has_errors() {
            let message =
                "no region is declared: every message is unassigned, and nothing is scanned";
            let place = self.root.at("regions").key_place();
            let fault = Fault::warning("regions", message, &place);
            self.faults
                .push(fault.help("declare at least one region, see `config/minimal.yaml`"));
        }
    }

    fn timeouts(&mut self, settings: &Settings) {
        let drain = self.root.at("stream.drain_timeout");
        let grace = self.root.at("stream.shutdown_grace");
        let (Some(drain_timeout), Some(shutdown_grace)) = (drain.duration(), grace.duration())
        else {
            return;
        };
        if drain_timeout >= shutdown_grace {
            self.contradiction(
                &drain,
                &grace,
                format!(
                    "`stream.drain_timeout` ({}) has to be shorter than `stream.shutdown_grace` ({})",
                    format_duration(drain_timeout),
                    format_duration(shutdown_grace)
                ),
            );
        }
        let (session, place) = self.session_timeout(settings);
        if drain_timeout >= session {
            let message = format!(
                "`stream.drain_timeout` ({}) has to be shorter than the session time-out ({}), \
                 or the group takes the partitions away before they are drained",
                format_duration(drain_timeout),
                format_duration(session)
            );
            let fault = Fault::error("contradiction", message, &drain.place());
            let label = "the session time-out (`session.timeout.ms`)";
            self.faults.push(match place {
                Some(place) => fault.related(&place, label),
                None => fault,
            });
        }
    }

    /// The consumer's session time-out, and where it was set.
    fn session_timeout(&self, settings: &Settings) -> (Duration, Option<Place>) {
        const NAME: &str = "session.timeout.ms";
        let millis = |map: &BTreeMap<String, String>| map.get(NAME)?.parse::<u64>().ok();
        let both = [
            (
                "kafka.consumer_properties",
                millis(&settings.kafka.consumer_properties),
            ),
            ("kafka.properties", millis(&settings.kafka.properties)),
        ];
        for (path, millis) in both {
            let entries = self.root.at(path).entries("<property>");
            let found = entries.into_iter().find(|(key, _)| key.name == NAME);
            if let (Some(millis), Some((_, view))) = (millis, found) {
                return (Duration::from_millis(millis), Some(view.place()));
            }
        }
        (Duration::from_millis(SESSION_TIMEOUT_MILLIS), None)
    }

    fn sizes(&mut self) {
        let input = self.root.at("input.max_bytes");
        let output = self.root.at("output.max_bytes");
        if input.size() == 0 || output.size() == 0 {
            return;
        }
        for name in ["stream.max_in_flight_bytes", "stream.partition_span_bytes"] {
            let bound = self.root.at(name);
            if (1..input.size()).contains(&bound.size()) {
                let message = format!(
                    "`{name}` ({}) has to be at least `input.max_bytes` ({}), or a message of that size never fits",
                    size(&bound),
                    size(&input)
                );
                self.contradiction(&bound, &input, message);
            }
        }
        // Base64 adds a third; the envelope, parties and reasons take a few kilobytes.
        let sealed = input.size() / 3 * 4 + 16 * 1024;
        let is_choice = input.is_set() || output.is_set();
        if is_choice && sealed > output.size() {
            let message = format!(
                "a message of `input.max_bytes` ({}) takes about {} when it is sealed, more than `output.max_bytes` ({})",
                size(&input),
                format_size((sealed as u64).next_multiple_of(1024)),
                size(&output)
            );
            let (at, other) = if output.is_set() {
                (&output, &input)
            } else {
                (&input, &output)
            };
            let fault = Fault::warning("limits", message, &at.place());
            let fault = fault.help(
                "such an item sheds its context, then its text, and goes out as a reference that is alerted on",
            );
            self.faults.push(related(fault, other));
        }
    }

    fn contradiction(&mut self, first: &View<'_>, second: &View<'_>, message: String) {
        let (at, other) = if first.is_set() {
            (first, second)
        } else {
            (second, first)
        };
        let fault = Fault::error("contradiction", message, &at.place());
        self.faults.push(related(fault, other));
    }

    fn topic_names(&mut self, settings: &Settings) {
        let topics = self.root.at("topics");
        let mut seen: BTreeMap<String, (Place, &'static str)> = BTreeMap::new();
        let mut all: Vec<(String, Place, &'static str)> = Vec::new();
        for (path, what) in [("messages", "messages"), ("reports", "reports")] {
            let texts = topics.at(path).texts().into_iter();
            all.extend(texts.map(|(text, node)| (text.to_owned(), node.place.clone(), what)));
        }
        for (path, what) in [
            ("dead_letter", "dead letters"),
            ("state", "conversation state"),
        ] {
            let view = topics.at(path);
            all.push((view.text_or_empty(), view.place(), what));
        }
        let review = topics.at("review_prefix").place();
        let names = settings
            .regions
            .iter()
            .map(|(_, region)| region.name.to_string());
        for name in names.chain([dmwatch_core::region::UNASSIGNED.to_owned()]) {
            all.push((
                settings.topics.review(&name),
                review.clone(),
                "review items",
            ));
        }
        for (name, place, what) in all {
            let is_valid = (1..=249).contains(&name.len())
                && name != "."
                && name != ".."
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
            if !is_valid {
                let message = format!(
                    "topic name `{name}`: expected 1 to 249 of a-z, A-Z, 0-9, `.`, `_` and `-`"
                );
                self.faults
                    .push(Fault::error("topic-name", message, &place));
            } else if let Some((first, used_for)) = seen.get(&name) {
                // Show what somebody wrote, not a default.
                let (place, first) = if place.origin == Origin::Default {
                    (first, &place)
                } else {
                    (&place, first)
                };
                let message =
                    format!("topic `{name}` is used twice: for {used_for} and for {what}");
                let fault = Fault::error("contradiction", message, place);
                self.faults.push(if first.origin == Origin::Default {
                    fault
                } else {
                    fault.related(first, "also here")
                });
            } else {
                seen.insert(name, (place, what));
            }
        }
    }
}

fn size(view: &View<'_>) -> String {
    format_size(view.size() as u64)
}

/// Points at another setting, if somebody set it: of a default the message says enough.
fn related(fault: Fault, other: &View<'_>) -> Fault {
    if other.is_set() {
        fault.related(&other.place(), "this")
    } else {
        fault
    }
}
