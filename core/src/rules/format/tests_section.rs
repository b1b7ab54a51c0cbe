//! `tests` of a rule.

use smallvec::SmallVec;

use super::super::testing::{TestConversation, TestMessage, Tests, Turn};
use super::facts;
use crate::document::{Fault, Faults, Node, Value};
use crate::message::{AgeBand, Attachment, Message, MessageText, Millis, Party};

/// Longest pause between two turns.
const MAX_PAUSE: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);
/// Most turns of a conversation, with those that `times` stands for.
const MAX_TURNS: usize = 2_000;

pub(super) fn read(node: &Node, faults: &mut Faults) -> Tests {
    let Some(mut map) = node.map(faults) else {
        return Tests::default();
    };
    let messages = |node: Option<&Node>, faults: &mut Faults| {
        let nodes = node.and_then(|node| node.list(faults)).unwrap_or_default();
        nodes
            .iter()
            .filter_map(|node| message(node, faults))
            .collect()
    };
    let matches = messages(map.optional("match"), faults);
    let no_matches = messages(map.optional("no_match"), faults);
    let conversations = map
        .optional("conversations")
        .and_then(|node| node.list(faults));
    let conversations = conversations.unwrap_or_default();
    let conversations = conversations
        .iter()
        .filter_map(|node| conversation(node, faults))
        .collect();
    map.finish(faults);
    Tests {
        matches,
        no_matches,
        conversations,
    }
}

/// A text, or a mapping with a text and facts. From an adult to an adult unless it says otherwise.
fn message(node: &Node, faults: &mut Faults) -> Option<TestMessage> {
    if let Value::Str(text) = &node.value {
        return Some(TestMessage {
            message: plain(text),
            place: node.place.clone(),
        });
    }
    if !matches!(node.value, Value::Map(_)) {
        faults.push(node.expected("wrong-type", "a text, or a mapping with `text`"));
        return None;
    }
    let errors = faults.errors();
    let mut map = node.map(faults)?;
    let mut message = plain(
        map.required("text", faults)
            .and_then(|node| text(node, faults))?,
    );
    if let Some(node) = map.optional("sender") {
        message.sender = party(node, "sender", faults)?;
    }
    if let Some(node) = map.optional("recipient") {
        message.recipients = SmallVec::from_iter([party(node, "recipient", faults)?]);
    }
    if let Some(node) = map.optional("recipients") {
        let nodes = node.list(faults)?;
        message.recipients = nodes
            .iter()
            .filter_map(|node| party(node, "recipient", faults))
            .collect();
        if nodes.is_empty() {
            faults.push(Fault::error(
                "empty-list",
                "expected at least one recipient",
                &node.place,
            ));
        }
    }
    message.first_contact = map
        .optional("first_contact")
        .and_then(|node| node.boolean(faults));
    message.lang = map
        .optional("lang")
        .and_then(|node| node.string(faults))
        .map(|lang| lang.to_owned().into());
    let attachments = map
        .optional("attachments")
        .and_then(|node| node.list(faults));
    let attachments = attachments.unwrap_or_default().iter();
    message.attachments = attachments
        .filter_map(|node| attachment(node, faults))
        .collect();
    map.finish(faults);
    (faults.errors() == errors).then(|| TestMessage {
        message,
        place: node.place.clone(),
    })
}

/// Any text, also the empty one.
fn text<'n>(node: &'n Node, faults: &mut Faults) -> Option<&'n str> {
    match &node.value {
        Value::Str(text) => Some(text),
        _ => node.string(faults),
    }
}

fn plain(text: &str) -> Message<'static> {
    Message {
        message_id: "m".into(),
        conversation_id: "c".into(),
        sent_at: "0".into(),
        text: MessageText::new(text.to_owned()),
        sender: adult("sender"),
        recipients: SmallVec::from_iter([adult("recipient")]),
        first_contact: None,
        lang: None,
        edited_at: None,
        attachments: SmallVec::new(),
    }
}

fn adult(id: &str) -> Party<'static> {
    Party {
        id: id.to_owned().into(),
        age_band: AgeBand::Adult,
        region: "".into(),
        account_age_days: None,
    }
}

fn party(node: &Node, id: &str, faults: &mut Faults) -> Option<Party<'static>> {
    let errors = faults.errors();
    let mut party = adult(id);
    let mut map = node.map(faults)?;
    if let Some(id) = map.optional("id").and_then(|node| node.string(faults)) {
        party.id = id.to_owned().into();
    }
    if let Some(band) = map
        .optional("age_band")
        .and_then(|node| node.one_of(&facts::bands(), faults))
    {
        party.age_band = band;
    }
    if let Some(region) = map.optional("region").and_then(|node| node.string(faults)) {
        party.region = region.to_owned().into();
    }
    let days = map
        .optional("account_age_days")
        .and_then(|node| node.integer(0..=100_000, faults));
    party.account_age_days = days.and_then(|days| u32::try_from(days).ok());
    map.finish(faults);
    (faults.errors() == errors).then_some(party)
}

fn attachment(node: &Node, faults: &mut Faults) -> Option<Attachment<'static>> {
    let mut map = node.map(faults)?;
    let kind = map
        .required("kind", faults)
        .and_then(|node| node.string(faults));
    let hash = map.optional("hash").and_then(|node| node.string(faults));
    let known = map.optional("match").and_then(|node| node.string(faults));
    map.finish(faults);
    Some(Attachment {
        kind: kind?.to_owned().into(),
        hash: hash.map(|hash| hash.to_owned().into()),
        known: known.map(|known| known.to_owned().into()),
    })
}

fn conversation(node: &Node, faults: &mut Faults) -> Option<TestConversation> {
    let errors = faults.errors();
    let mut map = node.map(faults)?;
    let parties = map.optional("parties").and_then(|node| node.map(faults));
    let parties = parties.map_or(&[][..], |map| map.entries()).iter();
    let parties: Vec<_> = parties
        .filter_map(|(key, node)| {
            party(node, &key.name, faults).map(|party| (key.name.as_str(), party))
        })
        .collect();
    let nodes = map
        .required("turns", faults)
        .and_then(|node| node.list(faults))
        .unwrap_or_default();
    let mut turns = Vec::new();
    for node in nodes.iter().take(MAX_TURNS) {
        turn(node, &parties, &mut turns, faults);
    }
    let fires_at = map
        .required("fires_at", faults)
        .and_then(|node| fires_at(node, turns.len(), faults));
    map.finish(faults);
    if faults.errors() > errors {
        return None;
    }
    if turns.is_empty() {
        faults.push(Fault::error(
            "empty-list",
            "expected at least one turn",
            &node.place,
        ));
        return None;
    }
    Some(TestConversation {
        turns,
        fires_at: fires_at?,
        place: node.place.clone(),
    })
}

/// The number of the first turn at which the rule fires, from 1; or `never`.
fn fires_at(node: &Node, turns: usize, faults: &mut Faults) -> Option<Option<usize>> {
    if node.value == Value::Str("never".to_owned()) {
        return Some(None);
    }
    if let Value::Str(_) = node.value {
        faults.push(node.expected("wrong-type", "the number of a turn, or `never`"));
        return None;
    }
    let last = i64::try_from(turns).unwrap_or(i64::MAX).max(1);
    let turn = node.integer(1..=last, faults)?;
    usize::try_from(turn).ok().map(Some)
}

/// `{from: a, text: "…", after: 5m, times: 3}`: with `times`, the same again, each `after` later.
fn turn(
    node: &Node,
    parties: &[(&str, Party<'static>)],
    turns: &mut Vec<Turn>,
    faults: &mut Faults,
) {
    let Some(mut map) = node.map(faults) else {
        return;
    };
    let from = map
        .required("from", faults)
        .and_then(|node| node.string(faults));
    let text = map
        .required("text", faults)
        .and_then(|node| text(node, faults));
    let zero = std::time::Duration::ZERO;
    let after = map
        .optional("after")
        .and_then(|node| node.duration_in(zero..=MAX_PAUSE, faults));
    let left = i64::try_from(MAX_TURNS - turns.len().min(MAX_TURNS)).unwrap_or(0);
    let times = map
        .optional("times")
        .and_then(|node| node.integer(1..=left, faults));
    map.finish(faults);
    let (Some(from), Some(text)) = (from, text) else {
        return;
    };
    let named = |name: &str| {
        parties
            .iter()
            .find(|(party, _)| *party == name)
            .map(|(_, party)| party.clone())
    };
    let mut message = plain(text);
    message.sender = named(from).unwrap_or_else(|| adult(from));
    // Everybody else who is named hears it; of two parties that are not described, the other one.
    let others: SmallVec<[_; 1]> = parties
        .iter()
        .filter(|(name, _)| *name != from)
        .map(|(_, party)| party.clone())
        .collect();
    if !others.is_empty() {
        message.recipients = others;
    }
    let after = after.map_or(0, |after| {
        i64::try_from(after.as_millis()).unwrap_or(i64::MAX)
    });
    for _ in 0..times.unwrap_or(1) {
        turns.push(Turn {
            message: message.clone(),
            after: Millis(after),
        });
    }
}
