//! Bugs seeded on purpose: the oracle must find each, in a run that is faultless without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::support::cluster::Cluster;
use crate::support::oracle::Report;
use crate::support::scenario::Scenario;
use crate::support::site::Site;
use crate::support::wait;
use crate::support::worker::{Start, Worker};

fn start(fault: Option<&'static str>) -> Start<'static> {
    Start {
        fault,
        ..Start::default()
    }
}

/// A worker without any bug finishes what the others left.
fn finish(scenario: &mut Scenario<'_>) -> Report {
    let mut worker = Worker::start(&scenario.site);
    scenario.feed(100);
    scenario.wait_done();
    worker.terminate();
    scenario.judge()
}

/// Messages are taken, items are not; then the worker crashes.
fn crash_while_blocked(fault: Option<&'static str>) -> Report {
    let mut scenario = Scenario::new(Cluster::shared(), "seeded-early");
    let mut worker = Worker::start_with(&scenario.site, &start(fault));
    scenario.site.block_items();
    scenario.feed(1_000);
    worker.wait_metric("dmwatch_consumed_messages_total", &[], |count| {
        count >= 1_000.0
    });
    // Several commits long.
    std::thread::sleep(Duration::from_secs(1));
    worker.kill();
    scenario.site.unblock_items();
    finish(&mut scenario)
}

#[test]
fn storing_early_is_found() {
    crash_while_blocked(None).assert_faultless();
    let report = crash_while_blocked(Some("store_early"));
    assert!(report.lost() > 100, "{report}");
}

/// An item that the broker refuses for its size.
fn refuse_a_large_item(fault: Option<&'static str>) -> Report {
    let mut scenario = Scenario::new(Cluster::shared(), "seeded-skip");
    let mut worker = Worker::start_with(&scenario.site, &start(fault));
    let limit = |settings: &[(&str, &str)]| {
        for topic in scenario.site.review_topics() {
            scenario.site.cluster.alter_topic(&topic, settings);
        }
    };
    limit(&[("max.message.bytes", "30000")]);
    let large = scenario.generator.flagged_without_text(120_000);
    scenario.site.produce(std::slice::from_ref(&large));
    scenario.wait_done();
    limit(&[]);
    scenario.note(vec![large]);
    scenario.feed(200);
    scenario.wait_done();
    worker.terminate();
    scenario.judge()
}

#[test]
fn skipping_what_is_rejected_is_found() {
    refuse_a_large_item(None).assert_faultless();
    let report = refuse_a_large_item(Some("skip_rejected"));
    assert!(report.lost() > 0, "{report}");
}

/// Another member takes partitions over while the items of their messages are not delivered yet. It
/// is a foreign one that commits nothing.
fn revoke_while_blocked(fault: Option<&'static str>) -> Report {
    let mut scenario = Scenario::new(Cluster::shared(), "seeded-late");
    let mut worker = Worker::start_with(&scenario.site, &start(fault));
    scenario.site.block_items();
    scenario.feed(1_000);
    worker.wait_metric("dmwatch_consumed_messages_total", &[], |count| {
        count >= 1_000.0
    });
    let stranger = Stranger::join(&scenario.site);
    worker.wait_metric("dmwatch_partitions_assigned", &[], |count| count <= 4.0);
    // Only when the group is stable again does the broker take a commit.
    let site = &scenario.site;
    let forged = || site.cluster.lag(&site.group, &site.messages) < 900;
    let patience = Duration::from_secs(if fault.is_some() { 20 } else { 4 });
    assert_eq!(wait::within(patience, forged), fault.is_some());
    worker.kill();
    drop(stranger);
    scenario.site.unblock_items();
    finish(&mut scenario)
}

/// A consumer in the workers' group that judges and commits nothing.
struct Stranger {
    leave: Arc<AtomicBool>,
    polling: Option<JoinHandle<()>>,
}

impl Stranger {
    fn join(site: &Site<'_>) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", site.cluster.bootstrap())
            .set("group.id", &site.group)
            .set("client.id", "stranger")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "300")
            .create()
            .expect("a valid client");
        consumer
            .subscribe(&[&site.messages, &site.reports])
            .expect("valid names");
        let leave = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&leave);
        let polling = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let _ = consumer.poll(Duration::from_millis(50));
            }
        });
        Self {
            leave,
            polling: Some(polling),
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        if let Some(polling) = self.polling.take() {
            let _ = polling.join();
        }
    }
}

#[test]
fn a_late_ack_is_found() {
    revoke_while_blocked(None).assert_faultless();
    let report = revoke_while_blocked(Some("late_ack"));
    assert!(report.lost() > 50, "{report}");
}
