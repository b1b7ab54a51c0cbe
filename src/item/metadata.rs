//! The readable part of an item.

use std::borrow::Cow;

use dmwatch_core::message::{Attachment, Message, Party, Report};
use dmwatch_core::verdict::{Reason, Span};
use jiff::Timestamp;

use super::review_item::{
    AttachmentMeta, ContextMeta, Flags, MessageMeta, PartyMeta, Provenance, ReasonMeta, ReportMeta,
    ReviewItem, Role, SpanMeta,
};
use super::{ITEM_VERSION, Input, ItemId, Shed};

/// The item, nothing left out, without its evidence.
pub(super) fn item<'a>(
    input: &Input<'a, '_>,
    item_id: &'a ItemId,
    epoch: &'a str,
    worker_version: &'a str,
) -> ReviewItem<'a> {
    let first = input.messages.first();
    let due_millis = input.source.at.0.saturating_add(input.route.due_millis);
    let reasons = reasons(input);
    let source = input.source;
    // Without a region there is no key, and no context either.
    let sealed_context = input.region.map_or(0, |_| input.context.messages.len());
    ReviewItem {
        v: ITEM_VERSION,
        item_id: Cow::Borrowed(item_id.as_str()),
        kind: input.kind,
        region: input.region.map(Cow::Borrowed),
        queue: Cow::Borrowed(&input.route.queue),
        priority: input.route.priority,
        severity: reasons.iter().map(|reason| reason.severity).max(),
        due_at: Cow::Owned(rfc3339(due_millis)),
        due_millis,
        message_id: Cow::Borrowed(first.map_or("", |message| &message.message_id)),
        conversation_id: Cow::Borrowed(first.map_or("", |message| &message.conversation_id)),
        messages: input.messages.iter().map(message).collect(),
        report: input.report.map(report),
        parties: parties(input.messages),
        reasons,
        labels: Vec::new(),
        cues: Vec::new(),
        flags: Flags {
            deferred: false,
            first_contact: first.and_then(|message| message.first_contact),
            minor_with_adult_or_unknown: input
                .messages
                .iter()
                .any(Message::is_minor_with_adult_or_unknown),
            flag_is_purpose: input.flag_is_purpose,
        },
        context: ContextMeta {
            complete: input.context.complete && input.region.is_some(),
            messages: sealed_context,
            last_offsets: input.context.last_offsets.clone(),
        },
        shed: Shed::None,
        omitted: None,
        evidence: None,
        provenance: Provenance {
            topic: Cow::Borrowed(source.topic),
            partition: source.partition,
            offset: source.offset,
            timestamp: source.at.0,
            attempt: source.attempt,
            ruleset: Cow::Borrowed(&input.ruleset.hash),
            model: None,
            worker_version: Cow::Borrowed(worker_version),
            stream_epoch: Cow::Borrowed(epoch),
        },
    }
}

fn message<'a>(message: &'a Message<'_>) -> MessageMeta<'a> {
    MessageMeta {
        message_id: Cow::Borrowed(&message.message_id),
        sender_id: Cow::Borrowed(&message.sender.id),
        sent_at: time(&message.sent_at),
        edited_at: message.edited_at.as_deref().and_then(time),
        lang: message.lang.as_deref().and_then(code),
        attachments: message.attachments.iter().map(attachment).collect(),
    }
}

fn attachment<'a>(attachment: &'a Attachment<'_>) -> AttachmentMeta<'a> {
    AttachmentMeta {
        kind: code(&attachment.kind),
        hash: attachment.hash.as_deref().and_then(code),
        known: attachment.known.as_deref().and_then(code),
    }
}

fn report<'a>(report: &'a Report<'_>) -> ReportMeta<'a> {
    ReportMeta {
        report_id: Cow::Borrowed(&report.report_id),
        reporter_id: Cow::Borrowed(&report.reporter_id),
        reason: code(&report.reason),
        reported_at: time(&report.reported_at),
    }
}

/// Each account once: whoever wrote one of the messages is a sender.
fn parties<'a>(messages: &'a [Message<'_>]) -> Vec<PartyMeta<'a>> {
    let senders = messages
        .iter()
        .map(|message| (&message.sender, Role::Sender));
    let recipients = messages
        .iter()
        .flat_map(|message| &message.recipients)
        .map(|party| (party, Role::Recipient));
    let mut parties: Vec<PartyMeta<'a>> = Vec::with_capacity(2);
    // A flagged message names each party once, except where somebody writes to themselves; a
    // report repeats them, but has few.
    let mut seen = std::collections::HashSet::new();
    for (party, role) in senders.chain(recipients) {
        if seen.insert(&*party.id) {
            parties.push(self::party(party, role));
        }
    }
    parties
}

fn party<'a>(party: &'a Party<'_>, role: Role) -> PartyMeta<'a> {
    PartyMeta {
        id: Cow::Borrowed(&party.id),
        role,
        age_band: party.age_band,
        region: code(&party.region),
        account_age_days: party.account_age_days,
    }
}

fn reasons<'a>(input: &Input<'a, '_>) -> Vec<ReasonMeta<'a>> {
    let mut reasons = Vec::new();
    for (index, verdict) in (0..).zip(input.verdicts) {
        let found = verdict.reasons.iter();
        reasons.extend(found.filter_map(|reason| self::reason(input, index, reason)));
    }
    reasons
}

fn reason<'a>(input: &Input<'a, '_>, message: u32, reason: &Reason) -> Option<ReasonMeta<'a>> {
    let rule = input.ruleset.rule(reason.rule)?;
    Some(ReasonMeta {
        message,
        rule: Cow::Borrowed(&rule.id),
        version: Cow::Borrowed(&rule.version),
        policy: Cow::Borrowed(&rule.policy),
        title: Cow::Borrowed(&rule.title),
        severity: rule.severity,
        spans: reason.spans.iter().map(span).collect(),
    })
}

fn span(span: &Span) -> SpanMeta {
    SpanMeta {
        bytes: [span.bytes.start, span.bytes.end],
        chars: [span.chars.start, span.chars.end],
    }
}

/// A time in RFC 3339, UTC; what is before 1970 or after 9999 is the first or last that is not.
fn rfc3339(millis: i64) -> String {
    let time = Timestamp::from_millisecond(millis.max(0));
    time.unwrap_or(Timestamp::MAX).to_string()
}

/// What the platform wrote as a time, if it is one, from 1970 on.
fn time(text: &str) -> Option<Cow<'_, str>> {
    let time = match text.parse::<i64>() {
        Ok(millis) => Timestamp::from_millisecond(millis).ok()?,
        Err(_) => text.parse::<Timestamp>().ok()?,
    };
    (time >= Timestamp::UNIX_EPOCH).then(|| Cow::Owned(time.to_string()))
}

/// What the platform wrote as a code, if it looks like one: short printable ASCII without spaces.
/// Words that somebody typed have no place outside the seal.
fn code(text: &str) -> Option<Cow<'_, str>> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let is_code = (1..=128).contains(&text.len()) && text.bytes().all(plain);
    is_code.then_some(Cow::Borrowed(text))
}
