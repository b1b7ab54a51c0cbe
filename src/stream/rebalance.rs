//! The consumer's callbacks. They run inside `poll`, on the poll thread, so the books behind the
//! mutex are never contended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::assignment::{Assignment, AssignmentId, Hold, InputKind};
use super::deliver::Delivery;
use super::event::{Event, StreamError};
use super::gap::Gaps;
use super::intake::Intake;
use super::shard::Input;
use super::start::{Begin, FirstStart, Found, OwnerMark, begin};
use crate::telemetry::logging;
use crate::telemetry::metrics::{KafkaClient, Metrics};

/// What the callbacks need to know.
pub struct Policy {
    /// Which input topics there are and what they carry.
    pub topics: HashMap<Arc<str>, InputKind>,
    /// Where a group without any commit begins.
    pub first_start: FirstStart,
    /// How long a revoke waits for work in flight.
    pub drain: Duration,
    /// Deaths at one watermark after which its messages are suspects.
    pub deaths_before_isolation: u32,
    /// How many messages from there are suspects: as many as can be in flight.
    pub suspects: i64,
    /// A person's recorded decision to go on where messages are missing: why.
    pub accept_loss: Option<String>,
}

/// The ends of the channels that the poll thread talks through.
pub struct Wires {
    /// From shards, delivery and restorer.
    pub events: Receiver<Event>,
    /// To the shards. Unbounded, so that a callback never blocks on one; the poll thread bounds
    /// what is in it.
    pub shards: Vec<Sender<Input>>,
    /// To the restorer.
    pub restorer: Sender<Vec<Arc<Assignment>>>,
}

/// The consumer's context.
pub struct Context {
    intake: Mutex<Intake>,
    /// Records that no shard makes: gaps that a person accepted.
    outbox: Mutex<Vec<Delivery>>,
    /// Commits of the seeded bug `late_ack`.
    late: Mutex<TopicPartitionList>,
    pub(super) wires: Wires,
    pub(super) policy: Policy,
    pub(super) metrics: Arc<Metrics>,
    gaps: Gaps,
}

/// How long the brokers may take to say where a partition begins, before the worker gives up.
const START_PATIENCE: Duration = Duration::from_secs(60);
const CALL: Duration = Duration::from_secs(10);

impl Context {
    /// A context over its books and wires.
    #[must_use]
    pub fn new(
        intake: Intake,
        wires: Wires,
        policy: Policy,
        metrics: Arc<Metrics>,
        gaps: Gaps,
    ) -> Self {
        Self {
            intake: Mutex::new(intake),
            outbox: Mutex::default(),
            late: Mutex::new(TopicPartitionList::new()),
            wires,
            policy,
            metrics,
            gaps,
        }
    }

    pub(super) fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_outbox(&self) -> Vec<Delivery> {
        std::mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// For the seeded fault `late_ack`: commits what is not this worker's to commit, as soon as the
    /// group is stable enough for the broker to take it.
    pub(super) fn commit_late(&self, consumer: &BaseConsumer<Self>) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if late.count() > 0 && consumer.commit(&late, CommitMode::Sync).is_ok() {
            *late = TopicPartitionList::new();
        }
    }

    fn fail(&self, error: StreamError) {
        let mut intake = self.intake();
        intake.failure = intake.failure.take().or(Some(error));
    }

    /// Before librdkafka assigns: finds where each partition begins and writes it into the list.
    fn before_assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let begun = Instant::now();
        let starts = loop {
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

    /// After librdkafka assigned: pauses the new partitions and asks for their state.
    fn after_assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        if let Err(error) = consumer.pause(list) {
            self.fail(StreamError::Fatal {
                client: "consumer",
                message: format!("pausing {} failed: {error}", names(list)),
            });
            return;
        }
        let intake = self.intake();
        let assignments: Vec<Arc<Assignment>> = list
            .elements()
            .iter()
            .filter_map(|entry| intake.assignments.id_of(entry.topic(), entry.partition()))
            .filter_map(|id| intake.assignments.get(id))
            .map(|owned| Arc::clone(&owned.assignment))
            .collect();
        tracing::info!(partitions = names(list), "partitions assigned");
        if self.wires.restorer.send(assignments).is_err() {
            drop(intake);
            self.fail(StreamError::Thread("restore"));
        }
    }

    /// Before librdkafka revokes: stop intake, drain, commit, fence.
    fn before_revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let lost = consumer.assignment_lost();
        let begun = Instant::now();
        let ids = self.close(list);
        let mut pending = self.pending(&ids);
        while pending > 0 && !crate::faults::acks_late() {
            let left = self.policy.drain.saturating_sub(begun.elapsed());
            let Ok(event) = self.wires.events.recv_timeout(left) else {
                break;
            };
            self.intake().apply(event);
            pending = self.pending(&ids);
        }
        let event = if lost { "lost" } else { "revoke" };
        self.metrics.rebalances.with_label_values(&[event]).inc();
        tracing::info!(
            partitions = names(list),
            lost,
            not_drained = pending,
            "partitions revoked"
        );
        let offsets = self.intake().offsets(false, |owned| {
            ids.contains(&owned.assignment.id) && !owned.has(Hold::Stopped)
        });
        // Of a lost assignment the offsets are not ours to commit: it has another owner.
        if !lost && offsets.count() > 0 {
            self.commit(consumer, &offsets, CommitMode::Sync);
        }
        self.release(&ids);
    }

    /// Marks the partitions as going, so that shards start no more work of them.
    fn close(&self, list: &TopicPartitionList) -> Vec<AssignmentId> {
        let mut intake = self.intake();
        let mut ids = Vec::new();
        for entry in list.elements() {
            let id = intake.assignments.id_of(entry.topic(), entry.partition());
            if let Some(owned) = id.and_then(|id| intake.assignments.get(id)) {
                owned.assignment.revoke();
                ids.push(owned.assignment.id);
            }
        }
        intake.abandon_batched();
        ids
    }

    fn pending(&self, ids: &[AssignmentId]) -> usize {
        let intake = self.intake();
        ids.iter()
            .filter_map(|id| intake.assignments.get(*id))
            .map(|owned| owned.ledger.pending())
            .sum()
    }

    fn release(&self, ids: &[AssignmentId]) {
        let mut intake = self.intake();
        for &id in ids {
            let released = intake.release(id);
            if let (Some(owned), true) = (released, crate::faults::acks_late()) {
                let assignment = &owned.assignment;
                let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
                let next = Offset::Offset(owned.ledger.next_offset());
                late.add_partition_offset(&assignment.topic, assignment.partition, next)
                    .ok();
            }
            for shard in &self.wires.shards {
                // A shard that is gone has forgotten everything.
                shard.send(Input::Forget(id)).ok();
            }
        }
    }

    pub(super) fn commit(
        &self,
        consumer: &BaseConsumer<Self>,
        offsets: &TopicPartitionList,
        mode: CommitMode,
    ) {
        if let Err(error) = consumer.commit(offsets, mode) {
            self.commit_failed(&error);
        } else if matches!(mode, CommitMode::Sync) {
            self.metrics.commits.inc();
            self.intake().committed(offsets);
        }
    }

    /// A failed commit loses nothing: the offsets are committed with the next one, or the messages
    /// come again.
    fn commit_failed(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::NoOffset) {
            return;
        }
        let kind = code.map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
        self.metrics
            .commit_failures
            .with_label_values(&[&kind])
            .inc();
        tracing::warn!(%error, "a commit failed; the offsets are committed with the next one");
    }
}

/// What the broker says about a partition, and where its group may begin.
struct Opening {
    found: Found,
    first_start: Option<FirstStart>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        logging::kafka("consumer", level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        super::client_error("consumer", &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.metrics
            .kafka_statistics(KafkaClient::Consumer, &statistics);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) if list.count() > 0 => self.before_assign(consumer, list),
            Rebalance::Revoke(list) if list.count() > 0 => self.before_revoke(consumer, list),
            Rebalance::Assign(_) | Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => {
                self.metrics.rebalances.with_label_values(&["error"]).inc();
                tracing::warn!(%error, "a rebalance failed; librdkafka joins again");
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            self.metrics.rebalances.with_label_values(&["assign"]).inc();
            if list.count() > 0 {
                self.after_assign(consumer, list);
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        match result {
            Ok(()) => {
                self.metrics.commits.inc();
                self.intake().committed(offsets);
            }
            Err(error) => self.commit_failed(&error),
        }
    }
}

/// `topic[0], topic[3]`, for log lines.
fn names(list: &TopicPartitionList) -> String {
    let names: Vec<String> = list
        .elements()
        .iter()
        .map(|entry| format!("{}[{}]", entry.topic(), entry.partition()))
        .collect();
    names.join(", ")
}
