//! Review items: what a human gets to see of a flagged message or a user's report.
//!
//! ```text
//! Message, Verdict, Route, context ─▶ metadata (readable) ─┐
//!                           └▶ evidence ─ sealed for the ──┴▶ ReviewItem (JSON) ─▶ review.<region>
//!                              owning region
//! ```
//!
//! [`ItemBuilder`] makes them, one a shard. An item always fits the topic: what is too large sheds
//! its context, then its text ([`Shed`]), and says so. An item of no region has no key to be
//! sealed for, so it has metadata only, until legal assigns it.

use std::sync::Arc;

use dmwatch_core::message::{Message, MessageText, Millis, Report};
use dmwatch_core::region::UNASSIGNED;
use dmwatch_core::routing::{self, Route};
use dmwatch_core::rules::Ruleset;
use dmwatch_core::verdict::Verdict;
use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::headers;
use crate::record::{HeaderPair, OutRecord};
use crate::seal::{self, Envelope, Sealer, Subject};
use crate::source::Source;

mod evidence;
mod id;
mod metadata;
mod reference;
mod review_item;

#[cfg(test)]
pub(crate) mod tests;

pub use evidence::EVIDENCE_VERSION;
pub use id::ItemId;
pub use reference::{REFERENCE_MAX_BYTES, reference_of};
pub use review_item::{
    AttachmentMeta, ContextMeta, CueMeta, Flags, LabelMeta, MessageMeta, Omitted, PartyMeta,
    Provenance, ReasonMeta, ReportMeta, ReviewItem, Role, SpanMeta,
};

/// Version of the item's schema.
pub const ITEM_VERSION: u16 = 1;
/// The value of the header [`headers::SCHEMA`].
const SCHEMA: &str = "review-item.v1";

/// What an item comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// Rules fired.
    Flag,
    /// A user reported it.
    Report,
    /// The sender does it to many.
    Pattern,
}

impl ItemKind {
    /// The name used in topics and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ItemKind::Flag => "flag",
            ItemKind::Report => "report",
            ItemKind::Pattern => "pattern",
        }
    }

    /// What its evidence is sealed as.
    #[must_use]
    pub const fn sealed_as(self) -> seal::Kind {
        match self {
            ItemKind::Flag => seal::Kind::Flag,
            ItemKind::Report => seal::Kind::Report,
            ItemKind::Pattern => seal::Kind::Pattern,
        }
    }
}

impl From<routing::Kind> for ItemKind {
    fn from(kind: routing::Kind) -> Self {
        match kind {
            routing::Kind::Flag => ItemKind::Flag,
            routing::Kind::Report => ItemKind::Report,
        }
    }
}

/// What had to be left out to fit the topic's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shed {
    /// Nothing.
    None,
    /// The messages before it.
    Context,
    /// The text too: the item is a reference.
    Text,
}

impl Shed {
    /// The label of the metric; `None` where nothing was left out.
    #[must_use]
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Shed::None => None,
            Shed::Context => Some("context"),
            Shed::Text => Some("text"),
        }
    }
}

/// An earlier message of the conversation.
#[derive(Clone)]
pub struct ContextMessage<'a> {
    /// The platform's id.
    pub message_id: &'a str,
    /// Who wrote it.
    pub sender_id: &'a str,
    /// Where it stands in its partition.
    pub offset: i64,
    /// Record time.
    pub at: Millis,
    /// What was written.
    pub text: MessageText<'a>,
}

/// What was said before.
#[derive(Clone, Default)]
pub struct ContextWindow<'a> {
    /// Oldest first.
    pub messages: Vec<ContextMessage<'a>>,
    /// Whether nothing of the window is missing.
    pub complete: bool,
    /// Offsets of the conversation's last messages, oldest first.
    pub last_offsets: Vec<i64>,
}

/// An item, ready to be sent.
pub struct BuiltItem {
    /// Its id.
    pub item_id: ItemId,
    /// Its JSON.
    pub payload: Vec<u8>,
    /// What was left out.
    pub shed: Shed,
    key: Vec<u8>,
    headers: Vec<HeaderPair>,
}

impl BuiltItem {
    /// The record for that topic. The key is the conversation, so that one reviewer sees a
    /// conversation's items in order.
    #[must_use]
    pub fn into_record(self, topic: Arc<str>) -> OutRecord {
        OutRecord {
            topic,
            partition: None,
            key: self.key,
            payload: Some(self.payload),
            headers: self.headers,
            timestamp: None,
        }
    }
}

/// Everything that an item is made of. `'m` is the record that the messages borrow from: they hold
/// a `SmallVec`, which cannot be borrowed for a shorter time.
struct Input<'a, 'm> {
    kind: ItemKind,
    source: &'a Source<'a>,
    messages: &'a [Message<'m>],
    /// One for each message, or none where nothing was scanned.
    verdicts: &'a [Verdict],
    report: Option<&'a Report<'m>>,
    ruleset: &'a Ruleset,
    route: &'a Route,
    region: Option<&'a str>,
    flag_is_purpose: bool,
    context: &'a ContextWindow<'a>,
}

/// Makes items. One per shard thread: it has buffers of its own and no lock.
pub struct ItemBuilder {
    epoch: Box<str>,
    worker_version: Box<str>,
    output_max_bytes: usize,
    sealers: Vec<(Box<str>, Sealer)>,
    plaintext: Vec<u8>,
    canonical: Canonical,
}

impl ItemBuilder {
    /// Items of that stream epoch, none larger than `output_max_bytes` (key, payload and headers;
    /// at least [`REFERENCE_MAX_BYTES`]). Each sealer seals for the region of its key.
    #[must_use]
    pub fn new(
        epoch: &str,
        worker_version: &str,
        output_max_bytes: usize,
        sealers: impl IntoIterator<Item = Sealer>,
    ) -> Self {
        let sealers = sealers.into_iter().filter_map(|sealer| {
            let region = sealer.key().purpose().region()?.into();
            Some((region, sealer))
        });
        Self {
            epoch: epoch.into(),
            worker_version: worker_version.into(),
            output_max_bytes: output_max_bytes.max(REFERENCE_MAX_BYTES),
            sealers: sealers.collect(),
            plaintext: Vec::new(),
            canonical: Canonical::default(),
        }
    }

    /// The item of a flagged message. `region` is `None` for `unassigned`.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that judging found out about one message"
    )]
    pub fn flag(
        &mut self,
        source: &Source<'_>,
        message: &Message<'_>,
        verdict: &Verdict,
        ruleset: &Ruleset,
        route: &Route,
        region: Option<&str>,
        flag_is_purpose: bool,
        context: &ContextWindow<'_>,
    ) -> BuiltItem {
        self.build(&Input {
            kind: ItemKind::Flag,
            source,
            messages: std::slice::from_ref(message),
            verdicts: std::slice::from_ref(verdict),
            report: None,
            ruleset,
            route,
            region,
            flag_is_purpose,
            context,
        })
    }

    /// The item of a user's report. `verdicts` has one for each message, or none where nothing was
    /// scanned. A report is a purpose of its own, and carries its messages itself.
    pub fn report(
        &mut self,
        source: &Source<'_>,
        report: &Report<'_>,
        verdicts: &[Verdict],
        ruleset: &Ruleset,
        route: &Route,
        region: Option<&str>,
    ) -> BuiltItem {
        self.build(&Input {
            kind: ItemKind::Report,
            source,
            messages: &report.messages,
            verdicts,
            report: Some(report),
            ruleset,
            route,
            region,
            flag_is_purpose: false,
            context: &ContextWindow::default(),
        })
    }

    fn build(&mut self, input: &Input<'_, '_>) -> BuiltItem {
        let first = input.messages.first();
        let conversation = first.map_or("", |message| &message.conversation_id);
        let subject = match input.report {
            Some(report) => &*report.report_id,
            None => first.map_or("", |message| &message.message_id),
        };
        let item_id = ItemId::new(
            input.kind,
            &self.epoch,
            input.source,
            subject,
            &mut self.canonical,
        );
        let headers = item_headers(input, &item_id);
        let key = reference::key(conversation);
        let sizes = headers.iter().map(|(name, value)| name.len() + value.len());
        let around = key.len() + sizes.sum::<usize>();
        let room = self.output_max_bytes.saturating_sub(around);

        let mut shed = Shed::None;
        let (payload, shed) = loop {
            let (payload, shed_now) = self.render(input, &item_id, shed);
            if payload.len() <= room || shed_now == Shed::Text {
                break (payload, shed_now);
            }
            let has_context = shed == Shed::None && !input.context.messages.is_empty();
            shed = if has_context {
                Shed::Context
            } else {
                Shed::Text
            };
        };
        BuiltItem {
            item_id,
            payload,
            shed,
            key,
            headers,
        }
    }

    /// The JSON of the item, and what was left out of it in the end.
    fn render(&mut self, input: &Input<'_, '_>, item_id: &ItemId, shed: Shed) -> (Vec<u8>, Shed) {
        let sealer = input.region.and_then(|region| {
            let mut sealers = self.sealers.iter_mut();
            sealers.find(|(name, _)| **name == *region)
        });
        let mut shed = shed;
        let mut envelope = None;
        if let Some((_, sealer)) = sealer {
            let sealed = seal_evidence(input, item_id, shed, sealer, &mut self.plaintext);
            // Sealing fails only where the operating system gives no randomness. The item must
            // reach a human all the same, so it goes out as a reference without a digest.
            shed = if sealed.is_none() { Shed::Text } else { shed };
            envelope = sealed;
        }
        let mut item = metadata::item(input, item_id, &self.epoch, &self.worker_version);
        item.evidence = envelope;
        match shed {
            Shed::Text => reference::shrink(&mut item),
            Shed::Context => {
                item.shed = shed;
                item.context.complete = false;
                item.context.messages = 0;
            }
            Shed::None => {}
        }
        (json(&mut item), shed)
    }
}

fn seal_evidence<'s>(
    input: &Input<'_, '_>,
    item_id: &ItemId,
    shed: Shed,
    sealer: &'s mut Sealer,
    plaintext: &mut Vec<u8>,
) -> Option<Envelope<'s>> {
    let subject = Subject {
        kind: input.kind.sealed_as(),
        id: item_id.as_str(),
        schema: EVIDENCE_VERSION,
    };
    let identity = evidence::identity(input);
    if shed == Shed::Text {
        return sealer.reference(&subject, &identity).ok();
    }
    evidence::write(input, shed == Shed::None, plaintext);
    sealer.seal(&subject, plaintext, &identity).ok()
}

fn item_headers(input: &Input<'_, '_>, item_id: &ItemId) -> Vec<HeaderPair> {
    let region = input.region.unwrap_or(UNASSIGNED);
    vec![
        (
            headers::ITEM_ID,
            item_id.as_str().as_bytes().to_vec().into(),
        ),
        (headers::SCHEMA, SCHEMA.as_bytes().into()),
        (headers::REGION, region.as_bytes().to_vec().into()),
        (headers::KIND, input.kind.as_str().as_bytes().into()),
    ]
}

/// The item as JSON.
///
/// Most of an item is its ciphertext, and nothing in base64 has to be escaped. So it is put in
/// after the rest was serialised, instead of being looked through byte by byte.
fn json(item: &mut ReviewItem<'_>) -> Vec<u8> {
    const EMPTY: &[u8] = b"\"ciphertext\":\"\"";
    let sealed = item.evidence.as_mut().and_then(|it| it.ciphertext.as_mut());
    let ciphertext = sealed.map(std::mem::take).unwrap_or_default();
    let mut out = Vec::with_capacity(2048 + ciphertext.len());
    // Plain strings and numbers into memory: this cannot fail.
    let _ = serde_json::to_writer(&mut out, item);
    // The evidence stands last, and inside of a string a quote is escaped: this is found at once,
    // and it is no other.
    let found = out.windows(EMPTY.len()).rposition(|bytes| bytes == EMPTY);
    if let Some(found) = found {
        let (at, end) = (found + EMPTY.len() - 1, out.len());
        out.resize(end + ciphertext.len(), 0);
        out.copy_within(at..end, at + ciphertext.len());
        out[at..at + ciphertext.len()].copy_from_slice(ciphertext.as_bytes());
    }
    out
}
