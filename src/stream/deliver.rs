//! Delivery: records are produced, and a message is done when its delivery reports say so.
//!
//! One OS thread owns the idempotent producer. Its input is bounded: when the brokers are slow,
//! shards wait here, then the poll thread pauses partitions. A failed delivery is sent again, for
//! ever; only what librdkafka calls fatal stops the process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use dmwatch_core::message::Millis;
use prometheus::IntCounter;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::event::{Event, StreamError, Ticket};
use super::producer::{Context, Report};
use crate::record::OutRecord;
use crate::telemetry::metrics::{LoopTime, Metrics};

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

/// One record to send: of which delivery, and which one of its stage.
#[derive(Debug, Clone, Copy)]
struct Send {
    delivery: u64,
    index: u32,
}

struct Later {
    at: Instant,
    send: Send,
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
    in_flight: HashMap<u64, InFlight>,
    bytes: usize,
    next: u64,
    ready: VecDeque<Send>,
    later: Vec<Later>,
    /// Attempts of records that failed before.
    attempts: HashMap<(u64, u32), u32>,
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
            in_flight: HashMap::new(),
            bytes: 0,
            next: 0,
            ready: VecDeque::new(),
            later: Vec::new(),
            attempts: HashMap::new(),
            delivered: Vec::new(),
        })
    }

    /// Runs until told to stop, or until all senders are gone and nothing is in flight.
    pub fn run(mut self) {
        loop {
            let more = self.take();
            let begun = Instant::now();
            self.send_ready();
            let idle = self.in_flight.is_empty();
            let reported = self.read_reports();
            self.tell();
            self.time.add_deliver(begun.elapsed());
            if !idle && !reported && self.ready.is_empty() && self.input.is_empty() {
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
            let done = !more && idle;
            if done || self.stop.load(Ordering::Acquire) {
                return;
            }
        }
    }

    /// Takes what fits into the byte budget. `false` when no more can ever come.
    fn take(&mut self) -> bool {
        if self.in_flight.is_empty() {
            match self.input.recv_timeout(IDLE) {
                Ok(delivery) => self.accept(delivery),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        while self.bytes < self.max_bytes {
            match self.input.try_recv() {
                Ok(delivery) => self.accept(delivery),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn accept(&mut self, delivery: Delivery) {
        self.bytes += delivery.size();
        let id = self.next;
        self.next += 1;
        self.in_flight.insert(
            id,
            InFlight {
                delivery,
                last_stage: false,
                open: 0,
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
            let count = in_flight.stage().len();
            if count > 0 {
                in_flight.open = count;
                self.ready.extend((0..count as u32).map(|index| Send {
                    delivery: id,
                    index,
                }));
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
        self.bytes -= done.delivery.size();
        if let Some(ticket) = done.delivery.ticket {
            self.delivered.push(ticket);
            let age = jiff::Timestamp::now().as_millisecond() - done.delivery.at.0;
            self.metrics.end_to_end_seconds.observe(age as f64 / 1e3);
        }
    }

    fn send_ready(&mut self) {
        if !self.later.is_empty() {
            let now = Instant::now();
            let ready = &mut self.ready;
            self.later.retain(|later| {
                let due = later.at <= now;
                if due {
                    ready.push_back(later.send);
                }
                !due
            });
        }
        while let Some(send) = self.ready.pop_front() {
            let Some(in_flight) = self.in_flight.get(&send.delivery) else {
                continue;
            };
            let Some(outgoing) = in_flight.stage().get(send.index as usize) else {
                continue;
            };
            match produce(&self.producer, &outgoing.record, send) {
                Ok(()) => {}
                Err(RDKafkaErrorCode::QueueFull) => {
                    // librdkafka's own queue: serve it, then go on with the same record.
                    self.ready.push_front(send);
                    return;
                }
                Err(code) => self.failed(send.delivery, send.index, code),
            }
        }
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
            self.read(reports);
        }
    }

    fn read(&mut self, reports: Vec<Report>) {
        for report in reports {
            let Report {
                delivery,
                index,
                result,
            } = report;
            match result {
                Ok(()) => self.acknowledged(delivery, index),
                Err(code) => self.failed(delivery, index, code),
            }
        }
    }

    fn acknowledged(&mut self, id: u64, index: u32) {
        self.attempts.remove(&(id, index));
        let Some(in_flight) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some(outgoing) = in_flight.stage().get(index as usize) {
            if let Some(counter) = &outgoing.counter {
                counter.inc();
            }
            let record = &outgoing.record;
            let topic = [&*record.topic];
            self.metrics
                .delivered_records
                .with_label_values(&topic)
                .inc();
            let bytes = self.metrics.delivered_bytes.with_label_values(&topic);
            bytes.inc_by(record.size() as u64);
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

    /// A record was not delivered. What is too large goes out as a reference; everything else is
    /// sent again after a pause: nothing here is ever given up.
    fn failed(&mut self, id: u64, index: u32, code: RDKafkaErrorCode) {
        let kind = format!("{code:?}");
        self.metrics
            .producer_errors
            .with_label_values(&[&kind])
            .inc();
        if crate::faults::skips_rejected() {
            self.acknowledged(id, index);
            return;
        }
        let too_large = matches!(
            code,
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize
        );
        if too_large && !self.shed(id, index) {
            return;
        }
        let attempt = self.attempts.entry((id, index)).or_insert(0);
        *attempt += 1;
        let attempt = *attempt;
        let send = Send {
            delivery: id,
            index,
        };
        self.metrics.producer_retries.inc();
        if too_large {
            self.ready.push_back(send);
            return;
        }
        let backoff = BACKOFF_FIRST * 2_u32.saturating_pow(attempt.min(10) - 1);
        self.later.push(Later {
            at: Instant::now() + backoff.min(BACKOFF_LAST),
            send,
        });
        if attempt.is_power_of_two() {
            tracing::warn!(code = ?code, attempt = attempt, "a record was not delivered; it is sent again");
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
                self.bytes = self.bytes - before + reference.size();
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
        self.metrics
            .deliver_queue
            .set((self.ready.len() + self.later.len()) as i64);
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

fn produce(
    producer: &BaseProducer<Context>,
    record: &OutRecord,
    send: Send,
) -> Result<(), RDKafkaErrorCode> {
    let opaque = Box::new((send.delivery, send.index));
    let mut out = BaseRecord::with_opaque_to(&record.topic, opaque).key(&record.key[..]);
    if let Some(payload) = &record.payload {
        out = out.payload(&payload[..]);
    }
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        out = out.headers(headers);
    }
    out.partition = record.partition;
    out.timestamp = record.timestamp;
    producer
        .send(out)
        .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
}
