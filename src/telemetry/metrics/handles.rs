//! Labelled handles, looked up once and kept by the threads that count.

use std::time::Duration;

use prometheus::{Counter, IntCounter};

use super::{Families, add_seconds};

/// The counters of one input topic.
#[derive(Clone, Debug)]
pub struct TopicMetrics {
    /// Records read.
    pub messages: IntCounter,
    /// Bytes of key and value read.
    pub bytes: IntCounter,
}

/// The counters of the verdicts.
#[derive(Clone, Debug)]
pub struct Verdicts {
    /// Judged, nothing for a human.
    pub clean: IntCounter,
    /// Judged, at least one live rule fired.
    pub flagged: IntCounter,
    /// No policy had a legal basis.
    pub not_scanned: IntCounter,
}

impl Verdicts {
    pub(super) fn new(families: &Families) -> Self {
        let counter = |verdict| families.verdicts.with_label_values(&[verdict]);
        Self {
            clean: counter("clean"),
            flagged: counter("flagged"),
            not_scanned: counter("not_scanned"),
        }
    }
}

/// Where the time goes: seconds by part of the work.
#[derive(Clone, Debug)]
pub struct LoopTime {
    poll: Counter,
    wait: Counter,
    judge: Counter,
    deliver: Counter,
    commit: Counter,
}

impl LoopTime {
    pub(super) fn new(families: &Families) -> Self {
        let counter = |part| families.loop_seconds.with_label_values(&[part]);
        Self {
            poll: counter("poll"),
            wait: counter("wait"),
            judge: counter("judge"),
            deliver: counter("deliver"),
            commit: counter("commit"),
        }
    }

    /// The poll thread took records from librdkafka and formed batches.
    pub fn add_poll(&self, duration: Duration) {
        add_seconds(&self.poll, duration);
    }

    /// The poll thread had nothing to do, or was held back.
    pub fn add_wait(&self, duration: Duration) {
        add_seconds(&self.wait, duration);
    }

    /// A shard judged a batch.
    pub fn add_judge(&self, duration: Duration) {
        add_seconds(&self.judge, duration);
    }

    /// Sealed items were built and handed to the producer.
    pub fn add_deliver(&self, duration: Duration) {
        add_seconds(&self.deliver, duration);
    }

    /// Acknowledgements were applied, offsets stored and committed.
    pub fn add_commit(&self, duration: Duration) {
        add_seconds(&self.commit, duration);
    }
}

/// What became of a rule's hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitStatus {
    /// Routed.
    Live,
    /// Routed, because the conversation is within the rule's canary.
    Canary,
    /// Counted only.
    Shadow,
}

impl HitStatus {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            HitStatus::Live => "live",
            HitStatus::Canary => "canary",
            HitStatus::Shadow => "shadow",
        }
    }
}

/// The counters of a ruleset's hits, by the rule's index.
///
/// A series exists from the start for every status that a rule can have, so that a rule that never
/// fires shows as zero, and for none that it cannot, so that the number of series stays near the
/// number of rules.
#[derive(Clone, Debug)]
pub struct RuleHits(Vec<Vec<(HitStatus, IntCounter)>>);

impl RuleHits {
    /// Counters for rules in index order: each one's id and the statuses that its hits can have.
    pub fn new<'a>(
        families: &Families,
        rules: impl IntoIterator<Item = (&'a str, &'a [HitStatus])>,
    ) -> Self {
        let counters = |(rule, statuses): (&str, &[HitStatus])| {
            let counter = |status: &HitStatus| {
                let labels = [rule, status.as_str()];
                (*status, families.rule_hits.with_label_values(&labels))
            };
            statuses.iter().map(counter).collect()
        };
        Self(rules.into_iter().map(counters).collect())
    }

    /// Counts hits of the rule with that index. A status that the rule was not declared with is
    /// not counted.
    pub fn add(&self, rule: usize, status: HitStatus, hits: u64) {
        let counters = self.0.get(rule).map_or(&[][..], Vec::as_slice);
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == status) {
            counter.inc_by(hits);
        }
    }
}
