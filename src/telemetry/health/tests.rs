use super::*;

const LIMITS: Limits = Limits {
    poll: Duration::from_secs(30),
    progress: Duration::from_secs(300),
};

/// A ready worker with one partition that has been at work on a backlog for `seconds`.
fn view(seconds: u64) -> View {
    View {
        since_poll: Duration::from_millis(5),
        joined: true,
        producer_ready: true,
        rules_loaded: true,
        stopping: false,
        partitions: vec![PartitionSnapshot {
            topic: "dm.messages".into(),
            partition: 3,
            lag: Some(10),
            unread: Some(10),
            watermark: Some(7),
            watermark_timestamp: None,
            span_messages: 0,
            span_bytes: 0,
            awaiting_delivery: 0,
            fetch_queue: Some(0),
            leader_up: true,
            states: Vec::new(),
            since_progress: Duration::from_secs(seconds),
        }],
    }
}

#[test]
fn a_working_worker_is_alive_and_ready() {
    assert_eq!(liveness(&view(1), &LIMITS), []);
    assert_eq!(readiness(&view(1)), []);
}

#[test]
fn a_poll_thread_that_stands_still_is_not_alive() {
    let mut stalled = view(1);
    stalled.since_poll = Duration::from_secs(31);
    assert_eq!(
        liveness(&stalled, &LIMITS),
        [Reason::PollStalled { seconds: 31.0 }]
    );
}

#[test]
fn a_partition_with_lag_that_does_not_move_is_not_alive() {
    let stalled = Reason::PartitionStalled {
        topic: "dm.messages".into(),
        partition: 3,
        seconds: 301.0,
    };
    assert_eq!(liveness(&view(301), &LIMITS), [stalled]);
}

#[test]
fn an_idle_partition_may_stand_still_for_ever() {
    let mut idle = view(1_000_000);
    // The lag stays: what was read last is committed later, or ends a transaction.
    idle.partitions[0].unread = Some(0);
    assert_eq!(liveness(&idle, &LIMITS), []);
    // A message in flight is work, whatever the lag says.
    idle.partitions[0].span_messages = 1;
    assert_eq!(liveness(&idle, &LIMITS).len(), 1);
}

#[test]
fn what_kafka_holds_up_is_not_the_workers_death() {
    let mut no_leader = view(301);
    no_leader.partitions[0].leader_up = false;
    assert_eq!(liveness(&no_leader, &LIMITS), []);
    let mut unacknowledged = view(301);
    unacknowledged.partitions[0].awaiting_delivery = 1;
    assert_eq!(liveness(&unacknowledged, &LIMITS), []);
}

#[test]
fn a_stopped_or_restoring_partition_is_alive_and_not_ready() {
    let reasons = [
        (PartitionState::Restoring, "restoring"),
        (PartitionState::Stopped, "partition_stopped"),
    ];
    for (state, name) in reasons {
        let mut held = view(301);
        held.partitions[0].states = vec![state];
        assert_eq!(liveness(&held, &LIMITS), []);
        let json = serde_json::to_value(readiness(&held)).unwrap();
        let expected =
            serde_json::json!([{"reason": name, "topic": "dm.messages", "partition": 3}]);
        assert_eq!(json, expected);
    }
}

#[test]
fn back_pressure_is_alive_only_while_it_moves() {
    let mut held = view(10);
    held.partitions[0].states = vec![PartitionState::BackPressured];
    assert_eq!(liveness(&held, &LIMITS), []);
    assert_eq!(readiness(&held), []);
    held.partitions[0].since_progress = Duration::from_secs(301);
    assert_eq!(liveness(&held, &LIMITS).len(), 1);
}

#[test]
fn every_missing_part_is_named() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let health = Health::new(&metrics, LIMITS);
    let missing = [
        Reason::NotJoined,
        Reason::ProducerNotReady,
        Reason::RulesNotLoaded,
    ];
    assert_eq!(health.readiness(), missing);
    health.set_joined(true);
    let statistics = |state: &str| {
        let broker = rdkafka::statistics::Broker {
            nodeid: 1,
            state: state.to_owned(),
            ..Default::default()
        };
        rdkafka::Statistics {
            brokers: [("localhost:9092/1".to_owned(), broker)].into(),
            ..Default::default()
        }
    };
    metrics.kafka_statistics(KafkaClient::Producer, &statistics("UP"));
    health.set_rules_loaded(true);
    health.polled();
    assert_eq!(health.readiness(), []);
    assert_eq!(health.liveness(), []);
    metrics.kafka_statistics(KafkaClient::Producer, &statistics("CONNECT"));
    assert_eq!(health.readiness(), [Reason::ProducerNotReady]);
    metrics.kafka_statistics(KafkaClient::Producer, &statistics("UP"));
    let partition = metrics.partition("dm.messages", 0);
    partition.set_state(PartitionState::Restoring, true);
    assert_eq!(health.readiness().len(), 1);
    drop(partition);
    health.set_stopping();
    assert_eq!(health.readiness(), [Reason::Stopping]);
}
