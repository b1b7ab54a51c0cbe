//! How the brokers keep the topic of conversation state.
//!
//! Entries are not deleted by the worker: the topic's retention does it, once no rule's window
//! reaches back that far. Compaction alone would keep one record for each entry ever made.

use dmwatch_core::document::{Fault, FaultSeverity};
use dmwatch_core::message::Millis;

use super::Checker;
use crate::kafka::probe::Config;

const POLICY: &str = "compact,delete";
/// A worker that lags judges older messages, whose windows reach back further.
const MARGIN: Millis = Millis(60 * 60 * 1_000);

/// What the topic needs, as names and values.
pub(super) fn configs(window: Millis) -> [(&'static str, String); 2] {
    [
        ("cleanup.policy", POLICY.to_owned()),
        ("retention.ms", (window.0 + MARGIN.0).to_string()),
    ]
}

impl Checker<'_> {
    pub(super) fn state_config(&mut self, config: &Config) {
        let Some(policy) = config.get("cleanup.policy") else {
            return;
        };
        let state = &self.settings.topics.state;
        let has = |wanted| policy.split(',').any(|found| found.trim() == wanted);
        let retention = config.get("retention.ms");
        let retention: Option<i64> = retention.and_then(|value| value.parse().ok());
        let kept = retention.filter(|kept| *kept >= 0 && has("delete"));
        let (severity, code, problem) = if !has("compact") {
            (
                FaultSeverity::Error,
                "state-not-compacted",
                format!("`cleanup.policy={policy}`: expected `{POLICY}`"),
            )
        } else if let Some(kept) = kept {
            if kept >= self.window.0 + MARGIN.0 {
                return;
            }
            let severity = if kept < self.window.0 {
                FaultSeverity::Error
            } else {
                FaultSeverity::Warning
            };
            (
                severity,
                "state-retention",
                format!(
                    "`retention.ms={kept}`: expected at least {}, the longest window of a rule and an hour for a worker that lags",
                    self.window.0 + MARGIN.0
                ),
            )
        } else {
            let why = if has("delete") {
                "no `retention.ms`".to_owned()
            } else {
                format!("`cleanup.policy={policy}`")
            };
            (
                FaultSeverity::Warning,
                "state-grows",
                format!("{why}: it grows for ever, as entries leave it by retention only"),
            )
        };
        let message = format!("topic `{state}` has {problem}");
        let place = self.settings.places.place("topics.state");
        let fault = Fault {
            severity,
            ..Fault::error(code, message, &place)
        };
        let [(policy, policies), (retention, kept)] = configs(self.window);
        self.faults.push(fault.help(format!(
            "`kafka-configs.sh --alter --topic {state} --add-config {policy}=[{policies}],{retention}={kept}`"
        )));
    }
}
