//! Delivery: records are produced, and a message is done when its delivery reports say so.
//!
//! One OS thread owns the idempotent producer. Its input is bounded: when the brokers are slow,
//! shards wait here, then the poll thread pauses partitions. A failed delivery is sent again, for
//! ever; only what librdkafka calls fatal stops the process. What librdkafka has at a time is
//! `lane`'s business.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use dmwatch_core::message::Millis;
use foldhash::fast::RandomState;
use prometheus::IntCounter;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::event::{Event, StreamError, Ticket};
use super::producer::{Context, Report};
use crate::record::{OutRecord, kafka_headers};
use crate::telemetry::metrics::{LoopTime, Metrics};

mod lane;

use lane::Lane;
pub(super) use lane::Send;

/// Everything that one message causes.
pub struct Delivery {
    /// The slot that completes; `None` for records that no message waits for.
    pub ticket: Option<Ticket>,
    /// Record time of the message, for end-to-end latency.
    pub at: Millis,
    /// Review items or a dead letter: sent first.
    pub records: Vec<Outgoing>,
    /// State records: sent when all of the above are acknowledged.
    pub then: Vec<Outgoing>,
}

impl Delivery {
    /// Bytes of its payloads and keys: what counts against the budget.
    fn size(&self) -> usize {
        let records = self.records.iter().chain(&self.then);
        records.map(|outgoing| outgoing.record.size()).sum()
    }
}

/// A record, and what counts it once it is acknowledged.
pub struct Outgoing {
    /// The record.
    pub record: OutRecord,
    /// Counts items by queue or dead letters by reason.
    pub counter: Option<IntCounter>,
}

/// How shards hand deliveries over: blocks while the brokers do not keep up.
pub type DeliverySender = Sender<Delivery>;

/// How long the thread rests when records are in flight and nothing happens.
const REST: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_millis(50);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(5);

struct InFlight {
    delivery: Delivery,
    /// Whether `then` is on its way.
    last_stage: bool,
    /// Records of this stage without a good report.
    open: usize,
    /// Size of the whole delivery: taken once, while it is in the processor's cache.
    bytes: usize,
}

impl InFlight {
    fn stage(&self) -> &[Outgoing] {
        if self.last_stage {
            &self.delivery.then
        } else {
            &self.delivery.records
        }
    }
}

struct Later {
    at: Instant,
    send: Send,
}

/// What came in from the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Some,
    None,
    /// And nothing can come any more.
    NoneEver,
}

/// The delivery thread.
pub struct Deliver {
    producer: BaseProducer<Context>,
    input: Receiver<Delivery>,
    events: Sender<Event>,
    metrics: Arc<Metrics>,
    time: LoopTime,
    stop: Arc<AtomicBool>,
    max_bytes: usize,
    in_flight: HashMap<u64, InFlight, RandomState>,
    bytes: usize,
    next: u64,
    lanes: Vec<Lane>,
    later: Vec<Later>,
    /// Attempts of records that failed before.
    attempts: HashMap<(u64, u32), u32, RandomState>,
    delivered: Vec<Ticket>,
}

impl Deliver {
    /// Makes the producer.
    ///
    /// # Errors
    /// What librdkafka finds wrong with the properties.
    pub fn new(
        config: &ClientConfig,
        input: Receiver<Delivery>,
        events: Sender<Event>,
        metrics: Arc<Metrics>,
        stop: Arc<AtomicBool>,
        max_bytes: usize,
    ) -> Result<Self, KafkaError> {
        let context = Context::new(Arc::clone(&metrics));
        Ok(Self {
            producer: BaseProducer::from_config_and_context(config, context)?,
            input,
            events,
            time: metrics.loop_time(),
            metrics,
            stop,
            max_bytes,
            in_flight: HashMap::default(),
            bytes: 0,
            next: 0,
            lanes: Vec::new(),
            later: Vec::new(),
            attempts: HashMap::default(),
            delivered: Vec::new(),
        })
    }

    /// Runs until told to stop, or until all senders are gone and nothing is in flight.
    pub fn run(mut self) {
        loop {
            let taken = self.take();
            let begun = Instant::now();
            let sent = self.send_waves(begun);
            let idle = self.in_flight.is_empty();
            let reported = self.read_reports();
            self.tell();
            self.time.add_deliver(begun.elapsed());
            if !idle && !sent && !reported && taken != Taken::Some {
                // Not a poll with a timeout: librdkafka counts in whole milliseconds, so waiting
                // for the rest of one is a busy loop (measured: 15 % of the worker's CPU time).
                std::thread::sleep(REST);
            }
            if let Some((code, message)) = self.producer.client().fatal_error() {
                let message = format!("{message} ({code:?})");
                self.fail(StreamError::Fatal {
                    client: "producer",
                    message,
                });
                return;
            }
            let done = idle && taken == Taken::NoneEver;
            if done || self.stop.load(Ordering::Acquire) {
                return;
            }
        }
    }

    /// Takes what fits into the byte budget.
    fn take(&mut self) -> Taken {
        let mut taken = Taken::None;
        if self.in_flight.is_empty() {
            match self.input.recv_timeout(IDLE) {
                Ok(delivery) => {
                    self.accept(delivery);
                    taken = Taken::Some;
                }
                Err(RecvTimeoutError::Timeout) => return Taken::None,
                Err(RecvTimeoutError::Disconnected) => return Taken::NoneEver,
            }
        }
        while self.bytes < self.max_bytes {
            match self.input.try_recv() {
                Ok(delivery) => {
                    self.accept(delivery);
                    taken = Taken::Some;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) if taken == Taken::None => return Taken::NoneEver,
                Err(TryRecvError::Disconnected) => break,
            }
        }
        taken
    }

    fn accept(&mut self, delivery: Delivery) {
        let bytes = delivery.size();
        self.bytes += bytes;
        let id = self.next;
        self.next += 1;
        self.in_flight.insert(
            id,
            InFlight {
                delivery,
                last_stage: false,
                open: 0,
                bytes,
            },
        );
        self.begin_stage(id);
    }

    /// Queues the records of the current stage; an empty stage is done at once.
    fn begin_stage(&mut self, id: u64) {
        loop {
            let Some(in_flight) = self.in_flight.get_mut(&id) else {
                return;
            };
            in_flight.open = in_flight.stage().len();
            if in_flight.open > 0 {
                for (index, outgoing) in (0..).zip(in_flight.stage()) {
                    let lane = lane_of(&mut self.lanes, &outgoing.record.topic, &self.metrics);
                    self.lanes[lane].push(Send {
                        delivery: id,
                        index,
                        lane: lane as u32,
                        bytes: u32::try_from(outgoing.record.size()).unwrap_or(u32::MAX),
                        alone: false,
                    });
                }
                return;
            }
            if in_flight.last_stage {
                self.finish(id);
                return;
            }
            in_flight.last_stage = true;
        }
    }

    fn finish(&mut self, id: u64) {
        let Some(done) = self.in_flight.remove(&id) else {
            return;
        };
        self.bytes -= done.bytes;
        if let Some(ticket) = done.delivery.ticket {
            self.delivered.push(ticket);
            let age = jiff::Timestamp::now().as_millisecond() - done.delivery.at.0;
            self.metrics.end_to_end_seconds.observe(age as f64 / 1e3);
        }
    }

    /// Sends what may go out now. `true` if anything did.
    fn send_waves(&mut self, now: Instant) -> bool {
        let lanes = &mut self.lanes;
        self.later.retain(|later| {
            let due = later.at <= now;
            if due {
                lanes[later.send.lane as usize].push(later.send);
            }
            !due
        });
        let mut any = false;
        for lane in 0..self.lanes.len() {
            self.lanes[lane].begin(now);
            while let Some(send) = self.lanes[lane].next() {
                let outgoing = self
                    .in_flight
                    .get(&send.delivery)
                    .and_then(|in_flight| in_flight.stage().get(send.index as usize));
                let Some(Outgoing { record, .. }) = outgoing else {
                    self.lanes[lane].dropped(send);
                    continue;
                };
                match produce(&self.producer, record, send) {
                    Ok(()) => {
                        self.lanes[lane].sent(send);
                        any = true;
                    }
                    // librdkafka's own queue: serve it, then go on with the same record.
                    Err(RDKafkaErrorCode::QueueFull) => break,
                    Err(code) => {
                        self.lanes[lane].dropped(send);
                        // A record that librdkafka itself finds too large had no company.
                        let alone = send.alone || is_too_large(code);
                        self.failed(Send { alone, ..send }, code);
                    }
                }
            }
        }
        any
    }

    /// Serves the producer until it has nothing more to say. `true` if there were reports.
    fn read_reports(&mut self) -> bool {
        let mut any = false;
        loop {
            self.producer.poll(Duration::ZERO);
            let reports = self.producer.context().take_reports();
            if reports.is_empty() {
                return any;
            }
            any = true;
            for Report { send, result } in reports {
                self.lanes[send.lane as usize].reported();
                match result {
                    Ok(()) => self.acknowledged(send),
                    Err(code) => self.failed(send, code),
                }
            }
        }
    }

    fn acknowledged(&mut self, send: Send) {
        crate::faults::delivered(self.producer.client());
        let id = send.delivery;
        if !self.attempts.is_empty() {
            self.attempts.remove(&(id, send.index));
        }
        let Some(in_flight) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some(outgoing) = in_flight.stage().get(send.index as usize) {
            if let Some(counter) = &outgoing.counter {
                counter.inc();
            }
            let lane = &self.lanes[send.lane as usize];
            lane.records.inc();
            lane.bytes.inc_by(u64::from(send.bytes));
        }
        in_flight.open -= 1;
        if in_flight.open > 0 {
            return;
        }
        if in_flight.last_stage {
            self.finish(id);
        } else {
            in_flight.last_stage = true;
            self.begin_stage(id);
        }
    }

    /// A record was not delivered. What is too large by itself goes out as a reference; everything
    /// else is sent again, after a pause: nothing here is ever given up.
    fn failed(&mut self, send: Send, code: RDKafkaErrorCode) {
        let kind = format!("{code:?}");
        self.metrics
            .producer_errors
            .with_label_values(&[&kind])
            .inc();
        if crate::faults::skips_rejected() {
            self.acknowledged(send);
            return;
        }
        let too_large = is_too_large(code);
        if too_large && send.alone && !self.shed(send.delivery, send.index) {
            return;
        }
        self.metrics.producer_retries.inc();
        if too_large {
            let alone = Send {
                alone: true,
                ..send
            };
            self.lanes[send.lane as usize].push(alone);
            return;
        }
        let attempt = self
            .attempts
            .entry((send.delivery, send.index))
            .or_insert(0);
        *attempt += 1;
        let backoff = BACKOFF_FIRST * 2_u32.saturating_pow((*attempt).min(10) - 1);
        self.later.push(Later {
            at: Instant::now() + backoff.min(BACKOFF_LAST),
            send,
        });
        if attempt.is_power_of_two() {
            let topic = &self.lanes[send.lane as usize].topic;
            tracing::warn!(%topic, code = ?code, attempt = *attempt, "a record was not delivered; it is sent again");
        }
    }

    /// Replaces a record that the broker refuses for its size by its reference.
    fn shed(&mut self, id: u64, index: u32) -> bool {
        let Some(in_flight) = self.in_flight.get_mut(&id) else {
            return false;
        };
        let last_stage = in_flight.last_stage;
        let stage = if last_stage {
            &mut in_flight.delivery.then
        } else {
            &mut in_flight.delivery.records
        };
        let Some(Outgoing { record, .. }) = stage.get_mut(index as usize) else {
            return false;
        };
        let before = record.size();
        match crate::item::reference_of(record) {
            Some(reference) if reference.size() < before => {
                tracing::warn!(topic = %record.topic, bytes = before, "the broker refuses a record as too large; it goes out as a reference");
                let less = before - reference.size();
                self.bytes -= less;
                in_flight.bytes -= less;
                *record = reference;
                self.metrics.items_shed.with_label_values(&["text"]).inc();
                true
            }
            _ => {
                let topic = record.topic.to_string();
                self.fail(StreamError::ReferenceTooLarge {
                    topic,
                    bytes: before,
                });
                false
            }
        }
    }

    fn tell(&mut self) {
        let waiting: usize = self.lanes.iter().map(Lane::waiting).sum();
        self.metrics
            .deliver_queue
            .set((waiting + self.later.len()) as i64);
        let in_flight = self.producer.in_flight_count();
        self.metrics.producer_in_flight.set(i64::from(in_flight));
        if !self.delivered.is_empty() {
            let delivered = std::mem::take(&mut self.delivered);
            // Without a receiver the worker is going down; nothing is committed past these.
            if self.events.send(Event::Delivered(delivered)).is_err() {
                self.stop.store(true, Ordering::Release);
            }
        }
    }

    fn fail(&self, error: StreamError) {
        if self.events.send(Event::Failed(error)).is_err() {
            self.stop.store(true, Ordering::Release);
        }
    }
}

fn is_too_large(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidMessageSize
    )
}

/// The lane of that topic: there are few, so a list is searched faster than a map.
fn lane_of(lanes: &mut Vec<Lane>, topic: &Arc<str>, metrics: &Metrics) -> usize {
    let known = lanes.iter().position(|lane| lane.topic == *topic);
    known.unwrap_or_else(|| {
        lanes.push(Lane::new(topic, metrics, Instant::now()));
        lanes.len() - 1
    })
}

fn produce(
    producer: &BaseProducer<Context>,
    record: &OutRecord,
    send: Send,
) -> Result<(), RDKafkaErrorCode> {
    let mut out = BaseRecord::with_opaque_to(&record.topic, Box::new(send)).key(&record.key[..]);
    if let Some(payload) = &record.payload {
        out = out.payload(&payload[..]);
    }
    if !record.headers.is_empty() {
        out = out.headers(kafka_headers(&record.headers));
    }
    out.partition = record.partition;
    out.timestamp = record.timestamp;
    producer
        .send(out)
        .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
}
