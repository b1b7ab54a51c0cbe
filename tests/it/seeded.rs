//! Bugs seeded on purpose: the oracle must find each, in a run that is faultless without it.

use std::process::Command;
use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::oracle::Report;
use crate::support::process::Process;
use crate::support::scenario::Scenario;
use crate::support::site::Site;
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

/// Items that the broker refuses for their size.
fn refuse_large_items(fault: Option<&'static str>) -> Report {
    let mut scenario = Scenario::new(Cluster::shared(), "seeded-skip");
    let mut worker = Worker::start_with(&scenario.site, &start(fault));
    for topic in scenario.site.review_topics() {
        let cluster = scenario.site.cluster;
        cluster.alter_topic(&topic, &[("max.message.bytes", "30000")]);
    }
    scenario.feed(200);
    let large = scenario.generator.flagged_without_text(120_000);
    scenario.feed_planned(vec![large]);
    scenario.feed(200);
    scenario.wait_done();
    worker.terminate();
    scenario.judge()
}

#[test]
fn skipping_what_is_rejected_is_found() {
    refuse_large_items(None).assert_faultless();
    let report = refuse_large_items(Some("skip_rejected"));
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
    let mut member = foreign_member(&scenario.site);
    worker.wait_metric("dmwatch_partitions_assigned", &[], |count| count <= 4.0);
    // Several commits long.
    std::thread::sleep(Duration::from_secs(1));
    worker.kill();
    member.kill();
    scenario.site.unblock_items();
    finish(&mut scenario)
}

fn foreign_member(site: &Site<'_>) -> Process {
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", site.cluster.bootstrap(), "-q", "-f", ""])
        .args(["-X", "partition.assignment.strategy=cooperative-sticky"])
        .args(["-X", "enable.auto.commit=false"])
        .args(["-X", "session.timeout.ms=4000"])
        .args(["-G", &site.group, &site.messages, &site.reports]);
    Process::start("kcat", &site.folder, kcat)
}

#[test]
fn a_late_ack_is_found() {
    revoke_while_blocked(None).assert_faultless();
    let report = revoke_while_blocked(Some("late_ack"));
    assert!(report.lost() > 50, "{report}");
}
