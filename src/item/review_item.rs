//! The value of a record of `review.<region>`: `schemas/review-item.v1.schema.json`.
//!
//! Everything here may be read by whoever reads the topic, so nothing of it is anybody's words.
//! Fields that the platform fills freely (times, languages, attachment kinds, the reason that a
//! user picked) stand here only if they look like what they are meant to be; as they were sent,
//! they are in the sealed evidence.

use std::borrow::Cow;

use dmwatch_core::message::AgeBand;
use dmwatch_core::verdict::Severity;
use serde::{Deserialize, Serialize};

use super::{ItemKind, Shed};
use crate::seal::Envelope;

/// One item for a human.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewItem<'a> {
    /// [`super::ITEM_VERSION`].
    pub v: u16,
    /// See [`super::ItemId`].
    #[serde(borrow)]
    pub item_id: Cow<'a, str>,
    /// What it comes from.
    pub kind: ItemKind,
    /// Owning region; null while no region owns it.
    #[serde(borrow)]
    pub region: Option<Cow<'a, str>>,
    /// The review queue.
    #[serde(borrow)]
    pub queue: Cow<'a, str>,
    /// 0 (least) to 100.
    pub priority: u8,
    /// The most severe reason's; null where no rule fired.
    pub severity: Option<Severity>,
    /// When it should be decided: RFC 3339, UTC.
    #[serde(borrow)]
    pub due_at: Cow<'a, str>,
    /// The same in milliseconds since the epoch.
    pub due_millis: i64,
    /// The flagged message, or the first reported one.
    #[serde(borrow)]
    pub message_id: Cow<'a, str>,
    /// Its conversation.
    #[serde(borrow)]
    pub conversation_id: Cow<'a, str>,
    /// The flagged message, or all reported ones in order.
    #[serde(borrow)]
    pub messages: Vec<MessageMeta<'a>>,
    /// The user's report, if it is one.
    #[serde(borrow)]
    pub report: Option<ReportMeta<'a>>,
    /// Who took part, each account once, senders first.
    #[serde(borrow)]
    pub parties: Vec<PartyMeta<'a>>,
    /// The rules that fired.
    #[serde(borrow)]
    pub reasons: Vec<ReasonMeta<'a>>,
    /// What the classifier says. Empty until there is one.
    #[serde(borrow)]
    pub labels: Vec<LabelMeta<'a>>,
    /// What the conversation had shown before. Empty until there is a classifier.
    #[serde(borrow)]
    pub cues: Vec<CueMeta<'a>>,
    /// What a queue or a reviewer should know at a glance.
    pub flags: Flags,
    /// The context window that was sealed with the evidence.
    pub context: ContextMeta,
    /// What had to be left out to fit the topic's limit.
    pub shed: Shed,
    /// How much of the lists was left out with the text. Null unless `shed` is `text`.
    pub omitted: Option<Omitted>,
    /// Where it comes from, and by what it was judged.
    #[serde(borrow)]
    pub provenance: Provenance<'a>,
    /// The words themselves, sealed (`evidence.v1`); null for `unassigned`, which has no key.
    /// Stands last, so that writing it is cheap.
    #[serde(borrow)]
    pub evidence: Option<Envelope<'a>>,
}

/// A message without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageMeta<'a> {
    /// The platform's id.
    #[serde(borrow)]
    pub message_id: Cow<'a, str>,
    /// Who wrote it.
    #[serde(borrow)]
    pub sender_id: Cow<'a, str>,
    /// When it was sent (RFC 3339, UTC), if the platform's field is a time.
    #[serde(borrow)]
    pub sent_at: Option<Cow<'a, str>>,
    /// When it was edited (RFC 3339, UTC), if the platform's field is a time.
    #[serde(borrow)]
    pub edited_at: Option<Cow<'a, str>>,
    /// Language tag.
    #[serde(borrow)]
    pub lang: Option<Cow<'a, str>>,
    /// What was attached.
    #[serde(borrow)]
    pub attachments: Vec<AttachmentMeta<'a>>,
}

/// Something attached: never fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentMeta<'a> {
    /// The platform's kind.
    #[serde(borrow)]
    pub kind: Option<Cow<'a, str>>,
    /// The platform's hash of the content.
    #[serde(borrow)]
    pub hash: Option<Cow<'a, str>>,
    /// The list of known content that the hash is on.
    #[serde(borrow, rename = "match")]
    pub known: Option<Cow<'a, str>>,
}

/// A user's report without its note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportMeta<'a> {
    /// The platform's id.
    #[serde(borrow)]
    pub report_id: Cow<'a, str>,
    /// Who reported.
    #[serde(borrow)]
    pub reporter_id: Cow<'a, str>,
    /// The reason that the user picked, if it is a code; free text is sealed.
    #[serde(borrow)]
    pub reason: Option<Cow<'a, str>>,
    /// When it was reported (RFC 3339, UTC), if the platform's field is a time.
    #[serde(borrow)]
    pub reported_at: Option<Cow<'a, str>>,
}

/// What an account did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Wrote a message of this item.
    Sender,
    /// Got one.
    Recipient,
}

/// A sender or recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyMeta<'a> {
    /// The platform's account id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// What it did.
    pub role: Role,
    /// Age band.
    pub age_band: AgeBand,
    /// The platform's region code.
    #[serde(borrow)]
    pub region: Option<Cow<'a, str>>,
    /// Days since the account was made.
    pub account_age_days: Option<u32>,
}

/// A rule that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonMeta<'a> {
    /// Index into `messages`.
    pub message: u32,
    /// The rule's id.
    #[serde(borrow)]
    pub rule: Cow<'a, str>,
    /// The rule's version.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// The rule's policy.
    #[serde(borrow)]
    pub policy: Cow<'a, str>,
    /// One line for reviewers.
    #[serde(borrow)]
    pub title: Cow<'a, str>,
    /// How bad it is.
    pub severity: Severity,
    /// Where, in the original text.
    pub spans: Vec<SpanMeta>,
}

/// A place in the original text, half-open: `[start, end]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanMeta {
    /// In bytes of UTF-8.
    pub bytes: [usize; 2],
    /// In characters (Unicode scalar values).
    pub chars: [usize; 2],
}

/// What the classifier says of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelMeta<'a> {
    /// The label.
    #[serde(borrow)]
    pub label: Cow<'a, str>,
    /// 0 to 1.
    pub score: f32,
}

/// Something that the conversation had shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CueMeta<'a> {
    /// Its name.
    #[serde(borrow)]
    pub cue: Cow<'a, str>,
    /// Offset of the first message that showed it.
    pub offset: i64,
    /// Record time of that message, in milliseconds since the epoch.
    pub at: i64,
}

/// What a queue or a reviewer should know at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flags {
    /// Delivered over the queue's budget: it ages in.
    pub deferred: bool,
    /// Whether it is the first message ever between these parties; null where nobody knows.
    pub first_contact: Option<bool>,
    /// A minor on one side, an adult or somebody of unknown age on the other.
    pub minor_with_adult_or_unknown: bool,
    /// Whether the flag alone lets a reviewer read, in the owning region.
    pub flag_is_purpose: bool,
}

/// The context window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextMeta {
    /// Whether nothing of the window is missing.
    pub complete: bool,
    /// How many messages are sealed with the evidence.
    pub messages: usize,
    /// Offsets of the conversation's last messages, so that more can be read from Kafka.
    pub last_offsets: Vec<i64>,
}

/// How many entries of each list were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Omitted {
    /// Of `messages`.
    pub messages: usize,
    /// Of `attachments`, over all messages.
    pub attachments: usize,
    /// Of `parties`.
    pub parties: usize,
    /// Of `reasons`.
    pub reasons: usize,
    /// Of `spans`, over all reasons.
    pub spans: usize,
    /// Of `last_offsets`.
    pub last_offsets: usize,
}

/// Where it comes from, and by what it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance<'a> {
    /// Input topic.
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Record timestamp, in milliseconds since the epoch.
    pub timestamp: i64,
    /// How often it was replayed from the dead letters.
    pub attempt: u32,
    /// Hash of the ruleset.
    #[serde(borrow)]
    pub ruleset: Cow<'a, str>,
    /// Hash of the model; null where none was used.
    #[serde(borrow)]
    pub model: Option<Cow<'a, str>>,
    /// Version of the worker.
    #[serde(borrow)]
    pub worker_version: Cow<'a, str>,
    /// The stream's epoch.
    #[serde(borrow)]
    pub stream_epoch: Cow<'a, str>,
}
