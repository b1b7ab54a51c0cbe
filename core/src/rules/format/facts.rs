//! Conditions on facts: parties, attachments, length.

use super::super::condition::{AttachmentFacts, Fact, KnownList, PartyFacts};
use crate::document::{Fault, Faults, Node, Value};
use crate::message::AgeBand;

/// Longest length that a rule may ask for, in characters.
const MAX_LENGTH: i64 = 10_000_000;

pub(super) fn bands() -> [(&'static str, AgeBand); 5] {
    AgeBand::ALL.map(|band| (band.as_str(), band))
}

/// One name or a list of names.
pub(super) fn names(node: &Node, faults: &mut Faults) -> Option<Vec<Box<str>>> {
    let names = match &node.value {
        Value::Seq(_) => node
            .strings(faults)?
            .into_iter()
            .map(|(name, _)| name.trim().into())
            .collect(),
        _ => vec![node.string(faults)?.trim().into()],
    };
    not_empty(names, node, faults)
}

fn not_empty<T>(list: Vec<T>, node: &Node, faults: &mut Faults) -> Option<Vec<T>> {
    if list.is_empty() {
        if matches!(&node.value, Value::Seq(nodes) if nodes.is_empty()) {
            faults.push(Fault::error(
                "empty-list",
                "expected at least one name, found none",
                &node.place,
            ));
        }
        return None;
    }
    Some(list)
}

/// `sender` and `recipient`.
pub(super) fn party(node: &Node, faults: &mut Faults) -> Option<PartyFacts> {
    let errors = faults.errors();
    let mut map = node.map(faults)?;
    let age_band = map.optional("age_band").and_then(|node| {
        let bands = match &node.value {
            Value::Seq(_) => node.list_of(&bands(), faults)?,
            _ => vec![node.one_of(&bands(), faults)?],
        };
        not_empty(bands, node, faults)
    });
    let region = map.optional("region").and_then(|node| names(node, faults));
    let account_age = map.optional("account_age_days").and_then(|node| {
        let mut map = node.map(faults)?;
        let days = map.required("less_than", faults);
        let days = days.and_then(|node| node.integer(1..=100_000, faults));
        map.finish(faults);
        u32::try_from(days?).ok()
    });
    let facts = PartyFacts {
        age_band: age_band.unwrap_or_default(),
        region: region.unwrap_or_default(),
        account_age_days_less_than: account_age,
    };
    map.finish(faults);
    given(
        facts != PartyFacts::default(),
        errors,
        "`age_band`, `region` or `account_age_days`",
        node,
        faults,
    )?;
    Some(facts)
}

/// `attachments`.
pub(super) fn attachments(node: &Node, faults: &mut Faults) -> Option<Fact> {
    let errors = faults.errors();
    let mut map = node.map(faults)?;
    let kind = map.optional("kind").and_then(|node| names(node, faults));
    let known = map.optional("match").and_then(|node| match &node.value {
        Value::Bool(true) => Some(KnownList::Any),
        Value::Bool(false) => {
            let expected = "`true` (on any list) or names of lists";
            faults.push(
                node.expected("wrong-type", expected)
                    .help("put it under `not` for the opposite"),
            );
            None
        }
        _ => names(node, faults).map(KnownList::OneOf),
    });
    map.finish(faults);
    let facts = AttachmentFacts {
        kind: kind.unwrap_or_default(),
        known,
    };
    given(
        facts != AttachmentFacts::default(),
        errors,
        "`kind` or `match`",
        node,
        faults,
    )?;
    Some(Fact::Attachment(facts))
}

/// `length`, in characters.
pub(super) fn length(node: &Node, faults: &mut Faults) -> Option<Fact> {
    let errors = faults.errors();
    let mut map = node.map(faults)?;
    let at_least = map
        .optional("at_least")
        .and_then(|node| node.integer(1..=MAX_LENGTH, faults));
    let least = at_least.unwrap_or(0);
    let at_most = map
        .optional("at_most")
        .and_then(|node| node.integer(least..=MAX_LENGTH, faults));
    map.finish(faults);
    given(
        at_least.is_some() || at_most.is_some(),
        errors,
        "`at_least` or `at_most`",
        node,
        faults,
    )?;
    let size = |length: i64| usize::try_from(length).ok();
    Some(Fact::Length {
        at_least: at_least.and_then(size),
        at_most: at_most.and_then(size),
    })
}

/// Whether something was given and nothing was wrong; otherwise says what could be given.
fn given(any: bool, errors: usize, expected: &str, node: &Node, faults: &mut Faults) -> Option<()> {
    if faults.errors() > errors {
        return None;
    }
    if !any {
        let message = format!("expected {expected}, found an empty mapping");
        faults.push(Fault::error("condition", message, &node.place).label("holds of everything"));
        return None;
    }
    Some(())
}
