use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::BaseProducer;

use super::probe::{Probe, ProbeError, Topic};
use super::*;
use crate::settings::{LoadOptions, Needs};

fn settings(sets: &[&str]) -> Settings {
    let options = LoadOptions {
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        needs: Needs::NOTHING,
        ..LoadOptions::default()
    };
    Settings::load(&options).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn librdkafka_takes_every_client() {
    let settings = settings(&["kafka.bootstrap_servers=127.0.0.1:1"]);
    for role in Role::ALL {
        let config = client_config(&settings, role);
        if role.is_consumer() {
            let _client: BaseConsumer = config.create().unwrap();
        } else {
            let _client: BaseProducer = config.create().unwrap();
        }
    }
}

#[test]
fn no_property_is_set_twice_for_a_client() {
    for role in Role::ALL {
        let mut seen = BTreeSet::new();
        for property in PROPERTIES.iter().filter(|p| p.roles.contains(&role)) {
            assert!(seen.insert(property.name), "{role:?}: {}", property.name);
            assert!(!property.reason.is_empty());
        }
    }
}

#[test]
fn the_delivery_contract_is_in_the_table() {
    let settings = settings(&[]);
    let consumer = properties(&settings, Role::Consumer);
    assert_eq!(consumer["enable.auto.commit"], "false");
    assert_eq!(consumer["enable.auto.offset.store"], "false");
    assert_eq!(consumer["auto.offset.reset"], "error");
    assert_eq!(consumer["isolation.level"], "read_committed");
    assert_eq!(
        consumer["partition.assignment.strategy"],
        "cooperative-sticky"
    );
    let millis = consumer["session.timeout.ms"].parse();
    assert_eq!(millis, Ok(SESSION_TIMEOUT_MILLIS));
    let producer = properties(&settings, Role::Producer);
    assert_eq!(producer["enable.idempotence"], "true");
    assert_eq!(producer["acks"], "all");
    assert_eq!(producer["message.timeout.ms"], "0");
    assert!(!producer.contains_key("group.id") && !consumer.contains_key("acks"));
}

#[test]
fn what_is_passed_through_wins_unless_it_is_owned() {
    let mut settings = settings(&[
        "kafka.properties.socket.keepalive.enable=false",
        "kafka.consumer_properties.session.timeout.ms=6000",
        "kafka.producer_properties.linger.ms=9",
    ]);
    // Settings refuse it; the table does not rely on that.
    settings.kafka.properties.insert("acks".into(), "1".into());
    let consumer = properties(&settings, Role::Consumer);
    let producer = properties(&settings, Role::Producer);
    assert_eq!(consumer["session.timeout.ms"], "6000");
    assert_eq!(producer["linger.ms"], "9");
    assert!(!consumer.contains_key("linger.ms"));
    assert_eq!(producer["socket.keepalive.enable"], "false");
    assert_eq!(producer["acks"], "all");
}

#[test]
fn limits_follow_the_settings() {
    let settings = settings(&["output.max_bytes=3MiB", "stream.max_in_flight=90000"]);
    let producer = properties(&settings, Role::Producer);
    let largest: usize = producer["message.max.bytes"].parse().unwrap();
    assert!(largest >= settings.output.max_bytes + RECORD_OVERHEAD);
    let messages: usize = producer["queue.buffering.max.messages"].parse().unwrap();
    assert!(messages > settings.stream.max_in_flight);
}

/// A name that librdkafka does not know would protect nothing.
#[test]
fn every_owned_property_exists() {
    let foreign = ["max.request.size"];
    for owned in owned::OWNED {
        if owned.name.contains('*') || foreign.contains(&owned.name) {
            continue;
        }
        let mut probe = ClientConfig::new();
        // No value that anything is done with (a plugin would be loaded).
        let _chained = probe.set(owned.name, "");
        if let Err(KafkaError::ClientConfig(_, problem, ..)) = probe.create_native_config() {
            assert!(!problem.contains("No such"), "{}: {problem}", owned.name);
        }
    }
    assert!(owned::owner("max.in.flight.requests.per.connection").is_some());
    assert!(owned::owner("ssl.key.pem").is_some());
    assert!(owned::owner("fetch.wait.max.ms").is_none());
    for name in ["rebalance_cb", "dr_msg_cb", "ssl_ca_pem"] {
        assert!(owned::owner(name).is_some(), "{name}");
    }
}

#[test]
fn the_probe_sees_topics() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("dm.messages", 6, 1).unwrap();
    let server = format!("kafka.bootstrap_servers={}", cluster.bootstrap_servers());
    let probe = Probe::new(&settings(&[&server])).unwrap();
    let topics = probe.topics(Duration::from_secs(20)).unwrap();
    let expected = Topic {
        partitions: 6,
        replicas: 1,
    };
    assert_eq!(topics.get("dm.messages"), Some(&expected));
    assert_eq!(topics.get("missing"), None);
}

#[test]
fn the_probe_says_why_no_broker_answers() {
    let begun = Instant::now();
    let probe = Probe::new(&settings(&["kafka.bootstrap_servers=127.0.0.1:1"])).unwrap();
    let error = probe.topics(Duration::from_secs(1)).unwrap_err();
    assert!(
        matches!(&error, ProbeError::Unreachable(why) if why.contains("127.0.0.1:1")),
        "{error}"
    );
    assert!(!error.is_settings());
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_file_that_librdkafka_refuses_is_a_fault_of_the_settings() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let ca = format!("kafka.security.ca_file={}", file.path().display());
    let sets = [
        "kafka.bootstrap_servers=127.0.0.1:1",
        "kafka.security.protocol=ssl",
        &ca,
    ];
    let error = Probe::new(&settings(&sets)).err().unwrap();
    assert!(
        error.is_settings() && error.to_string().contains("ssl.ca.location"),
        "{error}"
    );
}
