//! The direct message, as the worker sees it.
//!
//! A [`Message`] borrows from the Kafka record wherever JSON allows it. It is made by
//! [`FieldMap::decode`], which follows the field paths of `input.fields` in one pass, without a
//! generic JSON value.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

mod decode;
mod fields;

pub use decode::{DecodeError, DecodeReason};
pub use fields::{Field, FieldMap, FieldPathError};

/// Milliseconds since the Unix epoch, UTC. In the worker this is the Kafka record's timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

/// How old a party is, as the platform declares or estimates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AgeBand {
    /// Under 13.
    #[serde(rename = "under_13")]
    Under13,
    /// 13 to 15.
    #[serde(rename = "13_15")]
    From13To15,
    /// 16 or 17.
    #[serde(rename = "16_17")]
    From16To17,
    /// 18 or older.
    #[serde(rename = "adult")]
    Adult,
    /// The platform does not know.
    #[serde(rename = "unknown")]
    Unknown,
}

impl AgeBand {
    /// Every band, youngest first, `unknown` last.
    pub const ALL: [AgeBand; 5] = [
        AgeBand::Under13,
        AgeBand::From13To15,
        AgeBand::From16To17,
        AgeBand::Adult,
        AgeBand::Unknown,
    ];

    /// The name used in topics, rules and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AgeBand::Under13 => "under_13",
            AgeBand::From13To15 => "13_15",
            AgeBand::From16To17 => "16_17",
            AgeBand::Adult => "adult",
            AgeBand::Unknown => "unknown",
        }
    }

    /// The band with that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|band| band.as_str() == name)
    }

    /// Under 18 for certain.
    #[must_use]
    pub const fn is_minor(self) -> bool {
        matches!(
            self,
            AgeBand::Under13 | AgeBand::From13To15 | AgeBand::From16To17
        )
    }
}

/// The text of a message.
///
/// It has no `Debug`, `Display` or `Serialize`, so that it cannot slip into a log line, an error,
/// a metric or a panic message: [`MessageText::reveal`] is the one way to read it.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText<'a>(Cow<'a, str>);

impl<'a> MessageText<'a> {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for matching and for sealing, never for output.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Length in bytes of UTF-8.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A sender or recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Party<'a> {
    /// The platform's account id.
    pub id: Cow<'a, str>,
    /// Age band; `unknown` where the platform gives none.
    pub age_band: AgeBand,
    /// The platform's region code, as sent (`US`, `IE`); empty where it gives none.
    pub region: Cow<'a, str>,
    /// Days since the account was made.
    pub account_age_days: Option<u32>,
}

/// Something attached to a message: carried, never fetched.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Attachment<'a> {
    /// The platform's kind (`image`, `video`, `audio`, `link`, …).
    pub kind: Cow<'a, str>,
    /// The platform's hash of the content.
    pub hash: Option<Cow<'a, str>>,
    /// The name of the known-content list that the hash is on.
    #[serde(rename = "match")]
    pub known: Option<Cow<'a, str>>,
}

/// One direct message of `dm.messages`, or one reported message of `dm.reports`.
#[derive(Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The platform's id of the message. An edit is a new record with the same id.
    pub message_id: Cow<'a, str>,
    /// The platform's id of the conversation; also the record's key.
    pub conversation_id: Cow<'a, str>,
    /// When it was sent, as the platform wrote it: RFC 3339 or milliseconds since the epoch.
    /// Checked by [`Message::sent_at_millis`], not on the hot path: judging uses the record's time.
    pub sent_at: Cow<'a, str>,
    /// What was written.
    pub text: MessageText<'a>,
    /// Who wrote it.
    pub sender: Party<'a>,
    /// To whom. At least one.
    pub recipients: SmallVec<[Party<'a>; 1]>,
    /// Whether this is the first message ever between these parties.
    pub first_contact: Option<bool>,
    /// Language tag (BCP 47), where the platform knows it.
    pub lang: Option<Cow<'a, str>>,
    /// When it was edited, as the platform wrote it.
    pub edited_at: Option<Cow<'a, str>>,
    /// What was attached.
    pub attachments: SmallVec<[Attachment<'a>; 1]>,
}

impl Message<'_> {
    /// [`Message::sent_at`] as a time, if it is one (RFC 3339, or an integer of milliseconds).
    #[must_use]
    pub fn sent_at_millis(&self) -> Option<Millis> {
        if let Ok(millis) = self.sent_at.parse::<i64>() {
            return Some(Millis(millis));
        }
        let timestamp: jiff::Timestamp = self.sent_at.parse().ok()?;
        Some(Millis(timestamp.as_millisecond()))
    }

    /// Sender first, then the recipients.
    pub fn parties(&self) -> impl Iterator<Item = &Party<'_>> {
        std::iter::once(&self.sender).chain(self.recipients.iter())
    }

    /// A minor on one side and an adult or somebody of unknown age on the other. Such a pair is
    /// treated with the greatest care everywhere.
    #[must_use]
    pub fn is_minor_with_adult_or_unknown(&self) -> bool {
        let minor = self.parties().any(|party| party.age_band.is_minor());
        let other = self.parties().any(|party| !party.age_band.is_minor());
        minor && other
    }
}

/// A user's report of `dm.reports`.
#[derive(Clone, PartialEq, Eq)]
pub struct Report<'a> {
    /// The platform's id of the report.
    pub report_id: Cow<'a, str>,
    /// Who reported.
    pub reporter_id: Cow<'a, str>,
    /// The reason that the user picked.
    pub reason: Cow<'a, str>,
    /// What the user wrote along with it.
    pub note: Option<MessageText<'a>>,
    /// When it was reported, as the platform wrote it.
    pub reported_at: Cow<'a, str>,
    /// The reported messages, in order. At least one.
    pub messages: Vec<Message<'a>>,
}
