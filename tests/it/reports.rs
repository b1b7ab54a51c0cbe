//! Users' reports: each becomes an item for a human, once, with everything that the user sent.

use crate::support::cluster::Cluster;
use crate::support::generate::Mix;
use crate::support::scenario::Scenario;
use crate::support::schema;
use crate::support::site::Plan;
use crate::support::worker::{Start, Worker};

const IS_REPORT: &[&str] = &["kind=\"report\""];

/// Many reports beside few messages.
fn scenario(name: &str) -> Scenario<'static> {
    let mix = Mix {
        reports: 50,
        ..Mix::default()
    };
    Scenario::planned(Cluster::shared(), name, Plan::default(), mix)
}

#[test]
fn every_report_reaches_a_human() {
    let mut scenario = scenario("reports");
    for sample in scenario.generator.reports(100) {
        // What the tests write is what the published schema allows.
        let value = sample.input.value.expect("a value");
        schema::check("report.v1", &value).unwrap_or_else(|fault| panic!("{fault}"));
    }
    let mut worker = Worker::start(&scenario.site);
    scenario.feed(400);
    let report = scenario.settle(&[&worker]);
    // Fresh messages came in while settling, and reports beside them.
    assert_eq!((report.reported, report.repeats), (300, 0), "{report}");
    let items = worker.metric("dmwatch_items_total", IS_REPORT);
    assert_eq!(items, Some(300.0));
    worker.terminate();
}

/// A crash between delivery and commit brings every report again, under the id that it had.
#[test]
fn reports_survive_a_crash() {
    let mut scenario = scenario("reports-crash");
    let mut workers = Vec::new();
    // Nothing is committed before the crash, so all that was delivered must be repeated.
    let named = Start::default().set("kafka.group_instance_id=worker");
    let slow = named.clone().set("stream.commit_interval=1m");
    let mut first = Worker::start_with(&scenario.site, &slow);
    scenario.feed(200);
    first.wait_metric("dmwatch_items_total", IS_REPORT, |count| count >= 100.0);
    first.kill();
    workers.push(first);
    let mut second = Worker::start_with(&scenario.site, &named);
    scenario.feed_during(1_000, |random| {
        let longest = std::time::Duration::from_millis(800);
        std::thread::sleep(random.pause(std::time::Duration::ZERO, longest));
        second.kill();
    });
    workers.push(second);
    workers.push(Worker::start_with(&scenario.site, &named));
    let all: Vec<&Worker> = workers.iter().collect();
    let report = scenario.settle(&all);
    assert_eq!(report.reported, 700, "{report}");
    assert!(report.repeats >= 100, "{report}");
}
