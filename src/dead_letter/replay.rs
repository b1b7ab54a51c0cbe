//! Replays: dead letters that were written back to their topic.
//!
//! A replayed record stands at a new offset, but the id of its item comes from the old one: else
//! a message that was flagged before it became a dead letter would be shown twice. So a replay
//! carries its original coordinates in headers. Anybody who may write to the input topic can write
//! headers, and could take the place of another message's item with them; hence the signature,
//! with a key that only the holder of the dead-letter key has.
//!
//! A claim whose signature does not hold is not believed: the record is judged as the new message
//! that it is, by its own coordinates. It is not dropped and not dead-lettered, because it may be
//! a real message with a stray header.

use dmwatch_core::message::Millis;
use rdkafka::message::Headers;

use crate::canonical::{Canonical, sha256};
use crate::headers;
use crate::record::HeaderPair;
use crate::seal::{PrivateKey, PublicKey, decode_base64, encode_base64};
use crate::source::Source;

/// Kafka's own limit for a topic's name.
const MAX_TOPIC: usize = 249;

/// Why a claim is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A header is missing or not what it must be.
    #[error("the replay's headers are not complete")]
    Malformed,
    /// The signature is not over these coordinates, key and value, or by another key.
    #[error("the replay's signature does not hold")]
    Signature,
}

/// A claim of original coordinates, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayHeaders {
    /// `None` where headers are missing or wrong.
    claim: Option<Claim>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    topic: String,
    partition: i32,
    offset: i64,
    at: i64,
    attempt: u32,
    signature: Vec<u8>,
}

impl ReplayHeaders {
    /// The claim of a record's headers, if they make one at all.
    #[must_use]
    pub fn of<H: Headers>(record_headers: &H) -> Option<Self> {
        let mut claims = false;
        let (mut topic, mut partition, mut offset) = (None, None, None);
        let (mut at, mut attempt, mut signature) = (None, None, None);
        headers::for_each_text(record_headers, |name, value| {
            match name {
                headers::REPLAY_SOURCE_TOPIC => {
                    topic = (value.len() <= MAX_TOPIC).then(|| value.to_owned());
                }
                headers::REPLAY_SOURCE_PARTITION => partition = value.parse().ok(),
                headers::REPLAY_SOURCE_OFFSET => offset = value.parse().ok(),
                headers::REPLAY_SOURCE_TIMESTAMP => at = value.parse().ok(),
                headers::REPLAY_ATTEMPT => attempt = value.parse().ok(),
                headers::REPLAY_SIGNATURE => signature = decode_base64(value),
                _ => return,
            }
            claims = true;
        });
        if !claims {
            return None;
        }
        let complete = || {
            Some(Claim {
                topic: topic?,
                partition: partition?,
                offset: offset?,
                at: at?,
                attempt: attempt?,
                signature: signature?,
            })
        };
        Some(Self { claim: complete() })
    }
}

/// Checks claims. One for all shards.
#[derive(Debug, Clone)]
pub struct ReplayVerifier {
    key: Option<PublicKey>,
}

impl ReplayVerifier {
    /// Checks against the dead-letter key; without one, or with a region's, nothing is believed.
    #[must_use]
    pub fn new(key: impl Into<Option<PublicKey>>) -> Self {
        Self { key: key.into() }
    }

    /// The original coordinates, if the signature over them and over the record holds.
    ///
    /// # Errors
    /// [`ReplayError`]; the record is then judged by its own coordinates.
    pub fn verify<'a>(
        &self,
        claimed: &'a ReplayHeaders,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Source<'a>, ReplayError> {
        let claim = claimed.claim.as_ref().ok_or(ReplayError::Malformed)?;
        let source = Source {
            topic: &claim.topic,
            partition: claim.partition,
            offset: claim.offset,
            at: Millis(claim.at),
            attempt: claim.attempt,
        };
        let message = signed(&source, key, value);
        self.key
            .as_ref()
            .filter(|key| key.verifies(message.as_bytes(), &claim.signature))
            .map(|_| source)
            .ok_or(ReplayError::Signature)
    }
}

/// The headers of a replay of that record; `source.attempt` counts this replay. `None` where the
/// key signs nothing.
#[must_use]
pub fn headers_for(
    source: &Source<'_>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    signer: &PrivateKey,
) -> Option<Vec<HeaderPair>> {
    let signature = signer.sign(signed(source, key, value).as_bytes())?;
    let pair = |name, value: String| (name, value.into_bytes().into());
    Some(vec![
        pair(headers::REPLAY_SOURCE_TOPIC, source.topic.to_owned()),
        pair(
            headers::REPLAY_SOURCE_PARTITION,
            source.partition.to_string(),
        ),
        pair(headers::REPLAY_SOURCE_OFFSET, source.offset.to_string()),
        pair(headers::REPLAY_SOURCE_TIMESTAMP, source.at.0.to_string()),
        pair(headers::REPLAY_ATTEMPT, source.attempt.to_string()),
        pair(headers::REPLAY_SIGNATURE, encode_base64(&signature)),
    ])
}

/// What is signed. Hashes stand for key and value, so that a large record is read once.
fn signed(source: &Source<'_>, key: Option<&[u8]>, value: Option<&[u8]>) -> Canonical {
    let mut message = Canonical::default();
    message
        .start("dmwatch/replay/v1")
        .text(source.topic)
        .number(i64::from(source.partition))
        .number(source.offset)
        .number(source.at.0)
        .number(i64::from(source.attempt))
        .optional(key.map(sha256).as_ref().map(|hash| hash.as_slice()))
        .optional(value.map(sha256).as_ref().map(|hash| hash.as_slice()));
    message
}
