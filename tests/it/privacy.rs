//! Where text must not show: beyond what every fault test checks.

use crate::support::cluster::Cluster;
use crate::support::leaks;
use crate::support::scenario::Scenario;
use crate::support::worker::{Start, Worker};

/// At the loudest level, too, over good messages and every kind of poison.
#[test]
fn the_loudest_log_holds_no_text() {
    let mut scenario = Scenario::new(Cluster::shared(), "loud");
    let start = Start::default()
        .set("log.level=trace")
        .set("kafka.properties={debug: all}");
    let mut worker = Worker::start_with(&scenario.site, &start);
    scenario.feed(300);
    let poison = scenario.generator.poison();
    scenario.feed_planned(poison);
    scenario.settle(&[&worker]);
    worker.terminate();
    leaks::assert_none(&scenario.site, &[&worker]);
}

/// A core file would hold the messages in memory.
#[test]
fn a_worker_leaves_no_core_file() {
    let scenario = Scenario::new(Cluster::shared(), "core");
    let mut worker = Worker::start(&scenario.site);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.id()))
        .expect("Linux tells the limits of a process");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("the limit of core files");
    let mut numbers = core.split_whitespace().skip(4);
    assert_eq!(
        (numbers.next(), numbers.next()),
        (Some("0"), Some("0")),
        "{core}"
    );
    worker.terminate();
}
