//! Topics, offsets and leaders: set up and asked through librdkafka, so that a test need not start a
//! JVM for each question. What the oracle reads, it reads through a foreign client.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};

use super::Cluster;
use crate::support::wait;

const LIMIT: Duration = Duration::from_secs(30);

/// Names and values, as the broker knows them.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

impl Cluster {
    pub fn create_topic(&self, name: &str, partitions: i32, settings: Settings<'_>) {
        self.create_topics(&[(name.to_owned(), partitions, settings)]);
    }

    /// Makes topics, each with its partitions and settings, and waits until they have leaders.
    pub fn create_topics(&self, topics: &[(String, i32, Settings<'_>)]) {
        let replicas = if self.brokers.len() >= 3 { 3 } else { 1 };
        let wanted: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|(name, partitions, settings)| {
                let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(replicas));
                settings
                    .iter()
                    .fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        if !self.mocked {
            for answer in answer(self.admin().create_topics(&wanted, &options())) {
                answer.unwrap_or_else(|(topic, error)| panic!("topic {topic}: {error}"));
            }
        }
        // Created is not yet known to every broker.
        let probe = self.probe("leaders");
        for (name, partitions, _) in topics {
            wait::until(&format!("topic {name} has leaders"), LIMIT, || {
                let metadata = probe.fetch_metadata(Some(name), LIMIT);
                metadata.is_ok_and(|metadata| {
                    let found = metadata.topics()[0].partitions();
                    (self.mocked || found.len() == usize::try_from(*partitions).expect("a count"))
                        && !found.is_empty()
                        && found.iter().all(|partition| partition.leader() >= 0)
                })
            });
        }
    }

    /// Changes settings of a topic; those that are not named go back to their defaults.
    pub fn alter_topic(&self, topic: &str, settings: Settings<'_>) {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in settings {
            change = change.set(key, value);
        }
        let answers = answer(self.admin().alter_configs([&change], &options()));
        answers[0]
            .as_ref()
            .unwrap_or_else(|(_, error)| panic!("topic {topic}: {error}"));
    }

    pub fn delete_topic(&self, topic: &str) {
        self.delete_topics(&[topic.to_owned()]);
    }

    /// Deletes topics and waits until the brokers no longer know them.
    pub fn delete_topics(&self, topics: &[String]) {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        for answer in answer(self.admin().delete_topics(&names, &options())) {
            answer.unwrap_or_else(|(topic, error)| panic!("topic {topic}: {error}"));
        }
        for topic in topics {
            wait::until(&format!("topic {topic} is gone"), LIMIT, || {
                self.leader(topic, 0).is_none()
            });
        }
    }

    /// Deletes the records before an offset, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .expect("a valid offset");
        let answered = answer(self.admin().delete_records(&list, &options()));
        for element in answered.elements() {
            element
                .error()
                .unwrap_or_else(|error| panic!("records of {topic}/{partition}: {error}"));
        }
    }

    /// First and next offset of each partition.
    pub fn watermarks(&self, topic: &str) -> BTreeMap<i32, (i64, i64)> {
        let probe = self.probe("watermarks");
        self.partitions(topic)
            .into_iter()
            .map(|partition| {
                let bounds = probe
                    .fetch_watermarks(topic, partition, LIMIT)
                    .unwrap_or_else(|error| panic!("watermarks of {topic}/{partition}: {error}"));
                (partition, bounds)
            })
            .collect()
    }

    /// The next offset that the group would read, per partition; absent where it has committed none.
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.committed_with_metadata(group, topic)
            .into_iter()
            .map(|(partition, (offset, _))| (partition, offset))
            .collect()
    }

    /// Like [`Cluster::committed`], with the text that the group stored beside each offset.
    pub fn committed_with_metadata(
        &self,
        group: &str,
        topic: &str,
    ) -> BTreeMap<i32, (i64, String)> {
        let mut list = TopicPartitionList::new();
        for partition in self.partitions(topic) {
            list.add_partition(topic, partition);
        }
        let committed = self
            .probe(group)
            .committed_offsets(list, LIMIT)
            .unwrap_or_else(|error| panic!("offsets of group {group}: {error}"));
        committed
            .elements()
            .iter()
            .filter_map(|element| match element.offset() {
                Offset::Offset(next) => {
                    Some((element.partition(), (next, element.metadata().to_owned())))
                }
                _ => None,
            })
            .collect()
    }

    /// Messages that the group has not committed yet, over all partitions.
    pub fn lag(&self, group: &str, topic: &str) -> i64 {
        let committed = self.committed(group, topic);
        self.watermarks(topic)
            .into_iter()
            .map(|(partition, (low, high))| {
                high - committed.get(&partition).copied().unwrap_or(low)
            })
            .sum()
    }

    /// Waits until the group has committed everything.
    pub fn wait_no_lag(&self, group: &str, topic: &str, limit: Duration) {
        let mut lag = -1;
        let done = wait::within(limit, || {
            lag = self.lag(group, topic);
            lag == 0
        });
        assert!(
            done,
            "group {group} is {lag} messages behind {topic} after {limit:?}"
        );
    }

    /// Id of the broker that leads a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.about(topic, partition, MetadataPartition::leader)
            .filter(|leader| *leader >= 0)
    }

    /// Number of replicas that are in sync.
    pub fn in_sync(&self, topic: &str, partition: i32) -> usize {
        self.about(topic, partition, |found| found.isr().len())
            .unwrap_or_default()
    }

    fn about<T>(
        &self,
        topic: &str,
        partition: i32,
        question: impl Fn(&MetadataPartition) -> T,
    ) -> Option<T> {
        let metadata = self
            .probe("about")
            .fetch_metadata(Some(topic), LIMIT)
            .ok()?;
        let partitions = metadata.topics().first()?.partitions();
        let found = partitions.iter().find(|found| found.id() == partition)?;
        Some(question(found))
    }

    fn partitions(&self, topic: &str) -> Vec<i32> {
        let metadata = self
            .probe("partitions")
            .fetch_metadata(Some(topic), LIMIT)
            .unwrap_or_else(|error| panic!("topic {topic}: {error}"));
        metadata
            .topics()
            .iter()
            .flat_map(|found| found.partitions())
            .map(MetadataPartition::id)
            .collect()
    }

    /// A consumer that asks and never joins the group.
    fn probe(&self, group: &str) -> BaseConsumer {
        self.client()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", self.mocked.to_string())
            .create()
            .expect("a valid client")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("a valid client")
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "0");
        config
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(LIMIT))
        .operation_timeout(Some(LIMIT))
}

/// Waits for an admin request on the test's own thread.
fn answer<T>(request: impl Future<Output = KafkaResult<T>>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(request)
        .unwrap_or_else(|error| panic!("the broker refuses: {error}"))
}
