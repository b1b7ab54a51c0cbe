//! The poll thread: owns the consumer and the books, and is the only one to commit.
//!
//! ```text
//! loop: apply what the other threads said → regulate (pause, resume) → poll a burst → hand out batches → commit
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use dmwatch_core::message::Millis;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::assignment::{Hold, Owned};
use super::commit::Committer;
use super::deliver::{Delivery, DeliverySender};
use super::event::{Event, StreamError};
use super::intake::{PauseChange, Polled};
use super::rebalance::Context;
use super::shard::Input;
use crate::dead_letter::ReplayHeaders;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{LoopTime, TopicMetrics};

/// Records taken in one round before the batches are handed out.
const BURST: usize = 256;
/// Batches that may wait for one shard; then intake waits.
const QUEUED_BATCHES: usize = 4;
/// How long intake waits for busy shards before it pauses the partitions, which throws away what
/// is prefetched.
const PATIENCE: Duration = Duration::from_millis(250);
/// Longest wait for a record or an event.
const WAIT: Duration = Duration::from_millis(20);

/// How long the last commit may take where no grace is left for it.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// How the poll thread ends.
#[derive(Debug, Clone, Copy)]
pub struct Endings {
    /// How long work in flight may take to finish when the worker is told to stop.
    pub grace: Duration,
    /// Time between commits.
    pub commit_interval: Duration,
}

/// The poll thread.
pub struct Poll {
    consumer: Arc<BaseConsumer<Context>>,
    events: Sender<Event>,
    deliver: DeliverySender,
    outbox: Vec<Delivery>,
    health: Arc<Health>,
    stop: Arc<AtomicBool>,
    endings: Endings,
    topics: Vec<(Arc<str>, TopicMetrics)>,
    time: LoopTime,
    busy_since: Option<Instant>,
    committed_at: Instant,
}

impl Poll {
    /// Makes the consumer and subscribes.
    ///
    /// # Errors
    /// What librdkafka finds wrong with the properties.
    pub fn new(
        config: &ClientConfig,
        context: Context,
        events: Sender<Event>,
        deliver: DeliverySender,
        health: Arc<Health>,
        stop: Arc<AtomicBool>,
        endings: Endings,
    ) -> Result<Self, KafkaError> {
        let metrics = Arc::clone(&context.metrics);
        let names: Vec<Arc<str>> = context.policy.topics.keys().cloned().collect();
        let consumer: BaseConsumer<Context> =
            BaseConsumer::from_config_and_context(config, context)?;
        let subscribed: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        consumer.subscribe(&subscribed)?;
        Ok(Self {
            consumer: Arc::new(consumer),
            events,
            deliver,
            outbox: Vec::new(),
            health,
            stop,
            endings,
            topics: names
                .into_iter()
                .map(|name| (Arc::clone(&name), metrics.topic(&name)))
                .collect(),
            time: metrics.loop_time(),
            busy_since: None,
            committed_at: Instant::now(),
        })
    }

    /// Runs until told to stop or until it must.
    ///
    /// # Errors
    /// Why it stopped by itself. What was done by then is committed.
    pub fn run(mut self) -> Result<(), StreamError> {
        let Ok(committer) = Committer::start(&self.consumer, self.events.clone()) else {
            return Err(StreamError::Thread("commit"));
        };
        let failure = loop {
            self.health.polled();
            let begun = Instant::now();
            self.apply_events();
            if let Some(failure) = self.context().intake().failure.take() {
                break Some(failure);
            }
            if self.stop.load(Ordering::Acquire) {
                break None;
            }
            self.open_restored();
            self.send_outbox();
            self.commit_moved(&committer);
            let busy = self.regulate();
            self.time.add_commit(begun.elapsed());
            if busy {
                self.wait_for_events();
            } else {
                self.intake_burst();
            }
            self.hand_out();
        };
        self.wind_down(failure.as_ref(), &committer);
        committer.end(self.context());
        match failure {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn context(&self) -> &Arc<Context> {
        self.consumer.client().context()
    }

    fn apply_events(&self) {
        let context = self.context();
        for event in context.wires.events.try_iter() {
            context.apply(event);
        }
    }

    /// Resumes partitions whose state is restored. First the takeover is committed: if this owner
    /// dies, the next one must know that it was here.
    fn open_restored(&self) {
        let context = self.context();
        let restored = std::mem::take(&mut context.intake().restored);
        if restored.is_empty() {
            return;
        }
        let offsets = context.intake().offsets(true, |owned| {
            restored.contains(&owned.assignment.id) && !owned.has(Hold::Stopped)
        });
        if offsets.count() > 0 {
            context.commit_now(&self.consumer, &offsets);
        }
        for id in restored {
            let change = context.intake().hold(id, Hold::Restoring, false);
            self.tell_consumer(change.into_iter().collect());
        }
        self.health.set_joined(true);
    }

    /// Sends what no shard made, as far as delivery has room.
    fn send_outbox(&mut self) {
        let more = self.context().take_outbox();
        self.outbox.extend(more);
        while let Some(delivery) = self.outbox.pop() {
            if let Err(refused) = self.deliver.try_send(delivery) {
                self.outbox.push(refused.into_inner());
                return;
            }
        }
    }

    fn commit_moved(&mut self, committer: &Committer) {
        if self.committed_at.elapsed() < self.endings.commit_interval {
            return;
        }
        self.committed_at = Instant::now();
        let context = self.context();
        let offsets = context.intake().offsets(true, |owned| {
            !owned.has(Hold::Stopped)
                && !owned.has(Hold::Restoring)
                && owned.committed < Some(crate::faults::committable(&owned.ledger))
        });
        committer.commit(context, offsets);
        context.commit_late(&self.consumer);
    }

    /// Sets and clears holds. `true` while the shards have enough to do: intake waits then, and
    /// only after a while are the partitions paused.
    fn regulate(&mut self) -> bool {
        let full = |shard: &Sender<Input>| shard.len() >= QUEUED_BATCHES;
        let busy = self.context().wires.shards.iter().any(full);
        if !busy {
            self.busy_since = None;
        } else if self.busy_since.is_none() {
            self.busy_since = Some(Instant::now());
        }
        let long = self
            .busy_since
            .is_some_and(|since| since.elapsed() > PATIENCE);
        let changes = self.context().intake().regulate(long);
        self.tell_consumer(changes);
        // Paused partitions hand nothing out, so polling is safe, and callbacks must be served.
        busy && !long
    }

    fn tell_consumer(&self, changes: Vec<PauseChange>) {
        for change in changes {
            let mut list = TopicPartitionList::new();
            list.add_partition(&change.topic, change.partition);
            let told = if change.pause {
                self.consumer.pause(&list)
            } else {
                self.consumer.resume(&list)
            };
            if let Err(error) = told {
                let intake = &mut self.context().intake();
                intake.failure = Some(StreamError::Fatal {
                    client: "consumer",
                    message: format!(
                        "pausing or resuming {}[{}] failed: {error}",
                        change.topic, change.partition
                    ),
                });
            }
        }
    }

    fn wait_for_events(&self) {
        let begun = Instant::now();
        let context = self.context();
        if let Ok(event) = context.wires.events.recv_timeout(WAIT) {
            context.apply(event);
        }
        self.time.add_wait(begun.elapsed());
    }

    /// Takes records until there are none, or enough for one round.
    fn intake_burst(&mut self) {
        let begun = Instant::now();
        let first = self.consumer.poll(WAIT);
        let waited = begun.elapsed();
        self.time.add_wait(waited);
        let mut next = first;
        let mut taken = 0;
        while let Some(polled) = next {
            match polled {
                Ok(message) => self.take(&message),
                Err(error) => self.polled_error(&error),
            }
            taken += 1;
            if taken >= BURST {
                break;
            }
            next = self.consumer.poll(Duration::ZERO);
        }
        self.time.add_poll(begun.elapsed() - waited);
    }

    fn take(&self, message: &BorrowedMessage<'_>) {
        let (key, value) = (message.key(), message.payload());
        let topic = message.topic();
        if let Some((_, metrics)) = self.topics.iter().find(|(name, _)| **name == *topic) {
            metrics.messages.inc();
            let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
            metrics.bytes.inc_by(bytes as u64);
        }
        let replay = message
            .headers()
            .and_then(|headers| ReplayHeaders::of(headers).map(Box::new));
        self.context().intake().take(Polled {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            at: Millis(message.timestamp().to_millis().unwrap_or(0)),
            key,
            value,
            replay,
        });
    }

    fn polled_error(&self, error: &KafkaError) {
        match error {
            KafkaError::MessageConsumptionFatal(_) => {
                let intake = &mut self.context().intake();
                intake.failure = Some(StreamError::Fatal {
                    client: "consumer",
                    message: error.to_string(),
                });
            }
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ) => self.find_lost_ranges(),
            // librdkafka would ask again for ever.
            KafkaError::MessageConsumption(RDKafkaErrorCode::InvalidSessionTimeout) => {
                self.context().intake().failure = Some(StreamError::Session);
            }
            KafkaError::PartitionEOF(_) => {}
            _ => super::client_error("consumer", error, "while polling"),
        }
    }

    /// Somewhere the next offset is not in the log. librdkafka does not say where, so every
    /// partition is asked; the ones concerned are stopped, never skipped over.
    fn find_lost_ranges(&self) {
        let context = self.context();
        let owned: Vec<(Arc<str>, i32, i64)> = context
            .intake()
            .assignments
            .iter()
            .filter(|owned| !owned.has(Hold::Stopped))
            .map(
                |Owned {
                     assignment, ledger, ..
                 }| {
                    let topic = Arc::clone(&assignment.topic);
                    (topic, assignment.partition, ledger.next_offset())
                },
            )
            .collect();
        for (topic, partition, next) in owned {
            let range = self
                .consumer
                .fetch_watermarks(&topic, partition, Duration::from_secs(5));
            let (low, high) = match range {
                Ok(range) => range,
                Err(error) => {
                    tracing::warn!(%error, %topic, partition, "reading the partition's range failed");
                    continue;
                }
            };
            if (low..=high).contains(&next) {
                continue;
            }
            let lost = u64::try_from(low - next).unwrap_or(0);
            context
                .metrics
                .lost_messages
                .with_label_values(&[&topic])
                .inc_by(lost);
            tracing::error!(%topic, partition, next, low, high, lost, "the next message to judge is not in the log any more; the partition is stopped. A person must decide: restart with --accept-loss REASON to go on at the oldest message");
            let change = {
                let mut intake = context.intake();
                let id = intake.assignments.id_of(&topic, partition);
                id.and_then(|id| intake.hold(id, Hold::Stopped, true))
            };
            self.tell_consumer(change.into_iter().collect());
        }
    }

    /// Gives every batch to its shard.
    fn hand_out(&self) {
        let context = self.context();
        let mut gone = false;
        {
            let mut intake = context.intake();
            for (shard, batch) in context.wires.shards.iter().zip(&mut intake.batches) {
                if !batch.is_empty() {
                    context.metrics.batch_messages.observe(batch.len() as f64);
                    gone |= shard.send(Input::Batch(std::mem::take(batch))).is_err();
                }
            }
            let (count, bytes) = intake.in_flight();
            context.metrics.in_flight_messages.set(count as i64);
            context.metrics.in_flight_bytes.set(bytes as i64);
            if gone {
                let thread = StreamError::Thread("shard");
                intake.failure = intake.failure.take().or(Some(thread));
            }
        }
    }

    /// Stops intake, lets work in flight finish, commits, leaves the group; all within the grace.
    fn wind_down(&mut self, failure: Option<&StreamError>, committer: &Committer) {
        self.health.set_stopping();
        self.stop.store(true, Ordering::Release);
        let begun = Instant::now();
        self.hand_out();
        let dead = matches!(
            failure,
            Some(StreamError::Fatal { .. } | StreamError::Thread(_))
        );
        let grace = if dead {
            Duration::ZERO
        } else {
            self.endings.grace
        };
        let context = Arc::clone(self.context());
        let pending = || context.intake().in_flight().0;
        self.serve_until(begun + grace, || pending() == 0 && !context.is_committing());
        if pending() > 0 {
            tracing::warn!(
                messages = pending(),
                "stopped before all work in flight was done; these messages come again"
            );
        }
        // A commit that is still under way goes first, so that this one is the last.
        let last = (Instant::now() + LAST_COMMIT).max(begun + grace);
        self.serve_until(last, || !context.is_committing());
        self.apply_events();
        let offsets = context.intake().offsets(false, |owned| {
            !owned.has(Hold::Stopped) && !owned.has(Hold::Restoring)
        });
        committer.commit(&context, offsets);
        self.serve_until(last, || !context.is_committing());
        // What is revoked from here on has been drained and committed, as far as it can be.
        context.wound_down.store(true, Ordering::Release);
        context.end_shards();
        self.consumer.unsubscribe();
    }

    /// Takes in what the other threads tell until something is so, or until it is too late.
    fn serve_until(&mut self, limit: Instant, is_so: impl Fn() -> bool) {
        let context = Arc::clone(self.context());
        loop {
            self.send_outbox();
            self.health.polled();
            let left = limit.saturating_duration_since(Instant::now());
            if is_so() || left.is_zero() {
                return;
            }
            if let Ok(event) = context.wires.events.recv_timeout(left.min(WAIT)) {
                context.apply(event);
            }
        }
    }
}
