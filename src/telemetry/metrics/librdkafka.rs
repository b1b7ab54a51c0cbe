//! What is kept of librdkafka's statistics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::statistics::{Broker, Window};

use super::sample::Samples;
use super::table::{
    KAFKA_CONNECTS, KAFKA_DISCONNECTS, KAFKA_ERRORS, KAFKA_GROUP_REBALANCES, KAFKA_QUEUED,
    KAFKA_RETRIES, KAFKA_RTT_P99, KAFKA_RX_BYTES, KAFKA_THROTTLE_P99, KAFKA_TIMEOUTS,
    KAFKA_TX_BYTES,
};

/// Which client the statistics are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KafkaClient {
    /// The worker's consumer.
    Consumer,
    /// The worker's producer.
    Producer,
}

impl KafkaClient {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            KafkaClient::Consumer => "consumer",
            KafkaClient::Producer => "producer",
        }
    }
}

/// The newest statistics of each client. librdkafka's own counters are absolute, so they are shown
/// as they are instead of being added up again.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshots(Arc<Mutex<BTreeMap<KafkaClient, Snapshot>>>);

#[derive(Debug, Default)]
struct Snapshot {
    received_bytes: i64,
    sent_bytes: i64,
    queued: u64,
    connected: bool,
    group_rebalances: Option<i64>,
    brokers: BTreeMap<String, BrokerSnapshot>,
}

#[derive(Debug, Default)]
struct BrokerSnapshot {
    rtt_p99_seconds: Option<f64>,
    throttle_p99_seconds: Option<f64>,
    retries: u64,
    errors: u64,
    timeouts: u64,
    connects: u64,
    disconnects: u64,
}

impl Snapshots {
    pub(super) fn put(&self, client: KafkaClient, statistics: &rdkafka::Statistics) {
        let mut snapshot = Snapshot {
            received_bytes: statistics.rx_bytes,
            sent_bytes: statistics.tx_bytes,
            queued: statistics.msg_cnt,
            connected: statistics.brokers.values().any(is_connected),
            group_rebalances: statistics.cgrp.as_ref().map(|group| group.rebalance_cnt),
            brokers: BTreeMap::new(),
        };
        for broker in statistics.brokers.values() {
            snapshot
                .brokers
                .entry(broker_label(broker))
                .or_default()
                .add(broker);
        }
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _older = clients.insert(client, snapshot);
    }

    /// Whether the client was connected to some broker when it last reported.
    pub(super) fn is_connected(&self, client: KafkaClient) -> bool {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.get(&client).is_some_and(|seen| seen.connected)
    }

    pub(super) fn sample(&self, samples: &mut Samples) {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = clients.get(&KafkaClient::Producer) {
            samples.put(&KAFKA_QUEUED, &[], producer.queued as f64);
        }
        for (client, snapshot) in clients.iter() {
            let client = client.as_str();
            samples.put(&KAFKA_RX_BYTES, &[client], snapshot.received_bytes as f64);
            samples.put(&KAFKA_TX_BYTES, &[client], snapshot.sent_bytes as f64);
            if let Some(rebalances) = snapshot.group_rebalances {
                samples.put(&KAFKA_GROUP_REBALANCES, &[], rebalances as f64);
            }
            for (broker, seen) in &snapshot.brokers {
                let labels = [client, broker.as_str()];
                if let Some(seconds) = seen.rtt_p99_seconds {
                    samples.put(&KAFKA_RTT_P99, &labels, seconds);
                }
                if let Some(seconds) = seen.throttle_p99_seconds {
                    samples.put(&KAFKA_THROTTLE_P99, &labels, seconds);
                }
                samples.put(&KAFKA_RETRIES, &labels, seen.retries as f64);
                samples.put(&KAFKA_ERRORS, &labels, seen.errors as f64);
                samples.put(&KAFKA_TIMEOUTS, &labels, seen.timeouts as f64);
                samples.put(&KAFKA_CONNECTS, &labels, seen.connects as f64);
                samples.put(&KAFKA_DISCONNECTS, &labels, seen.disconnects as f64);
            }
        }
    }
}

impl BrokerSnapshot {
    /// Several connections can share one label (every bootstrap server): counters add up, times
    /// are the worst one's.
    fn add(&mut self, broker: &Broker) {
        let worst = |seen: Option<f64>, window: Option<&Window>, per_second: f64| {
            let p99 = window.map(|window| window.p99 as f64 / per_second);
            seen.into_iter().chain(p99).reduce(f64::max)
        };
        // librdkafka gives response times in microseconds and throttling in milliseconds.
        self.rtt_p99_seconds = worst(self.rtt_p99_seconds, broker.rtt.as_ref(), 1e6);
        self.throttle_p99_seconds = worst(self.throttle_p99_seconds, broker.throttle.as_ref(), 1e3);
        self.retries += broker.txretries;
        self.errors += broker.txerrs;
        self.timeouts += broker.req_timeouts;
        let count = |seen: Option<i64>| u64::try_from(seen.unwrap_or(0)).unwrap_or(0);
        self.connects += count(broker.connects);
        self.disconnects += count(broker.disconnects);
    }
}

/// A broker whose id is known is one that metadata named.
fn is_connected(broker: &Broker) -> bool {
    broker.nodeid >= 0 && broker.state == "UP"
}

fn broker_label(broker: &Broker) -> String {
    if broker.nodeid >= 0 && broker.source != "logical" {
        broker.nodeid.to_string()
    } else if broker.source == "logical" {
        "coordinator".to_owned()
    } else {
        "bootstrap".to_owned()
    }
}
