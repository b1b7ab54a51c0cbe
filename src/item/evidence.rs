//! What is sealed: `schemas/evidence.v1.schema.json`. It exists as JSON only inside the builder,
//! between serialising and sealing, and at the holder of the private key.

use dmwatch_core::message::{Attachment, Message, MessageText};
use serde::{Serialize, Serializer};

use super::{ContextMessage, Input};

/// Version of the evidence's schema.
pub const EVIDENCE_VERSION: u16 = 1;

/// Writes the evidence of an item, with or without its context.
pub(super) fn write(input: &Input<'_, '_>, with_context: bool, out: &mut Vec<u8>) {
    out.clear();
    let evidence = Evidence {
        v: EVIDENCE_VERSION,
        flag_is_purpose: input.flag_is_purpose,
        messages: Messages(input.messages),
        reason: input.report.map(|report| &*report.reason),
        note: input
            .report
            .and_then(|report| report.note.as_ref())
            .map(words),
        context: Context(if with_context {
            &input.context.messages
        } else {
            &[]
        }),
    };
    // Plain strings and numbers into memory: this cannot fail.
    let _ = serde_json::to_writer(out, &evidence);
}

/// What a reference to the item is compared by: ids and words, not the context, of which a
/// redelivered message may have more or less.
pub(super) fn identity<'a>(input: &Input<'a, '_>) -> Vec<&'a [u8]> {
    let mut parts = Vec::with_capacity(2 * input.messages.len() + 1);
    for message in input.messages {
        parts.push(message.message_id.as_bytes());
        parts.push(message.text.reveal().as_bytes());
    }
    if let Some(note) = input.report.and_then(|report| report.note.as_ref()) {
        parts.push(note.reveal().as_bytes());
    }
    parts
}

#[derive(Serialize)]
struct Evidence<'a, 'm> {
    v: u16,
    /// As in the item's flags, where anybody who may write to the topic could change it.
    flag_is_purpose: bool,
    messages: Messages<'a, 'm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Words<'a>>,
    context: Context<'a>,
}

struct Messages<'a, 'm>(&'a [Message<'m>]);

impl Serialize for Messages<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|message| EvidenceMessage {
            message_id: &message.message_id,
            sender_id: &message.sender.id,
            sent_at: &message.sent_at,
            edited_at: message.edited_at.as_deref(),
            lang: message.lang.as_deref(),
            attachments: &message.attachments,
            text: words(&message.text),
        }))
    }
}

/// A message with its text, and with everything as the platform sent it.
#[derive(Serialize)]
struct EvidenceMessage<'a> {
    message_id: &'a str,
    sender_id: &'a str,
    sent_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attachments: &'a [Attachment<'a>],
    text: Words<'a>,
}

struct Context<'a>(&'a [ContextMessage<'a>]);

impl Serialize for Context<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|message| EvidenceContext {
            message_id: message.message_id,
            sender_id: message.sender_id,
            offset: message.offset,
            at: message.at.0,
            text: words(&message.text),
        }))
    }
}

#[derive(Serialize)]
struct EvidenceContext<'a> {
    message_id: &'a str,
    sender_id: &'a str,
    offset: i64,
    at: i64,
    text: Words<'a>,
}

/// Text on its way into the seal. Private to this module: nowhere else does text become JSON.
#[derive(Serialize)]
#[serde(transparent)]
struct Words<'a>(&'a str);

fn words<'a>(text: &'a MessageText<'_>) -> Words<'a> {
    Words(text.reveal())
}
