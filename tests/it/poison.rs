//! Records that cannot be judged, and records that kill.

use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::generate::{Expected, Mix};
use crate::support::leaks;
use crate::support::scenario::Scenario;
use crate::support::site::Plan;
use crate::support::worker::{Start, Worker};

#[test]
fn each_kind_of_poison_is_dead_lettered_and_the_rest_judged() {
    let mut scenario = Scenario::new(Cluster::shared(), "poison");
    let mut worker = Worker::start(&scenario.site);
    let poison = scenario.generator.poison();
    let count = poison.len();
    let unusual = scenario.generator.unusual();
    scenario.feed(300);
    scenario.feed_planned(poison);
    scenario.feed_planned(unusual);
    let report = scenario.settle(&[&worker]);
    assert_eq!(report.dead_lettered, count, "{report}");
    let dead_letters = worker.metric("dmwatch_dead_letters_total", &[]);
    assert_eq!(dead_letters, Some(count as f64));
    worker.terminate();
}

/// Nothing undelivered is committed, and the error says where, how much, and what to do.
#[test]
fn a_storm_of_poison_stops_the_worker() {
    let plan = Plan {
        partitions: 1,
        ..Plan::default()
    };
    let mut scenario = Scenario::planned(Cluster::shared(), "storm", plan, Mix::default());
    let mut first = Worker::start_with(
        &scenario.site,
        &Start::default().set("stream.dead_letters.max_consecutive=20"),
    );
    scenario.feed(200);
    let storm = (0..60).map(|number| {
        let value = format!("{{\"zqcanary\": {number}");
        scenario
            .generator
            .raw("invalid_json", Some(value.into_bytes()))
    });
    let storm: Vec<_> = storm.collect();
    scenario.feed_planned(storm);
    let (code, errors) = first.wait_failure(Duration::from_secs(30));
    assert_eq!(code, 65, "{errors}");
    for word in [
        "in a row",
        "the limit is 20",
        "invalid_json",
        &scenario.site.messages,
    ] {
        assert!(errors.contains(word), "{word:?} is not in:\n{errors}");
    }
    leaks::assert_none(&scenario.site, &[&first]);

    let mut second = Worker::start(&scenario.site);
    let report = scenario.settle(&[&first, &second]);
    assert_eq!(report.dead_lettered, 60, "{report}");
    second.terminate();
}

/// Larger than `input.max_bytes`: unread. Larger than the output limit: without its text. Larger
/// than the broker takes, which no setting told: the same.
#[test]
fn oversized_messages_and_items_are_delivered_as_references() {
    let mut scenario = Scenario::new(Cluster::shared(), "oversized");
    let start = Start::default()
        .set("input.max_bytes=64KiB")
        .set("output.max_bytes=32KiB");
    let mut worker = Worker::start_with(&scenario.site, &start);
    let too_large = vec![b' '; 70_000];
    let unread = scenario.generator.raw("too_large", Some(too_large));
    let shed = scenario.generator.flagged_without_text(50_000);
    let whole = scenario.generator.flagged_of_size(8_000);
    scenario.feed(200);
    scenario.feed_planned(vec![unread, shed, whole]);
    scenario.settle(&[&worker]);
    assert!(worker.metric("dmwatch_items_shed_total", &[]) >= Some(1.0));
    worker.terminate();

    let cluster = scenario.site.cluster;
    let mut worker = Worker::start(&scenario.site);
    for topic in scenario.site.review_topics() {
        cluster.alter_topic(&topic, &[("max.message.bytes", "30000")]);
    }
    // The broker refuses the whole batch that the large one is in: the others keep their text.
    let mut burst = scenario.generator.take(300);
    // The last one: in the context of a later item of its conversation it would be too large again.
    burst.push(scenario.generator.flagged_without_text(200_000));
    scenario.feed_planned(burst);
    scenario.wait_done();
    assert_eq!(
        worker.metric("dmwatch_items_shed_total", &["shed=\"text\""]),
        Some(1.0)
    );
    for topic in scenario.site.review_topics() {
        cluster.alter_topic(&topic, &[]);
    }
    scenario.settle(&[&worker]);
    worker.terminate();
}

/// A message that aborts the process: found by a child after three deaths, and dead-lettered.
#[test]
fn a_message_that_kills_is_found_and_dead_lettered() {
    let mut scenario = Scenario::new(Cluster::shared(), "killer");
    let start = Start {
        fault: Some("abort_on:kills-the-process"),
        ..Start::default()
    };
    let start = start.set("kafka.group_instance_id=worker");
    let mut killer = scenario.generator.flagged();
    let value = killer.input.value.as_mut().expect("a value");
    value.pop();
    value.extend_from_slice(br#","note":"kills-the-process"}"#);
    killer.expected = Expected::DeadLettered {
        reason: "killed_worker",
    };
    scenario.feed(300);
    scenario.feed_planned(vec![killer]);
    scenario.feed(300);

    let mut workers = Vec::new();
    let mut deaths = 0;
    loop {
        let mut worker = Worker::spawn(&scenario.site, &start);
        let site = &scenario.site;
        let done = crate::support::wait::within(Duration::from_secs(60), || {
            worker.has_ended() || site.cluster.lag(&site.group, &site.messages) == 0
        });
        assert!(done, "neither dead nor done\n{}", worker.errors());
        let ended = worker.has_ended();
        workers.push(worker);
        if !ended {
            break;
        }
        deaths += 1;
        assert!(deaths <= 5, "the killer is not found after {deaths} deaths");
    }
    assert!(
        deaths >= 3,
        "only {deaths} deaths: a child was used too early"
    );
    let all: Vec<&Worker> = workers.iter().collect();
    let report = scenario.settle(&all);
    assert_eq!(report.dead_lettered, 1, "{report}");
}

/// A panic while judging one message costs that message's verdict and nothing else.
#[test]
fn a_message_that_panics_is_dead_lettered() {
    let mut scenario = Scenario::new(Cluster::shared(), "panic");
    let start = Start {
        fault: Some("panic_on:panics-the-judge"),
        ..Start::default()
    };
    let mut worker = Worker::start_with(&scenario.site, &start);
    let mut odd = scenario.generator.flagged();
    let value = odd.input.value.as_mut().expect("a value");
    value.pop();
    value.extend_from_slice(br#","note":"panics-the-judge"}"#);
    odd.expected = Expected::DeadLettered { reason: "panic" };
    scenario.feed(300);
    scenario.feed_planned(vec![odd]);
    let report = scenario.settle(&[&worker]);
    assert_eq!(report.dead_lettered, 1, "{report}");
    assert_eq!(worker.metric("dmwatch_panics_total", &[]), Some(1.0));
    worker.terminate();
}
