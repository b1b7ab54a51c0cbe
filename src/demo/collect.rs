//! Reads what the worker wrote, as a client of its own would: what is counted here was delivered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::setup::{PARTITIONS, outputs};
use super::tally::Tally;
use crate::dead_letter::Letter;
use crate::kafka::{self, Role};
use crate::settings::Settings;

const POLL: Duration = Duration::from_millis(100);

/// The thread that reads review topics and dead letters.
#[derive(Debug)]
pub(super) struct Collector {
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Collector {
    /// Reads every output topic from its beginning.
    pub(super) fn start(settings: &Settings) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = kafka::client_config(settings, Role::Inspector)
            .create()
            .context("the demo's reader cannot be made")?;
        let mut assignment = TopicPartitionList::new();
        for topic in outputs(settings) {
            for partition in 0..PARTITIONS {
                assignment.add_partition_offset(&topic, partition, Offset::Beginning)?;
            }
        }
        consumer
            .assign(&assignment)
            .context("the demo's reader cannot read the output topics")?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            consumer,
            dead_letters: settings.topics.dead_letter.clone(),
            tally: tally.clone(),
        };
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("demo-reader".to_owned())
            .spawn(move || reader.run(&stopped))
            .context("the demo's reader cannot be started")?;
        Ok(Self {
            tally,
            stop,
            thread,
        })
    }

    /// What was read so far.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Tally) -> T) -> T {
        look(&self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Release);
        let joined = self.thread.join();
        joined.map_err(|_| anyhow::anyhow!("the demo's reader ended early"))
    }
}

struct Reader {
    consumer: BaseConsumer,
    dead_letters: String,
    tally: Arc<Mutex<Tally>>,
}

impl Reader {
    fn run(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let record = match self.consumer.poll(POLL) {
                None => continue,
                Some(Ok(record)) => record,
                Some(Err(error)) => {
                    crate::warn_limited!(key: error.to_string(), %error, "the demo's reader");
                    continue;
                }
            };
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            if record.topic() == self.dead_letters {
                tally.dead_letter(&source_of(&record));
            } else {
                tally.item(record.payload().unwrap_or_default());
            }
        }
    }
}

/// Where the source of a dead letter stood; where it does not say, where the letter itself stands.
fn source_of(record: &BorrowedMessage<'_>) -> String {
    match record.headers().map(Letter::read) {
        Some(Ok(letter)) => letter.source().to_string(),
        _ => format!("{}/{}", record.partition(), record.offset()),
    }
}
