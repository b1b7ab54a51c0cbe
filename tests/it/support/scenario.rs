//! The frame of a fault test: messages in, something happens, fresh messages in, and the oracle.

use std::time::Duration;

use super::cluster::Cluster;
use super::generate::{Generator, Mix, Planned};
use super::leaks;
use super::oracle::{self, Arrived, Report};
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
    /// Input records that the broker has deleted since, and that had been judged before.
    deleted: Vec<Arrived>,
}

impl<'a> Scenario<'a> {
    pub fn new(cluster: &'a Cluster, name: &str) -> Self {
        Self::planned(cluster, name, Plan::default(), Mix::default())
    }

    pub fn planned(cluster: &'a Cluster, name: &str, plan: Plan<'_>, mix: Mix) -> Self {
        let seed = Random::seed(name);
        Self {
            site: Site::new(cluster, name, plan),
            generator: Generator::new(name, seed, mix),
            random: Random::new(!seed),
            planned: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// Writes that many fresh messages, and reports beside them.
    pub fn feed(&mut self, count: usize) {
        let fresh = self.fresh(count);
        self.feed_planned(fresh);
    }

    fn fresh(&mut self, count: usize) -> Vec<Planned> {
        let mut fresh = self.generator.take(count);
        fresh.extend(self.generator.reports(count));
        fresh
    }

    /// The same while something else happens.
    pub fn feed_during(&mut self, count: usize, happens: impl FnOnce(&mut Random)) {
        let fresh = self.fresh(count);
        let site = &self.site;
        std::thread::scope(|scope| {
            let feeding = scope.spawn(|| site.produce(&fresh));
            happens(&mut self.random);
            feeding.join().expect("kcat writes everything");
        });
        self.planned.extend(fresh);
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
        for (topic, _) in site.inputs() {
            site.cluster.wait_no_lag(&site.group, topic, SETTLE_LIMIT);
        }
    }

    /// The oracle's judgement on the topics as they are now.
    pub fn judge(&self) -> Report {
        let mut read = oracle::read(&self.site, &self.planned);
        read.arrived.extend(self.deleted.iter().cloned());
        oracle::judge(&read)
    }

    /// Deletes all records of a partition of the messages, as retention does. Those before the group's
    /// committed offset must have come out; the others are gone, and how many they are is returned.
    pub fn expire(&mut self, partition: i32) -> i64 {
        let site = &self.site;
        let committed = site.cluster.committed(&site.group, &site.messages);
        let committed = committed.get(&partition).copied().unwrap_or(0);
        let read = oracle::read(site, &self.planned);
        let judged = read.arrived.into_iter().filter(|record| {
            let source = &record.source;
            source.topic == site.messages
                && source.partition == partition
                && source.offset < committed
        });
        self.deleted.extend(judged);
        let (_, end) = site.cluster.watermarks(&site.messages)[&partition];
        site.cluster.delete_records(&site.messages, partition, end);
        end - committed
    }

    /// Waits until everything is committed, judges it, and deletes it from the brokers, so that a
    /// long test need not keep and judge all at once. Conversation state stays.
    pub fn close_chapter(&mut self, workers: &[&Worker]) -> Report {
        self.wait_done();
        let report = self.judge();
        report.assert_faultless();
        leaks::assert_none(&self.site, workers);
        let site = &self.site;
        let inputs = site.inputs().into_iter().map(|(topic, _)| topic.to_owned());
        let judged = inputs.chain([site.dead_letter.clone()]);
        for topic in site.review_topics().chain(judged) {
            for (partition, (_, end)) in site.cluster.watermarks(&topic) {
                site.cluster.delete_records(&topic, partition, end);
            }
        }
        self.planned.clear();
        self.deleted.clear();
        report
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
