//! Where the partitions begin that librdkafka is about to assign: at the committed offset, or
//! nowhere, until a person decides. The callbacks of [`super::rebalance`] call this.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::assignment::{Hold, InputKind};
use super::event::StreamError;
use super::rebalance::{Context, names};
use super::start::{Begin, FirstStart, Found, OwnerMark, begin};

/// How long the brokers may take to say where a partition begins, before the worker gives up.
const START_PATIENCE: Duration = Duration::from_secs(60);
const CALL: Duration = Duration::from_secs(10);

/// What the broker says about a partition, and where its group may begin.
struct Opening {
    found: Found,
    first_start: Option<FirstStart>,
}

impl Context {
    /// Before librdkafka assigns: finds where each partition begins and writes it into the list.
    pub(super) fn before_assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let begun = Instant::now();
        let starts = loop {
            // A client that leaves the group may get partitions on its way out. It asks for no
            // offsets any more (the answers would not come), and nothing of them is taken in.
            if self.is_stopping() {
                return;
            }
            match self.starts(consumer, list) {
                Ok(starts) => break starts,
                Err(error) if begun.elapsed() < START_PATIENCE => {
                    tracing::warn!(%error, "reading where the assigned partitions begin failed; it is tried again");
                    std::thread::sleep(Duration::from_millis(500));
                }
                Err(error) => {
                    self.fail(StreamError::Start {
                        partition: names(list),
                        message: error.to_string(),
                    });
                    return;
                }
            }
        };
        for (mut entry, found) in list.elements().into_iter().zip(starts) {
            let Some((topic, &kind)) = self.policy.topics.get_key_value(entry.topic()) else {
                continue;
            };
            let partition = entry.partition();
            let start = self.take_over(topic, partition, kind, &found);
            if entry.set_offset(Offset::Offset(start)).is_err() {
                self.fail(StreamError::Start {
                    partition: names(list),
                    message: format!("offset {start} is not one"),
                });
            }
        }
    }

    /// What the broker says about each partition of the list, in its order, and where a group
    /// without any commit begins.
    fn starts(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
    ) -> KafkaResult<Vec<Opening>> {
        let mut query = TopicPartitionList::new();
        for entry in list.elements() {
            query.add_partition(entry.topic(), entry.partition());
        }
        let committed = consumer.committed_offsets(query, CALL)?;
        let some_new = committed
            .elements()
            .iter()
            .any(|entry| !matches!(entry.offset(), Offset::Offset(_)));
        let first_start = if some_new && !self.group_has_commits(consumer)? {
            Some(self.policy.first_start)
        } else {
            None
        };
        let mut starts = Vec::new();
        for entry in list.elements() {
            let (topic, partition) = (entry.topic(), entry.partition());
            let (low, high) = consumer.fetch_watermarks(topic, partition, CALL)?;
            let had = committed.find_partition(topic, partition);
            let offset = had.as_ref().and_then(|had| match had.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            });
            let mark = had.map_or_else(OwnerMark::default, |had| OwnerMark::parse(had.metadata()));
            let found = Found {
                committed: offset,
                mark,
                low,
                high,
            };
            starts.push(Opening { found, first_start });
        }
        Ok(starts)
    }

    /// Whether the group has committed anything on any partition of its topics.
    fn group_has_commits(&self, consumer: &BaseConsumer<Self>) -> KafkaResult<bool> {
        let mut query = TopicPartitionList::new();
        for topic in self.policy.topics.keys() {
            let metadata = consumer.fetch_metadata(Some(topic), CALL)?;
            for topic in metadata.topics() {
                for partition in topic.partitions() {
                    query.add_partition(topic.name(), partition.id());
                }
            }
        }
        let committed = consumer.committed_offsets(query, CALL)?;
        let any = committed
            .elements()
            .iter()
            .any(|entry| matches!(entry.offset(), Offset::Offset(_)));
        Ok(any)
    }

    /// Puts a partition into the books; returns where it starts.
    fn take_over(&self, topic: &Arc<str>, partition: i32, kind: InputKind, found: &Opening) -> i64 {
        let Opening { found, first_start } = *found;
        let metrics = self.metrics.partition(topic, partition);
        let mark = found.mark.taken_over();
        let mut intake = self.intake();
        match begin(found, first_start) {
            Begin::At(start) => {
                let owned = intake.assign(topic, partition, kind, start, metrics);
                owned.deaths = mark.deaths;
                // Where no message waits, none can be the killer.
                if mark.deaths >= self.policy.deaths_before_isolation && start < found.high {
                    owned.isolate_below = start.saturating_add(self.policy.suspects);
                    tracing::error!(partition = %owned.assignment, offset = start, deaths = mark.deaths, "workers keep dying at this offset; its messages are judged in a child process first");
                }
                start
            }
            Begin::Lost { from, to } => {
                let lost = u64::try_from(to - from).unwrap_or(0);
                self.metrics
                    .lost_messages
                    .with_label_values(&[topic])
                    .inc_by(lost);
                let (low, high) = (found.low, found.high);
                if let Some(reason) = &self.policy.accept_loss {
                    tracing::error!(%topic, partition, committed = from, low, high, lost, %reason, "messages are missing; going on as told");
                    // The gap has a slot of its own, done when its dead letter is acknowledged.
                    let forward = from < to;
                    let first = if forward { from } else { to };
                    let owned = intake.assign(topic, partition, kind, first, metrics);
                    let seq = if forward {
                        owned.ledger.arrive(to - 1, 0)
                    } else {
                        None
                    };
                    let id = owned.assignment.id;
                    let slot = seq.map(|seq| (id, seq));
                    let delivery = self.gaps.delivery(topic, partition, from..to, slot, reason);
                    self.outbox
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(delivery);
                    return to;
                }
                tracing::error!(%topic, partition, committed = from, low, high, lost, "the next message to judge is not in the log any more; the partition is stopped. A person must decide: start with --accept-loss REASON to go on at the oldest message");
                let owned = intake.assign(topic, partition, kind, from, metrics);
                let id = owned.assignment.id;
                intake.hold(id, Hold::Stopped, true);
                to
            }
        }
    }
}
