//! The consumer's callbacks. They run inside `poll`, on the poll thread, so the books behind the
//! mutex are never contended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::assignment::{Assignment, AssignmentId, Hold, InputKind};
use super::deliver::Delivery;
use super::event::{Event, StreamError};
use super::gap::Gaps;
use super::intake::Intake;
use super::shard::Input;
use super::start::FirstStart;
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
    pub(super) outbox: Mutex<Vec<Delivery>>,
    /// Commits of the seeded bug `late_ack`.
    pub(super) late: Mutex<TopicPartitionList>,
    /// Whether the commit thread is at work.
    pub(super) committing: AtomicBool,
    /// Whether the last commit is made.
    pub(super) wound_down: AtomicBool,
    /// Whether the worker is told to stop: then no partition is taken over any more.
    stop: Arc<AtomicBool>,
    pub(super) wires: Wires,
    pub(super) policy: Policy,
    pub(super) metrics: Arc<Metrics>,
    pub(super) gaps: Gaps,
}

impl Context {
    /// A context over its books and wires.
    #[must_use]
    pub fn new(
        intake: Intake,
        wires: Wires,
        policy: Policy,
        metrics: Arc<Metrics>,
        gaps: Gaps,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            intake: Mutex::new(intake),
            outbox: Mutex::default(),
            late: Mutex::new(TopicPartitionList::new()),
            committing: AtomicBool::new(false),
            wound_down: AtomicBool::new(false),
            stop,
            wires,
            policy,
            metrics,
            gaps,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what another thread tells.
    pub(super) fn apply(&self, event: Event) {
        if let Event::Committed(_, result) = &event {
            self.commit_ended(result);
        }
        self.intake().apply(event);
    }

    pub(super) fn take_outbox(&self) -> Vec<Delivery> {
        std::mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn fail(&self, error: StreamError) {
        let mut intake = self.intake();
        intake.failure = intake.failure.take().or(Some(error));
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

    /// Nothing is to be judged any more. The shards do not wait for the consumer to be dropped,
    /// which a commit that is still under way may put off.
    pub(super) fn end_shards(&self) {
        for shard in &self.wires.shards {
            // A shard that is gone has ended.
            shard.send(Input::End).ok();
        }
    }

    /// Before librdkafka revokes: stop intake, drain, commit, fence.
    fn before_revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let lost = consumer.assignment_lost();
        let begun = Instant::now();
        let ids = self.close(list);
        if self.wound_down.load(Ordering::Acquire) {
            self.release(&ids);
            return;
        }
        let mut pending = self.pending(&ids);
        // A commit that is under way must not come after the one below.
        while (pending > 0 && !crate::faults::acks_late()) || self.is_committing() {
            let left = self.policy.drain.saturating_sub(begun.elapsed());
            let Ok(event) = self.wires.events.recv_timeout(left) else {
                break;
            };
            self.apply(event);
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
            self.commit_now(consumer, &offsets);
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
            if list.count() > 0 && !self.is_stopping() {
                self.after_assign(consumer, list);
            }
        }
    }
}

/// `topic[0], topic[3]`, for log lines.
pub(super) fn names(list: &TopicPartitionList) -> String {
    let names: Vec<String> = list
        .elements()
        .iter()
        .map(|entry| format!("{}[{}]", entry.topic(), entry.partition()))
        .collect();
    names.join(", ")
}
