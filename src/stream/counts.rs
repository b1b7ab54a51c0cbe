//! What a shard counts: in plain integers per message, added to the metrics once a batch.

use std::collections::HashMap;
use std::sync::Arc;

use dmwatch_core::judge::Plan;
use dmwatch_core::region::{Owner, RegionIndex, Regions};
use dmwatch_core::rules::Ruleset;
use dmwatch_core::verdict::{Outcome, Verdict};
use prometheus::IntCounter;

use crate::telemetry::metrics::{HitStatus, Metrics, RuleHits, Verdicts};

/// One shard's counts.
pub struct Counts {
    metrics: Arc<Metrics>,
    verdicts: Verdicts,
    hits: Arc<RuleHits>,
    clean: u64,
    flagged: u64,
    not_scanned: u64,
    /// Messages of each owner, and the policies that did not look at them.
    owners: Vec<(u64, Vec<IntCounter>)>,
    /// Handles by label values, so that a label is looked up once and not per message.
    handles: HashMap<[Box<str>; 3], IntCounter>,
    entries: i64,
    context: (i64, i64),
}

impl Counts {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, hits: Arc<RuleHits>, regions: &Regions, plan: &Plan) -> Self {
        let owners = regions
            .iter()
            .map(|(index, _)| Owner::Region(index))
            .chain([Owner::Unassigned]);
        let unscanned = |owner: Owner| {
            let region = regions.name(owner);
            let policies = plan.scan(owner).unscanned.iter();
            let counters = policies
                .map(|policy| metrics.not_scanned.with_label_values(&[region, policy]))
                .collect();
            (0, counters)
        };
        Self {
            owners: owners.map(unscanned).collect(),
            verdicts: metrics.verdict_counters(),
            metrics,
            hits,
            clean: 0,
            flagged: 0,
            not_scanned: 0,
            handles: HashMap::new(),
            entries: 0,
            context: (0, 0),
        }
    }

    /// One verdict.
    pub fn verdict(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Clean => self.clean += 1,
            Outcome::Flagged => self.flagged += 1,
            Outcome::NotScanned => self.not_scanned += 1,
        }
    }

    /// The rules that fired.
    pub fn hits(&self, verdict: &Verdict, ruleset: &Ruleset) {
        for reason in &verdict.reasons {
            let canary = ruleset
                .rule(reason.rule)
                .is_some_and(|rule| matches!(rule.status, dmwatch_core::rules::Status::Canary(_)));
            let status = if canary {
                HitStatus::Canary
            } else {
                HitStatus::Live
            };
            self.hits.add(reason.rule.0 as usize, status, 1);
        }
        for reason in &verdict.shadow {
            self.hits.add(reason.rule.0 as usize, HitStatus::Shadow, 1);
        }
    }

    /// One message of that owner.
    pub fn owner(&mut self, owner: Owner) {
        let messages = match owner {
            Owner::Region(RegionIndex(index)) => self.owners.get_mut(usize::from(index)),
            Owner::Unassigned => self.owners.last_mut(),
        };
        if let Some((messages, _)) = messages {
            *messages += 1;
        }
    }

    /// What counts an item of that queue and region, once it is delivered.
    pub fn item(&mut self, queue: &str, region: &str, kind: &'static str) -> IntCounter {
        let family = &self.metrics.items;
        let key = [kind.into(), region.into(), queue.into()];
        let make = || family.with_label_values(&[queue, region, kind]);
        self.handles.entry(key).or_insert_with(make).clone()
    }

    /// What counts a dead letter, once it is delivered.
    pub fn dead_letter(&self, reason: &'static str, stage: &'static str) -> IntCounter {
        self.metrics
            .dead_letters
            .with_label_values(&[reason, stage])
    }

    /// A replay's claim of coordinates.
    pub fn replay(&self, outcome: &'static str) {
        self.metrics.replays.with_label_values(&[outcome]).inc();
    }

    /// An item that went out with less.
    pub fn shed(&self, what: &'static str) {
        self.metrics.items_shed.with_label_values(&[what]).inc();
    }

    /// Adds everything to the metrics. `entries` of conversation state and `context` (messages,
    /// bytes) are this shard's; the gauges show the sum over all shards.
    pub fn publish(&mut self, entries: usize, context: (usize, usize)) {
        self.verdicts.clean.inc_by(std::mem::take(&mut self.clean));
        self.verdicts
            .flagged
            .inc_by(std::mem::take(&mut self.flagged));
        let not_scanned = std::mem::take(&mut self.not_scanned);
        self.verdicts.not_scanned.inc_by(not_scanned);
        for (messages, policies) in &mut self.owners {
            let messages = std::mem::take(messages);
            policies.iter().for_each(|policy| policy.inc_by(messages));
        }
        let entries = entries as i64;
        self.metrics.state_entries.add(entries - self.entries);
        self.entries = entries;
        let context = (context.0 as i64, context.1 as i64);
        self.metrics
            .context_messages
            .add(context.0 - self.context.0);
        self.metrics.context_bytes.add(context.1 - self.context.1);
        self.context = context;
    }
}
