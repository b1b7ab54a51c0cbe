//! What is left of an item that is too large for its topic: who, where, why and until when, and a
//! digest that the holder of the private key can compare.

use std::borrow::Cow;

use super::review_item::ReviewItem;
use super::{Shed, json};
use crate::canonical::{hex, sha256};
use crate::headers;
use crate::record::OutRecord;

/// No reference is larger than this, with key and headers, whatever the message was. It is the
/// smallest `output.max_bytes` that the settings take.
pub const REFERENCE_MAX_BYTES: usize = 16 * 1024;

/// Entries of a list that a reference keeps.
const MAX_ENTRIES: usize = 6;
/// Spans of a reason that a reference keeps.
const MAX_SPANS: usize = 4;
/// Bytes of an id or a name, as JSON writes it, that a reference keeps as it is.
const MAX_TEXT: usize = 128;

/// Bytes of a conversation id that a record's key keeps as it is.
const MAX_KEY: usize = 1024;

/// The reference in place of a record that the broker refuses for its size; works for review items
/// and dead letters. `None` for anything else.
#[must_use]
pub fn reference_of(record: &OutRecord) -> Option<OutRecord> {
    let is = |name| record.headers.iter().any(|(have, _)| *have == name);
    if is(headers::DLQ_REASON) {
        return crate::dead_letter::reference_of(record);
    }
    let payload = record.payload.as_deref().filter(|_| is(headers::ITEM_ID))?;
    let mut item: ReviewItem<'_> = serde_json::from_slice(payload).ok()?;
    shrink(&mut item);
    Some(OutRecord {
        payload: Some(json(&mut item)),
        ..record.clone()
    })
}

/// Leaves out text, context and what is too much of every list.
pub(super) fn shrink(item: &mut ReviewItem<'_>) {
    item.shed = Shed::Text;
    if let Some(evidence) = &mut item.evidence {
        evidence.make_reference();
    }
    item.context.complete = false;
    item.context.messages = 0;

    let mut omitted = item.omitted.unwrap_or_default();
    omitted.messages += cut(&mut item.messages, MAX_ENTRIES);
    omitted.parties += cut(&mut item.parties, MAX_ENTRIES);
    omitted.reasons += cut(&mut item.reasons, MAX_ENTRIES);
    // The newest offsets are the ones to read on from.
    let offsets = &mut item.context.last_offsets;
    let surplus = offsets.len().saturating_sub(MAX_ENTRIES);
    offsets.drain(..surplus);
    omitted.last_offsets += surplus;

    short(&mut item.message_id);
    short(&mut item.conversation_id);
    if let Some(report) = &mut item.report {
        short(&mut report.report_id);
        short(&mut report.reporter_id);
    }
    for message in &mut item.messages {
        short(&mut message.message_id);
        short(&mut message.sender_id);
        omitted.attachments += message.attachments.len();
        message.attachments.clear();
    }
    for party in &mut item.parties {
        short(&mut party.id);
    }
    let kept = item.messages.len();
    for reason in &mut item.reasons {
        short(&mut reason.rule);
        short(&mut reason.version);
        short(&mut reason.policy);
        short(&mut reason.title);
        omitted.spans += cut(&mut reason.spans, MAX_SPANS);
    }
    // A reason must not point at a message that was left out.
    let before = item.reasons.len();
    item.reasons
        .retain(|reason| (reason.message as usize) < kept);
    omitted.reasons += before - item.reasons.len();
    item.omitted = Some(omitted);
}

fn cut<T>(list: &mut Vec<T>, most: usize) -> usize {
    let surplus = list.len().saturating_sub(most);
    list.truncate(most);
    surplus
}

/// Puts a hash in place of an id or a name that is too long: equal ones stay equal.
fn short(text: &mut Cow<'_, str>) {
    let as_json = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    if as_json.sum::<usize>() > MAX_TEXT {
        *text = Cow::Owned(hashed(text));
    }
}

/// A record's key: the conversation, or its hash where it is too long to be one.
pub(super) fn key(conversation: &str) -> Vec<u8> {
    if conversation.len() > MAX_KEY {
        hashed(conversation).into_bytes()
    } else {
        conversation.as_bytes().to_vec()
    }
}

fn hashed(text: &str) -> String {
    format!("sha256:{}", hex(&sha256(text.as_bytes())))
}
