//! Dead letters: records that could not be judged, kept whole and unreadable.
//!
//! Key and value of the source record are sealed together for the holder of the dead-letter key.
//! Beside them, in headers, stand coordinates, stage and a reason from a closed list: never an
//! exception's text, which can quote a message. The Kafka key is `topic/partition/offset` of the
//! source, so that a record that is dead-lettered twice (at-least-once) is recognised. The
//! record's own headers are not kept.
//!
//! `dmwatch dlq replay` brings a dead letter back with signed original coordinates, see
//! [`replay`].

use std::sync::Arc;

use dmwatch_core::message::DecodeReason;
use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::headers;
use crate::record::{HeaderPair, OutRecord};
use crate::seal::{Envelope, Kind, Sealer, Subject};
use crate::source::Source;

mod letter;
pub mod replay;

#[cfg(test)]
mod tests;

pub use letter::{Contents, Letter, LetterError};
pub use replay::{ReplayError, ReplayHeaders, ReplayVerifier};

/// Version of the value's schema, `schemas/dead-letter.v1.schema.json`.
pub const DEAD_LETTER_VERSION: u16 = 1;

macro_rules! names {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident => $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$doc])* $variant,)*
        }

        impl $type {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in headers, metrics and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }
    };
}

names! {
    /// Why a record is a dead letter.
    Reason {
        /// The record has no value, or an empty one.
        EmptyValue => "empty_value",
        /// The value is not UTF-8.
        InvalidUtf8 => "invalid_utf8",
        /// The value is not JSON.
        InvalidJson => "invalid_json",
        /// A required field is missing, null or empty.
        MissingField => "missing_field",
        /// A field has another type than the schema's.
        WrongType => "wrong_type",
        /// A field stands twice in its object.
        DuplicateField => "duplicate_field",
        /// The record is larger than `input.max_bytes`.
        TooLarge => "too_large",
        /// Judging it panicked.
        Panic => "panic",
        /// Judging it killed the process, and killed a child process again.
        KilledWorker => "killed_worker",
        /// Records that retention deleted before they were judged, accepted as lost by a person.
        /// There is nothing to replay.
        RetentionGap => "retention_gap",
    }
}

names! {
    /// Where a record failed.
    Stage {
        /// Reading it from Kafka.
        Poll => "poll",
        /// Decoding its value.
        Decode => "decode",
        /// Judging it.
        Judge => "judge",
        /// Delivering what it caused.
        Deliver => "deliver",
    }
}

impl From<DecodeReason> for Reason {
    fn from(reason: DecodeReason) -> Self {
        match reason {
            DecodeReason::EmptyValue => Reason::EmptyValue,
            DecodeReason::InvalidUtf8 => Reason::InvalidUtf8,
            DecodeReason::InvalidJson => Reason::InvalidJson,
            DecodeReason::MissingField => Reason::MissingField,
            DecodeReason::WrongType => Reason::WrongType,
            DecodeReason::DuplicateField => Reason::DuplicateField,
        }
    }
}

/// A record that could not be judged.
#[derive(Clone, Copy)]
pub struct Failed<'a> {
    /// Where it came from.
    pub source: Source<'a>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Where it failed.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
}

/// Whether the value holds the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Key and value, sealed.
    Whole,
    /// Too large for the topic: coordinates, sizes and a digest.
    Reference,
}

/// The value of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value<'a> {
    /// [`DEAD_LETTER_VERSION`].
    pub v: u16,
    /// Whether the record is in it.
    pub form: Form,
    /// Length of the source's key in bytes; null where it has none.
    pub key_bytes: Option<u64>,
    /// Length of the source's value in bytes; null where it has none.
    pub value_bytes: Option<u64>,
    /// Key and value, sealed; without content in a reference. Null only where sealing failed.
    #[serde(borrow)]
    pub sealed: Option<Envelope<'a>>,
}

/// Makes dead letters. One per shard thread.
pub struct DeadLetters {
    topic: Arc<str>,
    group: Box<str>,
    worker_version: Box<str>,
    output_max_bytes: usize,
    sealer: Sealer,
    plaintext: Canonical,
}

impl DeadLetters {
    /// Dead letters of that consumer group, sealed by that sealer (for the dead-letter key), none
    /// larger than `output_max_bytes`.
    #[must_use]
    pub fn new(
        topic: Arc<str>,
        group: &str,
        worker_version: &str,
        output_max_bytes: usize,
        sealer: Sealer,
    ) -> Self {
        Self {
            topic,
            group: group.into(),
            worker_version: worker_version.into(),
            output_max_bytes,
            sealer,
            plaintext: Canonical::default(),
        }
    }

    /// The record that goes out.
    ///
    /// There always is one: a record that is too large, or that could not be sealed, goes out as a
    /// reference.
    pub fn record(&mut self, failed: &Failed<'_>) -> OutRecord {
        let coordinates = failed.source.to_string();
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        // Not worth encrypting what cannot fit.
        if length(failed.key) + length(failed.value) < self.output_max_bytes {
            let record = self.outgoing(failed, &coordinates, Form::Whole);
            if record.size() <= self.output_max_bytes {
                return record;
            }
        }
        self.outgoing(failed, &coordinates, Form::Reference)
    }

    fn outgoing(&mut self, failed: &Failed<'_>, coordinates: &str, form: Form) -> OutRecord {
        let subject = subject(coordinates);
        let (key, value) = (failed.key, failed.value);
        let identity: [&[u8]; 4] = [
            &[u8::from(key.is_some()), u8::from(value.is_some())],
            &failed.source.at.0.to_be_bytes(),
            key.unwrap_or_default(),
            value.unwrap_or_default(),
        ];
        let sealed = match form {
            Form::Whole => {
                letter::write_plaintext(failed, &mut self.plaintext);
                let plaintext = self.plaintext.as_bytes();
                self.sealer.seal(&subject, plaintext, &identity)
            }
            Form::Reference => self.sealer.reference(&subject, &identity),
        };
        let size = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes.len() as u64);
        let value = Value {
            v: DEAD_LETTER_VERSION,
            form: if sealed.is_ok() {
                form
            } else {
                Form::Reference
            },
            key_bytes: size(key),
            value_bytes: size(value),
            sealed: sealed.ok(),
        };
        OutRecord {
            topic: Arc::clone(&self.topic),
            partition: None,
            key: coordinates.as_bytes().to_vec(),
            payload: Some(json(&value)),
            headers: self.headers(failed),
            timestamp: None,
        }
    }

    fn headers(&self, failed: &Failed<'_>) -> Vec<HeaderPair> {
        let source = &failed.source;
        let text = |text: &str| text.as_bytes().to_vec().into();
        let number = |number: &dyn std::fmt::Display| number.to_string().into_bytes().into();
        vec![
            (headers::DLQ_SOURCE_TOPIC, text(source.topic)),
            (headers::DLQ_SOURCE_PARTITION, number(&source.partition)),
            (headers::DLQ_SOURCE_OFFSET, number(&source.offset)),
            (headers::DLQ_SOURCE_TIMESTAMP, number(&source.at.0)),
            (headers::DLQ_STAGE, failed.stage.as_str().as_bytes().into()),
            (
                headers::DLQ_REASON,
                failed.reason.as_str().as_bytes().into(),
            ),
            (headers::DLQ_ATTEMPT, number(&source.attempt)),
            (headers::DLQ_WORKER_VERSION, text(&self.worker_version)),
            (headers::DLQ_GROUP, text(&self.group)),
        ]
    }
}

/// The reference in place of a dead letter that the broker refuses for its size.
#[must_use]
pub fn reference_of(record: &OutRecord) -> Option<OutRecord> {
    let mut value: Value<'_> = serde_json::from_slice(record.payload.as_deref()?).ok()?;
    value.form = Form::Reference;
    if let Some(sealed) = &mut value.sealed {
        sealed.make_reference();
    }
    Some(OutRecord {
        payload: Some(json(&value)),
        ..record.clone()
    })
}

/// What the envelope of a dead letter belongs to.
fn subject(coordinates: &str) -> Subject<'_> {
    Subject {
        kind: Kind::DeadLetter,
        id: coordinates,
        schema: DEAD_LETTER_VERSION,
    }
}

fn json(value: &Value<'_>) -> Vec<u8> {
    // Plain strings and numbers into memory: this cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}
