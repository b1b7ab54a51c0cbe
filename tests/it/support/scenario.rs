//! The frame of a fault test: messages in, something happens, fresh messages in, and the oracle.

use std::time::Duration;

use super::cluster::Cluster;
use super::generate::{Generator, Mix, Planned};
use super::leaks;
use super::oracle::{self, Report};
use super::random::Random;
use super::site::{Plan, Site};
use super::worker::Worker;

/// How long a group may take to be done, faults, rebalances and restarted brokers included.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// Messages that come after the fault, to show that they still flow.
const FRESH: usize = 200;

/// A site, and every record that was written to its input.
pub struct Scenario<'a> {
    pub site: Site<'a>,
    pub generator: Generator,
    pub random: Random,
    planned: Vec<Planned>,
}

impl<'a> Scenario<'a> {
    pub fn new(cluster: &'a Cluster, name: &str) -> Self {
        Self::planned(cluster, name, Plan::default(), Mix::default())
    }

    pub fn planned(cluster: &'a Cluster, name: &str, plan: Plan<'_>, mix: Mix) -> Self {
        let seed = Random::seed(name);
        Self {
            site: Site::planned(cluster, name, plan),
            generator: Generator::new(name, seed, mix),
            random: Random::new(!seed),
            planned: Vec::new(),
        }
    }

    /// Writes that many fresh messages.
    pub fn feed(&mut self, count: usize) {
        let messages = self.generator.take(count);
        self.feed_planned(messages);
    }

    /// Writes these records.
    pub fn feed_planned(&mut self, records: Vec<Planned>) {
        self.site.produce(&records);
        self.planned.extend(records);
    }

    /// For records that were written in another way.
    pub fn note(&mut self, records: Vec<Planned>) {
        self.planned.extend(records);
    }

    /// Waits until the group has committed everything.
    pub fn wait_done(&self) {
        let site = &self.site;
        site.cluster
            .wait_no_lag(&site.group, &site.messages, SETTLE_LIMIT);
    }

    /// The oracle's judgement on the topics as they are now.
    pub fn judge(&self) -> Report {
        oracle::judge(&oracle::read(&self.site, &self.planned))
    }

    /// Fresh messages must still flow; then everything is committed, nothing is lost, invented or
    /// changed, and no text got out.
    pub fn settle(&mut self, workers: &[&Worker]) -> Report {
        self.feed(FRESH);
        self.wait_done();
        let report = self.judge();
        report.assert_faultless();
        leaks::assert_none(&self.site, workers);
        report
    }
}
