//! `dmwatch.state`: what conversations are judged by, kept in a topic that is compacted and has a
//! retention: nothing deletes an entry that no window reaches any more but that.
//!
//! Each entry is written once, under a key of its own, to the partition number of its input, and
//! never changes. A worker that is assigned a partition reads that partition of the topic to its
//! end before it judges anything of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use dmwatch_core::conversation::Entry;
use dmwatch_core::message::Millis;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::assignment::{Assignment, AssignmentId};
use super::event::Event;
use super::reader::Context;
use super::shard::Input;
use crate::record::OutRecord;
use crate::telemetry::metrics::Metrics;

/// Version of the record's schema (`schemas/state.v1.schema.json`).
const VERSION: u32 = 1;

/// The value of a state record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record<'a> {
    v: u32,
    #[serde(borrow)]
    topic: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    conversation_id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    sender_id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    cue: std::borrow::Cow<'a, str>,
    offset: i64,
    at: i64,
    /// Hash of the input record's key, as 16 hex digits: which shard owns the conversation.
    route: std::borrow::Cow<'a, str>,
}

/// The record that makes an entry durable.
///
/// Its key holds everything that makes the entry unique, so that a repeat replaces itself. Its
/// timestamp is the message's record time, so that the topic's retention counts from there.
#[must_use]
pub fn record(topic: &Arc<str>, assignment: &Assignment, route: u64, entry: &Entry) -> OutRecord {
    let value = Record {
        v: VERSION,
        topic: (&*assignment.topic).into(),
        conversation_id: (&*entry.conversation_id).into(),
        sender_id: (&*entry.sender_id).into(),
        cue: (&*entry.cue).into(),
        offset: entry.offset,
        at: entry.at.0,
        route: format!("{route:016x}").into(),
    };
    let key = serde_json::to_vec(&(
        &*assignment.topic,
        &*entry.conversation_id,
        &*entry.sender_id,
        &*entry.cue,
        entry.offset,
    ));
    OutRecord {
        topic: Arc::clone(topic),
        partition: Some(assignment.partition),
        // Strings and integers always serialise.
        key: key.unwrap_or_default(),
        payload: serde_json::to_vec(&value).ok(),
        headers: Vec::new(),
        timestamp: Some(entry.at.0),
    }
}

/// What a state record says: the input topic, the route, the entry. `None` for what this version
/// does not know.
#[must_use]
pub fn parse(payload: &[u8]) -> Option<(String, u64, Entry)> {
    let record: Record<'_> = serde_json::from_slice(payload).ok()?;
    if record.v != VERSION {
        return None;
    }
    let route = u64::from_str_radix(&record.route, 16).ok()?;
    let entry = Entry {
        conversation_id: (&*record.conversation_id).into(),
        sender_id: (&*record.sender_id).into(),
        cue: (&*record.cue).into(),
        offset: record.offset,
        at: Millis(record.at),
    };
    Some((record.topic.into_owned(), route, entry))
}

/// Entries handed to a shard at once.
const CHUNK: usize = 1_000;

/// The thread that restores the state of newly assigned partitions.
pub struct Restorer {
    topic: Arc<str>,
    config: ClientConfig,
    requests: Receiver<Vec<Arc<Assignment>>>,
    shards: Vec<Sender<Input>>,
    events: Sender<Event>,
    metrics: Arc<Metrics>,
    stop: Arc<AtomicBool>,
}

/// The partitions that are being read, and for whom.
struct Reading {
    waiting: HashMap<i32, Vec<Arc<Assignment>>>,
    chunks: HashMap<(usize, AssignmentId), Vec<Entry>>,
    entries: u64,
    unknown: u64,
}

impl Restorer {
    /// The thread's parts. Nothing is read before a request comes.
    #[must_use]
    pub fn new(
        topic: Arc<str>,
        config: ClientConfig,
        requests: Receiver<Vec<Arc<Assignment>>>,
        shards: Vec<Sender<Input>>,
        events: Sender<Event>,
        metrics: Arc<Metrics>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            topic,
            config,
            requests,
            shards,
            events,
            metrics,
            stop,
        }
    }

    /// Runs until told to stop or until nobody can ask any more.
    pub fn run(self) {
        while !self.stop.load(Ordering::Acquire) {
            match self.requests.recv_timeout(Duration::from_millis(100)) {
                Ok(assignments) => self.restore(assignments),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Reads the partitions until it is done, however long the brokers are away: until then the
    /// partitions stay paused, which is visible.
    fn restore(&self, assignments: Vec<Arc<Assignment>>) {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(200);
        loop {
            match self.read(&assignments) {
                Ok(reading) => {
                    let elapsed = begun.elapsed().as_secs_f64();
                    self.metrics.restore_seconds.observe(elapsed);
                    self.metrics.restored_entries.inc_by(reading.entries);
                    if reading.unknown > 0 {
                        tracing::warn!(records = reading.unknown, topic = %self.topic, "state records of an unknown version were left alone");
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, topic = %self.topic, "reading the conversation state failed; it is tried again");
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
            let nobody_waits = assignments.iter().all(|assignment| assignment.is_revoked());
            if nobody_waits || self.stop.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn read(&self, assignments: &[Arc<Assignment>]) -> Result<Reading, KafkaError> {
        let context = Context::new("state reader");
        let consumer: BaseConsumer<Context> =
            BaseConsumer::from_config_and_context(&self.config, context)?;
        let mut reading = Reading {
            waiting: HashMap::new(),
            chunks: HashMap::new(),
            entries: 0,
            unknown: 0,
        };
        let mut partitions = TopicPartitionList::new();
        for assignment in assignments {
            let waiting = reading.waiting.entry(assignment.partition).or_default();
            if waiting.is_empty() {
                partitions.add_partition_offset(
                    &self.topic,
                    assignment.partition,
                    Offset::Beginning,
                )?;
            }
            waiting.push(Arc::clone(assignment));
        }
        consumer.assign(&partitions)?;
        while !reading.waiting.is_empty() && !self.stop.load(Ordering::Acquire) {
            match consumer.poll(Duration::from_millis(200)) {
                None => {}
                Some(Ok(message)) => {
                    self.take(&mut reading, message.partition(), message.payload())
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.partition_done(&mut reading, partition);
                }
                Some(Err(error)) => return Err(error),
            }
            reading.waiting.retain(|_, waiting| {
                waiting.retain(|assignment| !assignment.is_revoked());
                !waiting.is_empty()
            });
        }
        Ok(reading)
    }

    fn take(&self, reading: &mut Reading, partition: i32, payload: Option<&[u8]>) {
        let Some(payload) = payload else { return };
        let Some((topic, route, entry)) = parse(payload) else {
            reading.unknown += 1;
            return;
        };
        let waiting = reading.waiting.get(&partition);
        let Some(assignment) = waiting
            .into_iter()
            .flatten()
            .find(|assignment| *assignment.topic == *topic)
        else {
            return;
        };
        let shard = shard_of(route, self.shards.len());
        let id = assignment.id;
        let chunk = reading.chunks.entry((shard, id)).or_default();
        chunk.push(entry);
        reading.entries += 1;
        if chunk.len() == CHUNK {
            let entries = std::mem::take(chunk);
            self.hand_over(shard, id, entries);
        }
    }

    /// The partition is read to its end: the rest goes to the shards, then the poll thread may
    /// resume. A shard takes its input in order, so it has the state before the first message.
    fn partition_done(&self, reading: &mut Reading, partition: i32) {
        for assignment in reading.waiting.remove(&partition).into_iter().flatten() {
            for shard in 0..self.shards.len() {
                if let Some(entries) = reading.chunks.remove(&(shard, assignment.id)) {
                    self.hand_over(shard, assignment.id, entries);
                }
            }
            self.tell(Event::Restored(assignment.id));
        }
    }

    fn hand_over(&self, shard: usize, assignment: AssignmentId, entries: Vec<Entry>) {
        let input = Input::Restore {
            assignment,
            entries,
        };
        if self.shards[shard].send(input).is_err() {
            self.stop.store(true, Ordering::Release);
        }
    }

    fn tell(&self, event: Event) {
        if self.events.send(event).is_err() {
            self.stop.store(true, Ordering::Release);
        }
    }
}

/// Which of so many shards owns a route.
#[must_use]
pub fn shard_of(route: u64, shards: usize) -> usize {
    usize::try_from(route % shards as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::assignment::InputKind;

    #[test]
    fn a_record_comes_back_as_its_entry() {
        let assignment = Assignment::new(
            AssignmentId(4),
            "dm.messages".into(),
            7,
            InputKind::Messages,
        );
        let entry = Entry {
            conversation_id: "c\"1".into(),
            sender_id: "u1".into(),
            cue: "spam.flood#0".into(),
            offset: 12,
            at: Millis(34),
        };
        let out = record(&"dmwatch.state".into(), &assignment, u64::MAX, &entry);
        assert_eq!((out.partition, out.timestamp), (Some(7), Some(34)));
        let key = String::from_utf8(out.key).unwrap();
        assert_eq!(key, r#"["dm.messages","c\"1","u1","spam.flood#0",12]"#);
        let payload = out.payload.unwrap();
        crate::schema_check::check("state.v1", &payload).unwrap();
        let parsed = parse(&payload);
        assert_eq!(parsed, Some(("dm.messages".to_owned(), u64::MAX, entry)));
        assert_eq!(parse(b"{}"), None);
        assert_eq!(parse(br#"{"v":2}"#), None);
    }
}
