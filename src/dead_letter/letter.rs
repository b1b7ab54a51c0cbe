//! Reading dead letters back: `dmwatch dlq`.

use dmwatch_core::message::Millis;
use rdkafka::message::Headers;
use zeroize::Zeroizing;

use super::{Failed, Form, Reason, Stage, Value, subject};
use crate::canonical::{Canonical, Reader};
use crate::headers;
use crate::seal::{OpenError, Opener};
use crate::source::Source;

const DOMAIN: &str = "dmwatch/dead-letter/v1";

/// Writes what is sealed: time, attempt, key and value. Topic, partition and offset are bound by
/// the envelope's subject.
pub(super) fn write_plaintext(failed: &Failed<'_>, out: &mut Canonical) {
    out.start(DOMAIN)
        .number(failed.source.at.0)
        .number(i64::from(failed.source.attempt))
        .optional(failed.key)
        .optional(failed.value);
}

/// Why a record of the dead-letter topic cannot be read. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// A header is missing or not what it must be.
    #[error("header `{name}`: expected {expected}")]
    Header {
        /// Which.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The value is not of the schema.
    #[error("the value is not of schema dead-letter.v1")]
    Value,
    /// The content was left out, or could not be sealed.
    #[error("a reference: the record was too large to be kept")]
    Reference,
    /// The envelope does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The headers say something else than what was sealed.
    #[error("header `{name}` is not what was sealed")]
    Forged {
        /// Which.
        name: &'static str,
    },
}

/// The metadata of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Topic of the source.
    pub topic: String,
    /// Partition of the source.
    pub partition: i32,
    /// Offset of the source.
    pub offset: i64,
    /// Timestamp of the source.
    pub at: Millis,
    /// How often it had been replayed.
    pub attempt: u32,
    /// Where it failed.
    pub stage: Stage,
    /// Why it failed.
    pub reason: Reason,
    /// Version of the worker.
    pub worker_version: String,
    /// Consumer group of the worker.
    pub group: String,
}

/// Key and value of the source record. They are people's words: the buffers are wiped on drop.
pub struct Contents {
    /// Key.
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// Value.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Letter {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`LetterError::Header`] for the first header that is missing or wrong.
    pub fn read<H: Headers>(record_headers: &H) -> Result<Self, LetterError> {
        let mut found: Vec<(&'static str, String)> = Vec::with_capacity(9);
        headers::for_each_text(record_headers, |name, value| {
            if let Some(name) = headers::ALL.iter().find(|known| **known == name) {
                found.push((name, value.to_owned()));
            }
        });
        let text = |name: &'static str, expected: &'static str| {
            let value = found.iter().rfind(|(found, _)| *found == name);
            value
                .map(|(_, value)| value.as_str())
                .ok_or(LetterError::Header { name, expected })
        };
        Ok(Self {
            topic: text(headers::DLQ_SOURCE_TOPIC, "a topic")?.to_owned(),
            partition: parse(&text, headers::DLQ_SOURCE_PARTITION, "a partition")?,
            offset: parse(&text, headers::DLQ_SOURCE_OFFSET, "an offset")?,
            at: Millis(parse(&text, headers::DLQ_SOURCE_TIMESTAMP, "milliseconds")?),
            attempt: parse(&text, headers::DLQ_ATTEMPT, "a number of replays")?,
            stage: known(&text, headers::DLQ_STAGE, "a known stage", Stage::from_name)?,
            reason: known(
                &text,
                headers::DLQ_REASON,
                "a known reason",
                Reason::from_name,
            )?,
            worker_version: text(headers::DLQ_WORKER_VERSION, "a version")?.to_owned(),
            group: text(headers::DLQ_GROUP, "a consumer group")?.to_owned(),
        })
    }

    /// Where the record came from.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            at: self.at,
            attempt: self.attempt,
        }
    }

    /// Opens the value. What was sealed must agree with the headers.
    ///
    /// # Errors
    /// [`LetterError`].
    pub fn open(&self, opener: &mut Opener, value: &[u8]) -> Result<Contents, LetterError> {
        let value: Value<'_> = serde_json::from_slice(value).map_err(|_| LetterError::Value)?;
        let sealed = value.sealed.filter(|_| value.form == Form::Whole);
        let sealed = sealed.ok_or(LetterError::Reference)?;
        let coordinates = self.source().to_string();
        let plaintext = opener.open(&subject(&coordinates), &sealed)?;
        let mut reader = Reader::new(&plaintext, DOMAIN).ok_or(LetterError::Value)?;
        let at = reader.number().ok_or(LetterError::Value)?;
        let attempt = reader.number().ok_or(LetterError::Value)?;
        let mut content = || {
            let bytes = reader.optional().ok_or(LetterError::Value)?;
            Ok::<_, LetterError>(bytes.map(|bytes| Zeroizing::new(bytes.to_vec())))
        };
        let contents = Contents {
            key: content()?,
            value: content()?,
        };
        if at != self.at.0 {
            let name = headers::DLQ_SOURCE_TIMESTAMP;
            return Err(LetterError::Forged { name });
        }
        if attempt != i64::from(self.attempt) {
            let name = headers::DLQ_ATTEMPT;
            return Err(LetterError::Forged { name });
        }
        Ok(contents)
    }
}

fn parse<'t, T: std::str::FromStr>(
    text: &impl Fn(&'static str, &'static str) -> Result<&'t str, LetterError>,
    name: &'static str,
    expected: &'static str,
) -> Result<T, LetterError> {
    known(text, name, expected, |value| value.parse().ok())
}

fn known<'t, T>(
    text: &impl Fn(&'static str, &'static str) -> Result<&'t str, LetterError>,
    name: &'static str,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, LetterError> {
    let value = text(name, expected)?;
    read(value).ok_or(LetterError::Header { name, expected })
}
