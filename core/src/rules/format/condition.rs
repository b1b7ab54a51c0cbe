//! `when` and `unless`.

use super::super::condition::{Condition, Fact, Rate};
use super::{Reader, facts, patterns, regexes};
use crate::document::{Fault, Faults, Key, Node, Value, closest};
use crate::message::Millis;

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest window of a `rate`: conversation state is kept that long.
const MAX_WINDOW: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
/// Largest count of a `rate`; see [`crate::conversation::Store`] for what it bounds.
pub const MAX_RATE: i64 = 1_000;

/// Every key that a condition can have.
const KEYS: [&str; 14] = [
    "all",
    "any",
    "not",
    "count",
    "phrases",
    "regex",
    "sender",
    "recipient",
    "pair",
    "first_contact",
    "region",
    "lang",
    "attachments",
    "length",
];
const RATE: &str = "rate";
/// Conditions on what only the classifier can tell.
const CLASSIFIER: [&str; 4] = ["model", "score", "cue", "risk"];
/// What people write who come from other tools.
const OTHER_NAMES: [(&str, &str); 11] = [
    ("and", "all"),
    ("or", "any"),
    ("none", "not"),
    ("keywords", "phrases"),
    ("words", "phrases"),
    ("contains", "phrases"),
    ("pattern", "regex"),
    ("country", "region"),
    ("language", "lang"),
    ("from", "sender"),
    ("to", "recipient"),
];

/// Reads one condition: a mapping with one key.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>, faults: &mut Faults) -> Option<Condition> {
    let Value::Map(entries) = &node.value else {
        let fault = node.expected("condition", "a condition such as `phrases: [...]`");
        let help = match node.value {
            Value::Seq(_) => "put the list under `all` or `any`",
            _ => "a condition is a mapping with one key, as in `all: [...]` or `regex: '...'`",
        };
        faults.push(fault.help(help));
        return None;
    };
    let mut conditions = Vec::new();
    for (key, value) in entries {
        conditions.push(one(key, value, reader, faults));
    }
    match (conditions.len(), entries.get(1)) {
        (0, _) => {
            faults.push(Fault::error(
                "condition",
                "expected a condition, found an empty mapping",
                &node.place,
            ));
            None
        }
        (1, _) => conditions.pop().flatten(),
        (_, second) => {
            let place = second.map_or(&node.place, |(key, _)| &key.place);
            let names: Vec<_> = entries
                .iter()
                .map(|(key, _)| format!("`{}`", key.name))
                .collect();
            let message = format!("expected one condition, found {}", names.join(" and "));
            let fault = Fault::error("condition", message, place).label("a second condition");
            faults.push(fault.help("put them into a list under `all`, each with a dash"));
            None
        }
    }
}

fn one(key: &Key, value: &Node, reader: &mut Reader<'_>, faults: &mut Faults) -> Option<Condition> {
    match key.name.as_str() {
        "all" => several(key, value, reader, faults).map(Condition::All),
        "any" => several(key, value, reader, faults).map(Condition::Any),
        "not" => not(value, reader, faults),
        "count" => count(value, reader, faults),
        "phrases" => patterns::phrases(value, reader, faults),
        "regex" => regexes::regex(value, faults),
        "rate" => rate(key, value, reader, faults),
        "sender" => facts::party(value, faults)
            .map(Fact::Sender)
            .map(Condition::Fact),
        "recipient" => facts::party(value, faults)
            .map(Fact::Recipient)
            .map(Condition::Fact),
        "pair" => {
            let words = [("minor_adult", Fact::MinorWithAdult)];
            value.one_of(&words, faults).map(Condition::Fact)
        }
        "first_contact" => value
            .boolean(faults)
            .map(Fact::FirstContact)
            .map(Condition::Fact),
        "region" => facts::names(value, faults)
            .map(Fact::Region)
            .map(Condition::Fact),
        "lang" => facts::names(value, faults)
            .map(Fact::Lang)
            .map(Condition::Fact),
        "attachments" => facts::attachments(value, faults).map(Condition::Fact),
        "length" => facts::length(value, faults).map(Condition::Fact),
        name => {
            faults.push(unknown(name, key));
            None
        }
    }
}

fn unknown(name: &str, key: &Key) -> Fault {
    if CLASSIFIER.contains(&name) {
        let message = format!("`{name}` needs the classifier, which this build does not have");
        return Fault::error("needs-classifier", message, &key.place)
            .label("cannot be evaluated")
            .help(
                "use phrases, regex and facts, or keep the rule for when the classifier is there",
            );
    }
    let message = format!("unknown condition `{name}`");
    let other = OTHER_NAMES
        .iter()
        .find(|(from, _)| *from == name)
        .map(|(_, to)| *to);
    let meant = other.or_else(|| closest(name, KEYS.into_iter().chain([RATE])));
    let fault = Fault::error("unknown-condition", message, &key.place).label("unknown condition");
    match meant {
        Some(_) => fault.did_you_mean(meant),
        None => fault.help(format!("conditions are: {}, {RATE}", KEYS.join(", "))),
    }
}

fn several(
    key: &Key,
    value: &Node,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> Option<Vec<Condition>> {
    let nodes = value.list(faults)?;
    if nodes.is_empty() {
        let message = format!(
            "expected at least one condition under `{}`, found none",
            key.name
        );
        faults.push(Fault::error("condition", message, &value.place));
        return None;
    }
    let conditions: Vec<_> = nodes
        .iter()
        .filter_map(|node| read(node, reader, faults))
        .collect();
    (conditions.len() == nodes.len()).then_some(conditions)
}

fn not(value: &Node, reader: &mut Reader<'_>, faults: &mut Faults) -> Option<Condition> {
    if let Value::Seq(_) = value.value {
        let fault = value.expected("condition", "one condition");
        faults.push(
            fault.help(
                "write `not: {any: [...]}` for none of them, `not: {all: [...]}` for not all",
            ),
        );
        return None;
    }
    Some(Condition::Not(Box::new(read(value, reader, faults)?)))
}

fn count(value: &Node, reader: &mut Reader<'_>, faults: &mut Faults) -> Option<Condition> {
    let mut map = value.map(faults)?;
    let list = map.required("of", faults);
    let listed = list.and_then(|node| match &node.value {
        Value::Seq(nodes) => i64::try_from(nodes.len()).ok(),
        _ => None,
    });
    let at_least = map
        .required("at_least", faults)
        .and_then(|node| node.integer(1..=listed.unwrap_or(i64::MAX).max(1), faults));
    let key = map.key("of").cloned();
    map.finish(faults);
    let of = several(&key?, list?, reader, faults)?;
    Some(Condition::Count {
        of,
        at_least: usize::try_from(at_least?).ok()?,
    })
}

fn rate(
    key: &Key,
    value: &Node,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> Option<Condition> {
    if reader.counters > 0 {
        let message = "a `rate` inside of a `rate` cannot be counted";
        faults.push(
            Fault::error("nested-rate", message, &key.place).label("inside of another `rate`"),
        );
        return None;
    }
    let mut map = value.map(faults)?;
    let of = map.required("of", faults);
    let at_least = map
        .required("at_least", faults)
        .and_then(|node| node.integer(2..=MAX_RATE, faults));
    let within = map
        .required("within", faults)
        .and_then(|node| node.duration_in(SECOND..=MAX_WINDOW, faults));
    map.finish(faults);
    reader.counters += 1;
    let inner = of.and_then(|node| read(node, reader, faults));
    reader.counters -= 1;
    let inner = inner?;
    if let Some(node) = of
        && !inner.needs_a_pattern()
    {
        let message = "this `rate` counts messages whatever their text: each becomes a record of conversation state";
        let fault = Fault::warning("broad-rate", message, &node.place)
            .label("true without any phrase or regex");
        faults.push(fault.help("add `phrases` or a `regex` to what is counted"));
    }
    Some(Condition::Rate(Rate {
        of: Box::new(inner),
        at_least: usize::try_from(at_least?).ok()?,
        within: Millis(i64::try_from(within?.as_millis()).ok()?),
    }))
}
