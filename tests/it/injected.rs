//! Errors that no real broker gives when asked to: injected into librdkafka's mock cluster.

use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::cluster::Cluster;
use crate::support::generate::Mix;
use crate::support::scenario::Scenario;
use crate::support::site::Plan;
use crate::support::worker::{Start, Worker};

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> (Mock, Cluster) {
    let mock = MockCluster::new(1).expect("a mock cluster");
    let cluster = Cluster::mocked(mock.bootstrap_servers());
    (mock, cluster)
}

fn scenario<'a>(cluster: &'a Cluster, name: &str) -> Scenario<'a> {
    Scenario::planned(cluster, name, Plan::default(), Mix::default())
}

#[test]
fn produce_errors_delay_and_lose_nothing() {
    let (mock, cluster) = mock();
    let mut scenario = scenario(&cluster, "produce-errors");
    scenario.feed(1_000);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    ];
    mock.request_errors(RDKafkaApiKey::Produce, &errors);
    let mut worker = Worker::start(&scenario.site);
    scenario.wait_done();
    scenario.settle(&[&worker]);
    worker.terminate();
}

#[test]
fn commit_errors_lose_nothing() {
    let (mock, cluster) = mock();
    let mut scenario = scenario(&cluster, "commit-errors");
    let mut worker = Worker::start(&scenario.site);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    ];
    mock.request_errors(RDKafkaApiKey::OffsetCommit, &errors);
    scenario.feed(1_000);
    scenario.settle(&[&worker]);
    assert!(!worker.has_ended());
    worker.terminate();
}

/// Nothing is taken from the log twice, skipped or committed while requests take long.
#[test]
fn slow_brokers_are_waited_for() {
    let (mock, cluster) = mock();
    let mut scenario = scenario(&cluster, "slow");
    let mut worker = Worker::start(&scenario.site);
    let delay = |millis| {
        let delay = Duration::from_millis(millis);
        mock.broker_round_trip_time(1, delay).expect("broker 1");
    };
    delay(150);
    scenario.feed(1_000);
    scenario.wait_done();
    delay(0);
    let report = scenario.settle(&[&worker]);
    assert_eq!(report.repeats, 0, "{report}");
    worker.terminate();
}

/// librdkafka asks again for ever; the worker must not.
#[test]
fn a_refused_session_ends_the_worker() {
    let (mock, cluster) = mock();
    let scenario = scenario(&cluster, "session");
    let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT; 20];
    mock.request_errors(RDKafkaApiKey::JoinGroup, &refusal);
    let mut worker = Worker::spawn(&scenario.site, &Start::default());
    let (code, errors) = worker.wait_failure(Duration::from_secs(60));
    assert_eq!(code, 78, "{errors}");
    assert!(
        errors.contains("the broker refuses the session time-out"),
        "{errors}"
    );
}
