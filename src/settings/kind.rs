//! What each kind of setting accepts.

use std::ops::RangeInclusive;
use std::time::Duration;

use dmwatch_core::document::{
    Fault, Faults, Node, Origin, Place, Value, parse_duration, parse_size,
};

use super::shape::parse_value;
use super::table::Kind;

/// Says what is wrong with a value, if anything is.
pub(super) fn check(kind: Kind, node: &Node, faults: &mut Faults) {
    match kind {
        Kind::Text | Kind::Path | Kind::SecretPath => {
            let _text = node.string(faults);
        }
        Kind::TextList(least) => {
            let found = node.strings(faults);
            let items = match &node.value {
                Value::Seq(items) => items.len(),
                _ => usize::MAX,
            };
            if found.is_some() && items < least {
                let message = format!("expected a list of at least {least}, found one of {items}");
                faults.push(Fault::error("out-of-range", message, &node.place));
            }
        }
        Kind::Boolean => {
            let _boolean = node.boolean(faults);
        }
        Kind::Integer(least, most) => {
            let _integer = node.integer(least..=most, faults);
        }
        Kind::Number(least, most) => {
            let _number = node.number(least..=most, faults);
        }
        Kind::Duration(least, most) => {
            let _duration = node.duration_in(duration_range(least, most), faults);
        }
        Kind::Size(least, most) => {
            let _size = node.size_in(size_range(least, most), faults);
        }
        Kind::OneOf(words) => {
            let _word = node.one_of(&pairs(words), faults);
        }
        Kind::ListOf(words) => {
            let _words = node.list_of(&pairs(words), faults);
        }
        Kind::Scalar => {
            if scalar(node).is_none() {
                faults.push(node.expected("wrong-type", "text, a number, `true` or `false`"));
            }
        }
        // Read where regions are resolved.
        Kind::Precedence => {
            let _steps = node.list(faults);
        }
    }
}

/// The words of a list, each standing for itself.
pub(super) fn pairs(words: &'static [&'static str]) -> Vec<(&'static str, &'static str)> {
    words.iter().map(|word| (*word, *word)).collect()
}

/// A scalar as text.
pub(super) fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Str(value) => Some(value.clone()),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    }
}

fn duration_range(least: &str, most: &str) -> RangeInclusive<Duration> {
    // The table's own bounds are valid: a test reads every one.
    let read = |text| parse_duration(text).unwrap_or(Duration::MAX);
    read(least)..=read(most)
}

fn size_range(least: &str, most: &str) -> RangeInclusive<u64> {
    let read = |text| parse_size(text).unwrap_or(u64::MAX);
    read(least)..=read(most)
}

/// The value that an environment variable or a flag gives. Their values are bare text, so what
/// they mean depends on what the setting takes.
pub(super) fn from_text(kind: Kind, text: &str, origin: &Origin) -> Node {
    let node = |value| Node {
        value,
        place: Place::elsewhere(origin.clone()),
    };
    match kind {
        Kind::Boolean | Kind::Integer(..) | Kind::Number(..) => parse_value(text.trim(), origin)
            .ok()
            .filter(|parsed| !matches!(parsed.value, Value::Seq(_) | Value::Map(_)))
            .unwrap_or_else(|| node(Value::Str(text.to_owned()))),
        Kind::TextList(_) | Kind::ListOf(_) if !text.trim_start().starts_with('[') => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            let items = items.map(|item| node(Value::Str(item.to_owned())));
            node(Value::Seq(items.collect()))
        }
        Kind::TextList(_) | Kind::ListOf(_) | Kind::Precedence => {
            parse_value(text, origin).unwrap_or_else(|_| node(Value::Str(text.to_owned())))
        }
        _ => node(Value::Str(text.to_owned())),
    }
}

/// For `docs/settings.md`.
pub(super) fn describe(kind: Kind) -> String {
    let words = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        words.join(", ")
    };
    match kind {
        Kind::Text => "text".into(),
        Kind::TextList(_) => "list of texts".into(),
        Kind::Boolean => "`true` or `false`".into(),
        Kind::Integer(least, most) => format!("whole number, {least} to {most}"),
        Kind::Number(least, most) => format!("number, {least} to {most}"),
        Kind::Duration(least, most) => format!("duration, `{least}` to `{most}`"),
        Kind::Size(least, most) => format!("size, `{least}` to `{most}`"),
        Kind::OneOf(list) => format!("one of {}", words(list)),
        Kind::ListOf(list) => format!("list of {}", words(list)),
        Kind::Path => "path".into(),
        Kind::SecretPath => "path of a file with a secret".into(),
        Kind::Scalar => "text, number, `true` or `false`".into(),
        Kind::Precedence => "list of steps".into(),
    }
}
