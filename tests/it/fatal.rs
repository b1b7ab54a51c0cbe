//! What librdkafka calls fatal: a client that cannot go on. The worker stops, says why in one line,
//! and whoever comes after it goes on without a loss.

use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::scenario::Scenario;
use crate::support::worker::{Start, Worker};

/// Waits for the worker to stop by itself, as one whose Kafka client is unusable must.
fn stops(worker: &mut Worker, words: &[&str]) {
    let (code, errors) = worker.wait_failure(Duration::from_secs(60));
    assert_eq!(code, 69, "{errors}");
    let said: Vec<&str> = errors
        .lines()
        .filter(|line| line.starts_with("error") || line.starts_with("dmwatch:"))
        .collect();
    assert_eq!(said.len(), 1, "not one error:\n{errors}");
    for word in words {
        assert!(said[0].contains(word), "{word:?} is not in: {}", said[0]);
    }
}

/// Two workers under one `kafka.group_instance_id`, which a person may set twice by mistake: the
/// broker fences the older one off, and the younger one has everything.
#[test]
fn the_older_of_two_with_one_name_is_fenced() {
    let named = Start::default().set("kafka.group_instance_id=worker");
    let mut scenario = Scenario::new(Cluster::shared(), "fenced");
    let mut older = Worker::start_with(&scenario.site, &named);
    scenario.feed(500);
    let mut younger = Worker::spawn(&scenario.site, &named);
    scenario.feed(5_000);
    stops(&mut older, &["consumer", "fenced", "restart"]);
    younger.wait_ready();
    scenario.settle(&[&older, &younger]);
    younger.terminate();
}

/// As after a broker has forgotten the producer's id, or taken its epoch for old. No broker can be
/// asked for that, so librdkafka is told that it happened, in the middle of deliveries.
#[test]
fn a_fatal_error_of_the_producer_stops_the_worker() {
    let mut scenario = Scenario::new(Cluster::shared(), "fatal-producer");
    let fatal = Start {
        fault: Some("fatal_producer:150"),
        ..Start::default()
    };
    let mut first = Worker::spawn(&scenario.site, &fatal);
    scenario.feed(3_000);
    stops(&mut first, &["producer", "restart"]);
    let site = &scenario.site;
    let lag = site.cluster.lag(&site.group, &site.messages);
    assert!(lag > 1_000, "it stopped before the end: lag {lag}");

    let mut second = Worker::start(&scenario.site);
    scenario.settle(&[&first, &second]);
    second.terminate();
}
