//! Writing dead letters back to where they came from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaError};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use super::scan::kafka;
use super::{Contents, DlqError, Entry, Position, State, Topic, marker_headers, position};
use crate::dead_letter::{Contents as Record, Letter, LetterError, replay};
use crate::kafka::{Role, client_config};
use crate::record::kafka_headers;
use crate::seal::Opener;
use crate::settings::Settings;

/// Records in one transaction at most. Readers of the input topic see none of them before it is
/// committed, so it is kept short.
const BATCH_RECORDS: usize = 100;
/// Bytes in one transaction at most.
const BATCH_BYTES: usize = 4 << 20;
/// How long a transaction stays open at most, while the next dead letter is looked for: far less
/// than the broker's timeout for it.
const BATCH_AGE: Duration = Duration::from_secs(2);
/// How long one call to the transaction coordinator may take.
const CALL: Duration = Duration::from_secs(30);
/// How long a commit is tried again. Beyond, the outcome is for the next replay to find out.
const DECIDE: Duration = Duration::from_secs(120);

/// What became of the dead letters that were to be replayed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Written back.
    pub replayed: usize,
    /// Could not be opened, or belong to no input topic of the settings; they stay as they are.
    pub failed: Vec<(Position, Fault)>,
}

/// Why a dead letter was not replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not open.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// Its topic is not read by this group, and headers alone must not choose where text goes.
    #[error("topic `{0}` is not an input topic of the settings")]
    NotAnInput(String),
    /// It was deleted since the topic was listed.
    #[error("it is no longer there: retention has deleted it")]
    Deleted,
}

/// A thread of its own serves it, so that no call here waits for another.
type Transactional = ThreadedProducer<DefaultProducerContext>;

/// The one replay of this consumer group. While it lives, every earlier one is fenced off.
pub struct Replayer<'a> {
    settings: &'a Settings,
    producer: Transactional,
    opener: Opener,
}

impl<'a> Replayer<'a> {
    /// Takes over: ends or aborts what an earlier replay left open. Only what is read after this
    /// may decide what is replayed.
    ///
    /// # Errors
    /// [`DlqError`].
    pub fn start(settings: &'a Settings, opener: Opener) -> Result<Self, DlqError> {
        let producer: Transactional = client_config(settings, Role::Replayer)
            .create()
            .map_err(kafka("the producer does not start"))?;
        let begun = Instant::now();
        loop {
            match producer.init_transactions(CALL) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && begun.elapsed() < DECIDE => {}
                Err(error) => {
                    let doing = "the transaction does not start";
                    return Err(transaction(&producer, doing, error));
                }
            }
        }
        Ok(Self {
            settings,
            producer,
            opener,
        })
    }

    /// Replays what is pending. `progress` is told how many are done.
    ///
    /// # Errors
    /// [`DlqError`]: what was committed before stays replayed, the rest stays pending.
    pub fn replay(
        &mut self,
        topic: &Topic<'_>,
        contents: &Contents,
        mut progress: impl FnMut(usize),
    ) -> Result<Outcome, DlqError> {
        let pending = contents.entries.iter();
        let mut pending: BTreeMap<Position, &Entry> = pending
            .filter(|entry| entry.state == State::Pending)
            .map(|entry| (entry.position, entry))
            .collect();
        let mut outcome = Outcome::default();
        let mut batch = Batch::default();
        let mut failure = None;
        // Contents are not kept while listing: they are read again, one at a time.
        let scanned = topic.scan(|message| {
            let done = self.step(topic, message, &mut pending, &mut batch, &mut outcome);
            match done {
                Ok(false) => return ControlFlow::Continue(()),
                Ok(true) => progress(outcome.replayed + outcome.failed.len()),
                Err(error) => {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
            match pending.is_empty() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let last = match failure.or(scanned.err()) {
            Some(error) => Err(error),
            None => self.commit(&mut batch),
        };
        outcome.replayed += last.inspect_err(|_| self.abort())?;
        let deleted = pending.into_keys();
        outcome
            .failed
            .extend(deleted.map(|position| (position, Fault::Deleted)));
        progress(outcome.replayed + outcome.failed.len());
        Ok(outcome)
    }

    /// Takes one record of the topic; says whether something was decided.
    fn step(
        &mut self,
        topic: &Topic<'_>,
        message: &BorrowedMessage<'_>,
        pending: &mut BTreeMap<Position, &Entry>,
        batch: &mut Batch,
        outcome: &mut Outcome,
    ) -> Result<bool, DlqError> {
        let position = position(message);
        let found = pending.remove(&position);
        if let Some(Ok(letter)) = found.map(|entry| &entry.letter) {
            match self.open(letter, message.payload().unwrap_or_default()) {
                Ok(record) => self.send(topic, letter, position, &record, batch)?,
                Err(fault) => outcome.failed.push((position, fault)),
            }
        }
        let is_last = found.is_some() && pending.is_empty();
        if !is_last && !batch.is_due() {
            return Ok(false);
        }
        outcome.replayed += self.commit(batch)?;
        Ok(true)
    }

    fn open(&mut self, letter: &Letter, payload: &[u8]) -> Result<Record, Fault> {
        if !self
            .settings
            .topics
            .inputs()
            .any(|name| name == letter.topic)
        {
            return Err(Fault::NotAnInput(letter.topic.clone()));
        }
        Ok(letter.open(&mut self.opener, payload)?)
    }

    /// Puts a record and its marker into the transaction.
    fn send(
        &self,
        topic: &Topic<'_>,
        letter: &Letter,
        position: Position,
        record: &Record,
        batch: &mut Batch,
    ) -> Result<(), DlqError> {
        let key = record.key.as_ref().map(|key| key.as_slice());
        let value = record.value.as_ref().map(|value| value.as_slice());
        let mut source = letter.source();
        source.attempt = source.attempt.saturating_add(1);
        let signer = self.opener.key();
        let headers = replay::headers_for(&source, key, value, signer);
        let headers = headers.ok_or_else(|| DlqError::Kafka {
            doing: "signing a replay failed",
            cause: "the key signs nothing".to_owned(),
        })?;
        if batch.begun.is_none() {
            self.producer.begin_transaction().map_err(|error| {
                transaction(&self.producer, "the transaction does not begin", error)
            })?;
            batch.begun = Some(Instant::now());
        }
        batch.records += 1;
        batch.bytes += key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);

        // The partition that it came from: the state of its conversation is that partition's.
        let mut back: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&letter.topic).partition(letter.partition);
        back.key = key;
        back.payload = value;
        let sent = self
            .enqueue(back.headers(kafka_headers(&headers)))
            .and_then(|()| {
                let key = letter.source().to_string();
                let headers = kafka_headers(&marker_headers(letter, position));
                let marker: BaseRecord<'_, [u8], [u8]> =
                    BaseRecord::to(topic.name()).key(key.as_bytes());
                self.enqueue(marker.headers(headers))
            });
        sent.map_err(|error| transaction(&self.producer, "a replay cannot be written", error))
    }

    fn enqueue(&self, record: BaseRecord<'_, [u8], [u8]>) -> Result<(), KafkaError> {
        let mut record = record;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Commits; gives the number of records that are replayed by it.
    fn commit(&self, batch: &mut Batch) -> Result<usize, DlqError> {
        let records = std::mem::take(batch).records;
        if records == 0 {
            return Ok(0);
        }
        let begun = Instant::now();
        loop {
            let error = match self.producer.commit_transaction(CALL) {
                Ok(()) => return Ok(records),
                Err(error) => error,
            };
            match &error {
                KafkaError::Transaction(cause)
                    if cause.is_retriable() && begun.elapsed() < DECIDE => {}
                KafkaError::Transaction(cause) if cause.txn_requires_abort() => {
                    return Err(transaction(
                        &self.producer,
                        "the transaction was aborted",
                        error,
                    ));
                }
                _ => {
                    return Err(transaction(
                        &self.producer,
                        "the transaction is not decided",
                        error,
                    ));
                }
            }
        }
    }

    /// Best effort: what is not aborted here is by the next replay, or by the broker in time.
    fn abort(&self) {
        let _ = self.producer.abort_transaction(CALL);
    }
}

/// What stands in the open transaction.
#[derive(Default)]
struct Batch {
    begun: Option<Instant>,
    records: usize,
    bytes: usize,
}

impl Batch {
    fn is_due(&self) -> bool {
        let is_old = self.begun.is_some_and(|begun| begun.elapsed() >= BATCH_AGE);
        is_old || self.records >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }
}

/// What a transactional producer's error means to a person. Once it is fenced, most calls only say
/// that there was a fatal error: the producer knows which.
fn transaction(producer: &Transactional, doing: &'static str, error: KafkaError) -> DlqError {
    let fatal = producer.client().fatal_error().map(|(code, _)| code);
    let code = fatal.or(match &error {
        KafkaError::Transaction(cause) => Some(RDKafkaError::code(cause)),
        other => other.rdkafka_error_code(),
    });
    match code {
        Some(
            RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::InvalidProducerEpoch
            | RDKafkaErrorCode::ProducerFenced,
        ) => DlqError::Fenced,
        _ => kafka(doing)(error),
    }
}
