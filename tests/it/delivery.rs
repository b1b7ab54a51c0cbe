//! The main job, on real Kafka: messages in by programs that are not ours, items out, read by one too.

use rustix::process::Signal;

use crate::support::cluster::Cluster;
use crate::support::foreign;
use crate::support::scenario::Scenario;
use crate::support::worker::Worker;

#[test]
fn every_message_is_judged_and_every_flagged_one_delivered() {
    let mut scenario = Scenario::new(Cluster::shared(), "main-job");
    scenario.feed(2_000);
    let mut worker = Worker::start(&scenario.site);
    let by_console = scenario.generator.take(100);
    let lines: Vec<(String, String)> = by_console
        .iter()
        .map(|record| (text(&record.input.key), text(&record.input.value)))
        .collect();
    let site = &scenario.site;
    foreign::produce_with_console(site.cluster.bootstrap(), &site.messages, &lines);
    scenario.note(by_console);

    let report = scenario.settle(&[&worker]);
    assert!(report.flagged > 500, "{report}");
    assert_eq!(report.repeats, 0, "nothing failed, so nothing comes twice");
    worker.terminate();
}

fn text(bytes: &Option<Vec<u8>>) -> String {
    String::from_utf8(bytes.clone().expect("there")).expect("UTF-8")
}

/// SIGTERM lets work in flight finish: what was delivered is committed, and nothing comes again.
#[test]
fn sigterm_finishes_work_in_flight() {
    let mut scenario = Scenario::new(Cluster::shared(), "sigterm");
    let mut first = Worker::start(&scenario.site);
    scenario.feed(5_000);
    first.terminate();

    let mut second = Worker::start(&scenario.site);
    let report = scenario.settle(&[&first, &second]);
    assert_eq!(report.repeats, 0, "{report}");
    second.terminate();
}

/// A second signal ends the process at once, and what was in flight comes again.
#[test]
fn a_second_signal_ends_at_once() {
    let mut scenario = Scenario::new(Cluster::shared(), "second-signal");
    let mut first = Worker::start(&scenario.site);
    scenario.feed(20_000);
    first.signal(Signal::TERM);
    first.signal(Signal::INT);
    let status = first.wait_end(std::time::Duration::from_secs(10));
    assert!(matches!(status.code(), Some(0 | 143)), "{status}");

    let mut second = Worker::start(&scenario.site);
    scenario.settle(&[&first, &second]);
    second.terminate();
}
