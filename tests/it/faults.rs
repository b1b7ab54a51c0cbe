//! Crashes of the worker and of brokers, while messages flow.

use std::time::Duration;

use crate::support::cluster::{Cluster, Options};
use crate::support::scenario::Scenario;
use crate::support::wait;
use crate::support::worker::{Start, Worker};

/// With a name of its own a restarted worker gets its partitions back at once.
fn named() -> Start<'static> {
    Start::default().set("kafka.group_instance_id=worker")
}

/// Rounds that are judged at once: more would take gigabytes.
const CHAPTER: usize = 4;

/// SIGKILL at random moments, again and again.
fn kill_rounds(name: &str, rounds: usize, messages: usize) {
    let mut scenario = Scenario::new(Cluster::shared(), name);
    let mut workers = Vec::new();
    for round in 0..rounds {
        let mut worker = Worker::start_with(&scenario.site, &named());
        if round > 0 && round % CHAPTER == 0 {
            let report = scenario.close_chapter(&[&worker]);
            #[allow(clippy::print_stderr, reason = "a long test says how far it is")]
            {
                eprintln!("{round} of {rounds} rounds: {report}");
            }
        }
        scenario.feed_during(messages, |random| {
            let longest = Duration::from_millis(1_500);
            std::thread::sleep(random.pause(Duration::ZERO, longest));
            worker.kill();
        });
        workers.push(worker);
    }
    workers.push(Worker::start_with(&scenario.site, &named()));
    let all: Vec<&Worker> = workers.iter().collect();
    scenario.settle(&all);
}

#[test]
fn killed_at_random_moments() {
    kill_rounds("sigkill", 4, 3_000);
}

#[test]
#[ignore = "minutes long: make faults"]
fn killed_at_random_moments_for_long() {
    let rounds = std::env::var("DMWATCH_TEST_ROUNDS").ok();
    let rounds = rounds.and_then(|rounds| rounds.parse().ok());
    kill_rounds("sigkill-long", rounds.unwrap_or(60), 20_000);
}

/// One broker: frozen for longer than requests may take, then killed and started again.
#[test]
fn the_broker_freezes_and_restarts() {
    let cluster = Cluster::start(&Options::default());
    let mut scenario = Scenario::new(&cluster, "broker");
    let quick = Start::default().set("kafka.properties={socket.timeout.ms: 3000}");
    let mut worker = Worker::start_with(&scenario.site, &quick);
    let broker = cluster.broker(1);
    scenario.feed_during(4_000, |random| {
        std::thread::sleep(random.pause(Duration::ZERO, Duration::from_millis(500)));
        broker.freeze();
        std::thread::sleep(Duration::from_secs(6));
        broker.thaw();
    });
    scenario.feed_during(4_000, |random| {
        std::thread::sleep(random.pause(Duration::ZERO, Duration::from_millis(500)));
        broker.kill();
        std::thread::sleep(Duration::from_secs(1));
        broker.restart();
        cluster.wait_ready();
    });
    scenario.settle(&[&worker]);
    worker.terminate();
}

/// Three brokers: the leader of a partition dies, comes back, and another one freezes.
#[test]
fn leaders_move() {
    let cluster = Cluster::start(&Options {
        brokers: 3,
        ..Options::default()
    });
    let mut scenario = Scenario::new(&cluster, "leaders");
    let mut worker = Worker::start(&scenario.site);
    let topic = scenario.site.messages.clone();
    let leader = cluster.leader(&topic, 0).expect("a leader");
    let moved = || cluster.leader(&topic, 0).is_some_and(|now| now != leader);
    scenario.feed_during(4_000, |random| {
        std::thread::sleep(random.pause(Duration::ZERO, Duration::from_millis(500)));
        cluster.broker(leader).kill();
        wait::until("another broker leads", Duration::from_secs(60), moved);
    });
    scenario.feed_during(2_000, |_| {
        cluster.broker(leader).restart();
        cluster.wait_ready();
    });
    wait::until("all replicas are in sync", Duration::from_secs(60), || {
        cluster.in_sync(&topic, 0) == 3
    });
    let next = cluster.leader(&topic, 0).expect("a leader");
    scenario.feed_during(2_000, |_| {
        cluster.broker(next).freeze();
        wait::until("another broker leads", Duration::from_secs(60), || {
            cluster.leader(&topic, 0).is_some_and(|now| now != next)
        });
        cluster.broker(next).thaw();
    });
    scenario.settle(&[&worker]);
    worker.terminate();
}

/// Items that cannot be delivered for a while are back-pressure: nothing is committed past them, and
/// they are delivered when they can be.
#[test]
fn deliveries_fail_until_they_do_not() {
    let mut scenario = Scenario::new(Cluster::shared(), "refused");
    let mut worker = Worker::start(&scenario.site);
    scenario.site.block_items();
    scenario.feed(3_000);
    worker.wait_metric("dmwatch_consumed_messages_total", &[], |count| {
        count >= 3_000.0
    });
    worker.wait_metric("dmwatch_producer_errors_total", &[], |count| count > 0.0);
    let site = &scenario.site;
    let lag = site.cluster.lag(&site.group, &site.messages);
    assert!(lag > 2_500, "committed past undelivered items: lag {lag}");
    assert!(!worker.has_ended());

    site.unblock_items();
    scenario.settle(&[&worker]);
    worker.terminate();
}
