//! Workers that come and go while messages flow.

use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::generate::Mix;
use crate::support::scenario::Scenario;
use crate::support::site::Plan;
use crate::support::worker::Worker;

fn scenario(name: &str) -> Scenario<'static> {
    let plan = Plan {
        partitions: 6,
        ..Plan::default()
    };
    Scenario::planned(Cluster::shared(), name, plan, Mix::default())
}

/// Orderly changes commit what was delivered before a partition moves: nothing comes twice.
#[test]
fn joining_and_leaving_loses_and_repeats_nothing() {
    let mut scenario = scenario("join-leave");
    let mut first = Worker::start(&scenario.site);
    let site_of = |scenario: &Scenario<'static>| Worker::start(&scenario.site);
    scenario.feed(2_000);
    let mut second = site_of(&scenario);
    scenario.feed(2_000);
    let mut third = site_of(&scenario);
    scenario.feed_during(4_000, |_| first.terminate());
    scenario.feed_during(2_000, |_| third.terminate());
    let report = scenario.settle(&[&first, &second, &third]);
    assert_eq!(report.repeats, 0, "{report}");
    second.terminate();
}

/// Crashes among them: repeats are allowed, losses are not.
#[test]
fn joining_leaving_and_dying_loses_nothing() {
    let mut scenario = scenario("join-die");
    let mut first = Worker::start(&scenario.site);
    scenario.feed(1_000);
    let mut second = Worker::start(&scenario.site);
    scenario.feed_during(4_000, |random| {
        std::thread::sleep(random.pause(Duration::ZERO, Duration::from_secs(1)));
        first.kill();
    });
    let mut third = Worker::start(&scenario.site);
    scenario.feed_during(4_000, |random| {
        std::thread::sleep(random.pause(Duration::ZERO, Duration::from_secs(1)));
        second.terminate();
    });
    scenario.settle(&[&first, &second, &third]);
    third.terminate();
}

/// The series of a partition end with its assignment.
#[test]
fn a_revoked_partition_leaves_no_series() {
    let mut scenario = scenario("series");
    let mut first = Worker::start(&scenario.site);
    scenario.feed(500);
    scenario.wait_done();
    first.wait_metric("dmwatch_partitions_assigned", &[], |count| count == 7.0);
    let mut second = Worker::start(&scenario.site);
    second.wait_metric("dmwatch_partitions_assigned", &[], |count| count >= 3.0);
    first.wait_metric("dmwatch_partitions_assigned", &[], |count| count <= 4.0);
    let partitions = |worker: &Worker| {
        let page = worker.metrics().expect("metrics");
        let lines = page
            .lines()
            .filter(|line| line.starts_with("dmwatch_partition_watermark_offset"));
        let series: Vec<String> = lines
            .filter_map(|line| {
                line.split_once('{')?
                    .1
                    .split_once('}')
                    .map(|(labels, _)| labels.to_owned())
            })
            .collect();
        series
    };
    let (mine, theirs) = (partitions(&first), partitions(&second));
    assert!(!mine.is_empty() && !theirs.is_empty());
    assert!(
        mine.iter().all(|series| !theirs.contains(series)),
        "{mine:?} {theirs:?}"
    );
    scenario.settle(&[&first, &second]);
    first.terminate();
    second.terminate();
}
