//! The dead-letter topic from outside: what stands in it, and how it goes back to where it came
//! from. Metadata only; the one place that opens a dead letter is [`replay`], which writes it to
//! its own topic and shows it to nobody.
//!
//! **Never twice.** A replay and the note that it happened are one Kafka transaction: the record
//! goes to its input topic and a marker (header [`crate::headers::DLQ_REPLAYED`]) to the
//! dead-letter topic, both or neither. The order of steps matters:
//!
//! 1. `init_transactions` with the group's fixed transactional id. It ends or aborts whatever an
//!    earlier replay left open, and fences that replay off for good.
//! 2. Read the whole topic, `read_committed`. Nobody else can add markers of this group any more,
//!    so the list of what is still to do is final.
//! 3. Replay in transactions of bounded size.
//!
//! Were the topic read before step 1, two replays started together could both do everything.
//!
//! A record that was dead-lettered twice by a redelivery has the same coordinates and the same
//! attempt, and counts as one. A replay that fails again is dead-lettered with its original
//! coordinates and the next attempt, so it can be replayed again once the cause is mended. A group
//! replays its own dead letters only: the transactional id fences within a group.

use std::collections::HashSet;

use dmwatch_core::message::Millis;
use rdkafka::message::{BorrowedMessage, Message as _};
use serde::Serialize;

use crate::canonical::{hex, sha256};
use crate::dead_letter::{Form, Letter, LetterError, Reason, Value};
use crate::headers;
use crate::kafka::probe::ProbeError;
use crate::record::HeaderPair;

pub mod replay;
mod scan;

#[cfg(test)]
mod tests;

pub use scan::{Step, Topic};

/// Where a dead letter stands in the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// `partition/offset`.
impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

impl std::str::FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (partition, offset) = text.split_once('/')?;
            Some(Self {
                partition: partition.parse().ok().filter(|partition| *partition >= 0)?,
                offset: offset.parse().ok().filter(|offset| *offset >= 0)?,
            })
        };
        parse().ok_or_else(|| "expected PARTITION/OFFSET of the dead-letter topic".to_owned())
    }
}

/// What can be done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It can be replayed.
    Pending,
    /// It was replayed.
    Replayed,
    /// The same record was dead-lettered before, by a redelivery.
    Repeat,
    /// Too large to be kept: there is nothing to replay.
    Reference,
    /// It tells of records that are gone: there is nothing to replay.
    Gone,
    /// It is of another consumer group, which replays it itself.
    OtherGroup,
    /// It is no dead letter of a version that this program knows.
    Unreadable,
}

impl State {
    /// The name used in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Replayed => "replayed",
            State::Repeat => "repeat",
            State::Reference => "reference",
            State::Gone => "gone",
            State::OtherGroup => "other_group",
            State::Unreadable => "unreadable",
        }
    }
}

/// A dead letter without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// When it was written.
    pub at: Millis,
    /// Bytes of the record's value, as it stands there.
    pub stored_bytes: usize,
    /// SHA-256 of that value: of the sealed form, so that it says nothing about the content.
    pub digest: String,
    /// Its headers, or why they cannot be read.
    pub letter: Result<Letter, LetterError>,
    /// Length of the failed record's key.
    pub key_bytes: Option<u64>,
    /// Length of the failed record's value.
    pub value_bytes: Option<u64>,
    /// What can be done with it.
    pub state: State,
}

/// What identifies a failure: coordinates, attempt, group.
type Identity = (String, u32, String);

impl Entry {
    fn identity(&self) -> Option<Identity> {
        self.letter.as_ref().ok().map(identity)
    }
}

fn identity(letter: &Letter) -> Identity {
    let source = letter.source();
    (source.to_string(), source.attempt, letter.group.clone())
}

/// Which dead letters a command is about. Everything that is set has to hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One of these reasons.
    pub reasons: Vec<Reason>,
    /// Topic of the failed record.
    pub topic: Option<String>,
    /// Partition of the failed record.
    pub partition: Option<i32>,
    /// Written at or after.
    pub since: Option<Millis>,
    /// Written before.
    pub until: Option<Millis>,
    /// At one of these positions.
    pub positions: Vec<Position>,
}

impl Filter {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
            && self.topic.is_none()
            && self.partition.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.positions.is_empty()
    }

    /// Whether it is about that one. One that is unreadable has no reason, topic or partition.
    #[must_use]
    pub fn takes(&self, entry: &Entry) -> bool {
        let letter = entry.letter.as_ref().ok();
        let reason = self.reasons.is_empty()
            || letter.is_some_and(|letter| self.reasons.contains(&letter.reason));
        let topic = self.topic.as_ref();
        let topic = topic.is_none_or(|topic| letter.is_some_and(|letter| letter.topic == *topic));
        let partition = self
            .partition
            .is_none_or(|partition| letter.is_some_and(|letter| letter.partition == partition));
        let position = self.positions.is_empty() || self.positions.contains(&entry.position);
        let since = self.since.is_none_or(|since| entry.at >= since);
        let until = self.until.is_none_or(|until| entry.at < until);
        reason && topic && partition && position && since && until
    }
}

/// Why the dead-letter topic cannot be worked with. No text in it is a message's.
#[derive(Debug, thiserror::Error)]
pub enum DlqError {
    /// The brokers refuse us or do not answer.
    #[error(transparent)]
    Brokers(#[from] ProbeError),
    /// There is no such topic.
    #[error("topic `{0}` does not exist")]
    NoTopic(String),
    /// A client does not work.
    #[error("{doing}: {cause}")]
    Kafka {
        /// What was being done.
        doing: &'static str,
        /// librdkafka's words.
        cause: String,
    },
    /// No record and no end of the topic came for a long time.
    #[error("no answer from the brokers for {0} s while reading the dead-letter topic")]
    Stalled(u64),
    /// Some producer's transaction in the topic is not decided.
    #[error(
        "a transaction in partition {partition} of the dead-letter topic is still open; what stands behind it cannot be seen. Try again in a minute"
    )]
    OpenTransaction {
        /// Which partition.
        partition: i32,
    },
    /// Another replay of the same group has taken over.
    #[error(
        "another replay of this consumer group has started (or a transaction took too long); this one has stopped, and what it had committed stays replayed"
    )]
    Fenced,
}

/// Everything in the topic, as far as a command needs it.
#[derive(Debug, Default)]
pub struct Contents {
    /// The dead letters that the filter takes, by position.
    pub entries: Vec<Entry>,
    replayed: HashSet<Identity>,
}

impl Contents {
    /// Adds a record.
    fn add(&mut self, message: &BorrowedMessage<'_>, filter: &Filter) {
        if let Some(marker) = marker(message) {
            let _new = self.replayed.insert(marker);
            return;
        }
        let entry = entry(message);
        if filter.takes(&entry) {
            self.entries.push(entry);
        }
    }

    /// Says what can be done with each, once everything was read.
    fn settle(&mut self, group: &str) {
        self.entries.sort_by_key(|entry| entry.position);
        let mut seen: HashSet<Identity> = HashSet::new();
        for entry in &mut self.entries {
            let (Some(identity), Ok(letter)) = (entry.identity(), &entry.letter) else {
                continue;
            };
            if entry.state != State::Pending {
                continue;
            }
            entry.state = if self.replayed.contains(&identity) {
                State::Replayed
            } else if letter.group != group {
                State::OtherGroup
            } else if letter.reason == Reason::RetentionGap {
                State::Gone
            } else if seen.insert(identity) {
                State::Pending
            } else {
                State::Repeat
            };
        }
    }
}

fn entry(message: &BorrowedMessage<'_>) -> Entry {
    let payload = message.payload().unwrap_or_default();
    let letter = match message.headers() {
        Some(headers) => Letter::read(headers),
        None => Err(LetterError::Header {
            name: headers::DLQ_SOURCE_TOPIC,
            expected: "a topic",
        }),
    };
    let value: Option<Value<'_>> = serde_json::from_slice(payload).ok();
    let state = match (&letter, &value) {
        (Ok(_), Some(value)) if value.form == Form::Whole => State::Pending,
        (Ok(_), Some(_)) => State::Reference,
        _ => State::Unreadable,
    };
    let letter = letter.and_then(|letter| match state {
        State::Unreadable => Err(LetterError::Value),
        _ => Ok(letter),
    });
    Entry {
        position: position(message),
        at: Millis(message.timestamp().to_millis().unwrap_or(0)),
        stored_bytes: payload.len(),
        digest: hex(&sha256(payload)),
        letter,
        key_bytes: value.as_ref().and_then(|value| value.key_bytes),
        value_bytes: value.as_ref().and_then(|value| value.value_bytes),
        state,
    }
}

fn position(message: &BorrowedMessage<'_>) -> Position {
    Position {
        partition: message.partition(),
        offset: message.offset(),
    }
}

/// Whose replay a record marks, if it is a marker.
fn marker(message: &BorrowedMessage<'_>) -> Option<Identity> {
    let (mut coordinates, mut attempt, mut group) = (None, None, None);
    headers::for_each_text(message.headers()?, |name, value| match name {
        headers::DLQ_REPLAYED => {
            coordinates = value.rsplit_once('@').map(|(source, _)| source.to_owned());
        }
        headers::DLQ_ATTEMPT => attempt = value.parse().ok(),
        headers::DLQ_GROUP => group = Some(value.to_owned()),
        _ => {}
    });
    Some((coordinates?, attempt?, group?))
}

/// The headers of the marker for a dead letter.
fn marker_headers(letter: &Letter, position: Position) -> Vec<HeaderPair> {
    let replayed = format!("{}@{position}", letter.source());
    let attempt = letter.attempt.to_string();
    vec![
        (headers::DLQ_REPLAYED, replayed.into_bytes().into()),
        (headers::DLQ_ATTEMPT, attempt.into_bytes().into()),
        (headers::DLQ_GROUP, letter.group.as_bytes().to_vec().into()),
    ]
}
