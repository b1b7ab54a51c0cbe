//! What is measured per partition, for as long as the partition is assigned.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// No value is known yet.
const UNKNOWN: i64 = i64::MIN;

/// The partitions that are assigned now.
///
/// Only partitions in this map have series: what is not here cannot be scraped, so nothing lives
/// on after a revoke (a lag that does is a known bug of good peers).
#[derive(Debug)]
pub struct Partitions {
    started: Instant,
    next_id: AtomicU64,
    live: Mutex<BTreeMap<Key, Live>>,
}

type Key = (Arc<str>, i32);

#[derive(Debug)]
struct Live {
    id: u64,
    values: Arc<Values>,
}

/// Relaxed is enough everywhere: each value stands for itself, and a scrape that is a batch late
/// is still right.
#[derive(Debug)]
struct Values {
    progressed_at: AtomicU64,
    lag: AtomicI64,
    unread: AtomicI64,
    watermark: AtomicI64,
    watermark_timestamp: AtomicI64,
    span_messages: AtomicI64,
    span_bytes: AtomicI64,
    awaiting_delivery: AtomicI64,
    fetch_queue: AtomicI64,
    leader_up: AtomicBool,
    restoring: AtomicBool,
    back_pressured: AtomicBool,
    stopped: AtomicBool,
}

/// Why a partition does not flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionState {
    /// Its conversation state is being read back.
    Restoring,
    /// It is paused until work in flight is done.
    BackPressured,
    /// It waits for an operator: its committed offset is outside the log.
    Stopped,
}

impl PartitionState {
    /// Every state.
    pub const ALL: [PartitionState; 3] = [
        PartitionState::Restoring,
        PartitionState::BackPressured,
        PartitionState::Stopped,
    ];

    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PartitionState::Restoring => "restoring",
            PartitionState::BackPressured => "back_pressured",
            PartitionState::Stopped => "stopped",
        }
    }
}

/// One assigned partition as it is now: what a scrape and a health check see.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionSnapshot {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
    /// Messages from the committed offset to the end, where the broker has said so.
    pub lag: Option<i64>,
    /// Messages that were not read yet, where the broker has said so.
    pub unread: Option<i64>,
    /// Offset of the first message that is not complete.
    pub watermark: Option<i64>,
    /// Record time of the newest message before the watermark, in milliseconds.
    pub watermark_timestamp: Option<i64>,
    /// Messages between the watermark and the newest one read.
    pub span_messages: i64,
    /// Their bytes.
    pub span_bytes: i64,
    /// Messages that only wait for the brokers to acknowledge what they caused.
    pub awaiting_delivery: i64,
    /// Messages that librdkafka has fetched ahead.
    pub fetch_queue: Option<i64>,
    /// Whether the partition's leader is connected, as far as librdkafka has said.
    pub leader_up: bool,
    /// Why it does not flow.
    pub states: Vec<PartitionState>,
    /// Since the watermark moved, or since there was something to do again.
    pub since_progress: Duration,
}

impl PartitionSnapshot {
    /// Messages that are not complete: in flight, or not yet read.
    #[must_use]
    pub fn backlog(&self) -> Option<i64> {
        self.unread.map(|unread| unread + self.span_messages)
    }

    /// Nothing is in flight and nothing waits in the partition.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.span_messages == 0 && self.unread.unwrap_or(0) == 0
    }

    /// Whether it is held in that state.
    #[must_use]
    pub fn is(&self, state: PartitionState) -> bool {
        self.states.contains(&state)
    }
}

impl Partitions {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            next_id: AtomicU64::new(0),
            live: Mutex::default(),
        }
    }

    pub(super) fn assign(self: &Arc<Self>, topic: &str, partition: i32) -> PartitionMetrics {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let values = Arc::new(Values {
            progressed_at: AtomicU64::new(self.now()),
            lag: AtomicI64::new(UNKNOWN),
            unread: AtomicI64::new(UNKNOWN),
            watermark: AtomicI64::new(UNKNOWN),
            watermark_timestamp: AtomicI64::new(UNKNOWN),
            span_messages: AtomicI64::new(0),
            span_bytes: AtomicI64::new(0),
            awaiting_delivery: AtomicI64::new(0),
            fetch_queue: AtomicI64::new(UNKNOWN),
            leader_up: AtomicBool::new(true),
            restoring: AtomicBool::new(false),
            back_pressured: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let key: Key = (topic.into(), partition);
        let live = Live {
            id,
            values: values.clone(),
        };
        let _older = self.lock().insert(key.clone(), live);
        PartitionMetrics {
            key,
            id,
            values,
            partitions: self.clone(),
        }
    }

    /// Every assigned partition as it is now, in order of topic and number.
    #[must_use]
    pub fn snapshot(&self) -> Vec<PartitionSnapshot> {
        let now = self.now();
        let live = self.lock();
        let snapshot = |((topic, partition), live): (&Key, &Live)| {
            let values = &live.values;
            let known = |value: &AtomicI64| {
                Some(value.load(Ordering::Relaxed)).filter(|value| *value != UNKNOWN)
            };
            let holds = |state: &PartitionState| values.state(*state).load(Ordering::Relaxed);
            let progressed_at = values.progressed_at.load(Ordering::Relaxed);
            PartitionSnapshot {
                topic: topic.clone(),
                partition: *partition,
                lag: known(&values.lag),
                unread: known(&values.unread),
                watermark: known(&values.watermark),
                watermark_timestamp: known(&values.watermark_timestamp),
                span_messages: values.span_messages.load(Ordering::Relaxed),
                span_bytes: values.span_bytes.load(Ordering::Relaxed),
                awaiting_delivery: values.awaiting_delivery.load(Ordering::Relaxed),
                fetch_queue: known(&values.fetch_queue),
                leader_up: values.leader_up.load(Ordering::Relaxed),
                states: PartitionState::ALL.into_iter().filter(holds).collect(),
                since_progress: Duration::from_millis(now.saturating_sub(progressed_at)),
            }
        };
        live.iter().map(snapshot).collect()
    }

    /// Lag, prefetch and leader per partition, for the partitions that are assigned and no others:
    /// librdkafka goes on reporting a lag after a revoke.
    pub(super) fn take_statistics(&self, statistics: &rdkafka::Statistics) {
        let now = self.now();
        let up = |leader: i32| {
            let is_leader = |broker: &&rdkafka::statistics::Broker| broker.nodeid == leader;
            let broker = statistics.brokers.values().find(is_leader);
            broker.is_some_and(|broker| broker.state == "UP")
        };
        for ((topic, partition), live) in self.lock().iter() {
            let topic = statistics.topics.get(topic.as_ref());
            let Some(seen) = topic.and_then(|topic| topic.partitions.get(partition)) else {
                continue;
            };
            let values = &live.values;
            values.leader_up.store(up(seen.leader), Ordering::Relaxed);
            values.fetch_queue.store(seen.fetchq_cnt, Ordering::Relaxed);
            if let Some(unread) = unread(seen) {
                values.work_arrives(now, unread);
                values.unread.store(unread, Ordering::Relaxed);
            }
            // Negative means that librdkafka does not know yet.
            if seen.consumer_lag >= 0 {
                values.lag.store(seen.consumer_lag, Ordering::Relaxed);
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Live>> {
        // The map is whole even if a thread died holding it: every change is one call.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages of the partition that librdkafka has not handed over yet.
///
/// Not simply the end less the position: the end of a transaction is a record too, which is never
/// handed over, and a partition that ends with one would never be idle. Whoever has fetched up to
/// the end and has nothing waiting has read everything.
fn unread(seen: &rdkafka::statistics::Partition) -> Option<i64> {
    let end = if seen.ls_offset >= 0 {
        seen.ls_offset
    } else {
        seen.hi_offset
    };
    if end < 0 || seen.next_offset < 0 {
        return None;
    }
    if seen.next_offset >= end && seen.fetchq_cnt == 0 {
        return Some(0);
    }
    // Nothing was handed over yet: what was fetched is the best that is known of the position.
    let position = if seen.app_offset >= 0 {
        seen.app_offset
    } else {
        seen.next_offset - seen.fetchq_cnt
    };
    Some((end - position).max(1))
}

impl Values {
    fn state(&self, state: PartitionState) -> &AtomicBool {
        match state {
            PartitionState::Restoring => &self.restoring,
            PartitionState::BackPressured => &self.back_pressured,
            PartitionState::Stopped => &self.stopped,
        }
    }

    /// An idle partition that gets work starts to be timed now, not at its last message.
    fn work_arrives(&self, now: u64, work: i64) {
        let idle = self.span_messages.load(Ordering::Relaxed) == 0
            && self.unread.load(Ordering::Relaxed) <= 0;
        if idle && work > 0 {
            self.progressed_at.store(now, Ordering::Relaxed);
        }
    }
}

/// The series of one assigned partition. Dropping it removes them.
#[derive(Debug)]
pub struct PartitionMetrics {
    key: Key,
    id: u64,
    values: Arc<Values>,
    partitions: Arc<Partitions>,
}

impl PartitionMetrics {
    /// The watermark stands at `offset`; `timestamp` is the record time in milliseconds of the
    /// newest message before it. Moving it is what counts as progress.
    pub fn set_watermark(&self, offset: i64, timestamp: Option<i64>) {
        let before = self.values.watermark.swap(offset, Ordering::Relaxed);
        if before != offset {
            let now = self.partitions.now();
            self.values.progressed_at.store(now, Ordering::Relaxed);
        }
        if let Some(timestamp) = timestamp {
            self.values
                .watermark_timestamp
                .store(timestamp, Ordering::Relaxed);
        }
    }

    /// Messages and bytes between the watermark and the newest message read.
    pub fn set_span(&self, messages: usize, bytes: usize) {
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        self.values.work_arrives(self.partitions.now(), messages);
        self.values.span_messages.store(messages, Ordering::Relaxed);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.values.span_bytes.store(bytes, Ordering::Relaxed);
    }

    /// How many messages of the span are judged and wait for acknowledgements only. While there
    /// are any, a watermark that stands still is Kafka's doing, not the worker's.
    pub fn set_awaiting_delivery(&self, messages: usize) {
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        self.values
            .awaiting_delivery
            .store(messages, Ordering::Relaxed);
    }

    /// The partition enters or leaves a state in which it does not flow.
    pub fn set_state(&self, state: PartitionState, holds: bool) {
        self.values.state(state).store(holds, Ordering::Relaxed);
    }
}

impl Drop for PartitionMetrics {
    fn drop(&mut self) {
        let mut live = self.partitions.lock();
        // The partition may have been assigned again already: those series are not ours.
        if live.get(&self.key).is_some_and(|live| live.id == self.id) {
            let _removed = live.remove(&self.key);
        }
    }
}
