//! Writes the generated stream, no faster than the worker takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use dmwatch_core::message::Millis;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::generator::{Generator, Kind, Options};
use crate::kafka::{self, Role};
use crate::settings::Settings;
use crate::telemetry::logging;

/// Records that may be ahead of the worker. At 430 bytes they fit into what the embedded broker
/// keeps of one partition (5 MiB) even if all of them were of one partition.
pub(super) const BACKLOG: u64 = 8_000;

/// How often the pace is looked at.
const TICK: Duration = Duration::from_millis(10);

/// What was produced: acknowledged records by kind.
#[derive(Debug, Default)]
pub(super) struct Produced {
    /// Acknowledged by the broker.
    pub(super) acknowledged: AtomicU64,
    /// Handed to the producer.
    pub(super) sent: AtomicU64,
    /// Refused by the broker: they never were in the stream.
    pub(super) failed: AtomicU64,
}

/// The thread that produces.
#[derive(Debug)]
pub(super) struct Feed {
    produced: Arc<Produced>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Feed {
    /// Starts to produce `rate` records a second; `consumed` says how many the worker has taken.
    pub(super) fn start(
        settings: &Settings,
        rate: f64,
        seed: u64,
        consumed: impl Fn() -> u64 + Send + 'static,
    ) -> anyhow::Result<Self> {
        let produced = Arc::new(Produced::default());
        let stop = Arc::new(AtomicBool::new(false));
        let context = Counter(produced.clone());
        let producer = kafka::client_config(settings, Role::Producer)
            .create_with_context(context)
            .context("the demo's producer cannot be made")?;
        let writer = Writer {
            producer,
            generator: Generator::new(Options::demo(seed)),
            messages: settings
                .topics
                .messages
                .first()
                .cloned()
                .unwrap_or_default(),
            reports: settings.topics.reports.first().cloned().unwrap_or_default(),
            produced: produced.clone(),
        };
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("demo-feed".to_owned())
            .spawn(move || writer.run(rate, consumed, &stopped))
            .context("the demo's producer cannot be started")?;
        Ok(Self {
            produced,
            stop,
            thread,
        })
    }

    pub(super) fn produced(&self) -> &Produced {
        &self.produced
    }

    /// Whether the thread has given up.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops, and waits until the broker has answered for everything that was sent.
    pub(super) fn finish(self) -> anyhow::Result<Arc<Produced>> {
        self.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(result) => result.map(|()| self.produced),
            Err(_) => anyhow::bail!("the demo's producer ended early"),
        }
    }
}

struct Writer {
    producer: ThreadedProducer<Counter>,
    generator: Generator,
    messages: String,
    reports: String,
    produced: Arc<Produced>,
}

impl Writer {
    fn run(
        mut self,
        rate: f64,
        consumed: impl Fn() -> u64,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        let mut owed = 0.0;
        let mut before = Instant::now();
        while !stop.load(Ordering::Acquire) {
            std::thread::sleep(TICK);
            let now = Instant::now();
            owed += now.duration_since(before).as_secs_f64() * rate;
            before = now;
            // What was held back is not made up for with a burst of more than a second.
            owed = owed.min(rate);
            let sent = self.produced.sent.load(Ordering::Relaxed);
            let room = (consumed() + BACKLOG).saturating_sub(sent);
            let batch = (owed as u64).min(room);
            for _ in 0..batch {
                self.write()?;
            }
            owed -= batch as f64;
        }
        self.producer
            .flush(Duration::from_secs(30))
            .context("the broker did not answer for the last messages within 30 s")
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        let record = self.generator.next(Millis(now));
        let topic = match record.kind {
            Kind::Report => &self.reports,
            Kind::Harmless | Kind::Cue(_) | Kind::Broken => &self.messages,
        };
        loop {
            let out = BaseRecord::to(topic)
                .key(&record.key)
                .payload(&record.value)
                .timestamp(now);
            match self.producer.send(out) {
                Ok(()) => {
                    self.produced.sent.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(TICK);
                }
                Err((error, _)) => return Err(error).context("a generated message was refused"),
            }
        }
    }
}

/// Counts what the broker answers.
struct Counter(Arc<Produced>);

impl ClientContext for Counter {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::kafka("demo", level, facility, message);
    }
}

impl ProducerContext for Counter {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = match result {
            Ok(_) => &self.0.acknowledged,
            Err(_) => &self.0.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
