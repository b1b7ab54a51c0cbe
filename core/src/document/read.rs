//! Typed getters over [`Node`]: each says what it expected and what it found.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::parse::shown;
use super::suggest::closest;
use super::units::{format_duration, format_size, parse_duration, parse_size};
use super::{Fault, Faults, Key, Node, Place, Value};

impl Node {
    /// What was found, for a message: its kind, and a short value as written.
    #[must_use]
    pub fn found(&self) -> String {
        match &self.value {
            Value::Bool(value) => format!("`{value}`"),
            Value::Int(value) => format!("the number `{value}`"),
            Value::Float(value) => format!("the number `{value}`"),
            Value::Str(value) => shown(value),
            other => other.kind().to_owned(),
        }
    }

    /// A fault that says what was expected here and what was found.
    #[must_use]
    pub fn expected(&self, code: &'static str, expected: &str) -> Fault {
        let message = format!("expected {expected}, found {}", self.found());
        Fault::error(code, message, &self.place).label(format!("expected {expected}"))
    }

    fn wrong_type(&self, expected: &str, faults: &mut Faults) {
        faults.push(self.expected("wrong-type", expected));
    }

    /// Text that is not empty.
    pub fn string<'a>(&'a self, faults: &mut Faults) -> Option<&'a str> {
        match &self.value {
            Value::Str(text) if !text.trim().is_empty() => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                let fault = self.expected("wrong-type", "text");
                faults.push(fault.help("quote it if it is meant as text"));
                None
            }
            Value::Str(_) => {
                faults.push(self.expected("out-of-range", "text that is not empty"));
                None
            }
            _ => {
                self.wrong_type("text", faults);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        if let Value::Bool(value) = self.value {
            return Some(value);
        }
        let fault = self.expected("wrong-type", "`true` or `false`");
        let meant = match &self.value {
            Value::Str(text) => match text.to_lowercase().as_str() {
                "yes" | "y" | "on" => Some("true"),
                "no" | "n" | "off" => Some("false"),
                _ => None,
            },
            _ => None,
        };
        faults.push(fault.did_you_mean(meant));
        None
    }

    /// A whole number in a range.
    pub fn integer(&self, range: RangeInclusive<i64>, faults: &mut Faults) -> Option<i64> {
        let expected = if *range.end() == i64::MAX {
            format!("a whole number of at least {}", range.start())
        } else {
            format!("a whole number from {} to {}", range.start(), range.end())
        };
        match self.value {
            Value::Int(value) if range.contains(&value) => Some(value),
            Value::Int(_) => {
                faults.push(self.expected("out-of-range", &expected));
                None
            }
            _ => {
                self.wrong_type(&expected, faults);
                None
            }
        }
    }

    /// A number in a range; whole numbers count.
    pub fn number(&self, range: RangeInclusive<f64>, faults: &mut Faults) -> Option<f64> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let value = match self.value {
            Value::Float(value) => value,
            #[allow(clippy::cast_precision_loss, reason = "settings are small numbers")]
            Value::Int(value) => value as f64,
            _ => {
                self.wrong_type(&expected, faults);
                return None;
            }
        };
        if range.contains(&value) {
            return Some(value);
        }
        faults.push(self.expected("out-of-range", &expected));
        None
    }

    /// A duration with its unit: `15m`, `500ms`, `1h30m`.
    pub fn duration(&self, faults: &mut Faults) -> Option<Duration> {
        if let Value::Str(text) = &self.value
            && let Some(duration) = parse_duration(text)
        {
            return Some(duration);
        }
        let fault = self.expected("wrong-type", "a duration such as `15m`");
        faults.push(fault.help("units are `ms`, `s`, `m`, `h` and `d`, as in `500ms` or `1h30m`"));
        None
    }

    /// A duration in a range.
    pub fn duration_in(
        &self,
        range: RangeInclusive<Duration>,
        faults: &mut Faults,
    ) -> Option<Duration> {
        let duration = self.duration(faults)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let expected = format!(
            "a duration from {} to {}",
            format_duration(*range.start()),
            format_duration(*range.end())
        );
        faults.push(self.expected("out-of-range", &expected));
        None
    }

    /// A size in bytes with its unit: `1MiB`, `64KiB`.
    pub fn size(&self, faults: &mut Faults) -> Option<u64> {
        if let Value::Str(text) = &self.value
            && let Some(size) = parse_size(text)
        {
            return Some(size);
        }
        let fault = self.expected("wrong-type", "a size such as `1MiB`");
        faults.push(fault.help("units are `B`, `KiB`, `MiB`, `GiB`, `KB`, `MB` and `GB`"));
        None
    }

    /// A size in a range of bytes.
    pub fn size_in(&self, range: RangeInclusive<u64>, faults: &mut Faults) -> Option<u64> {
        let size = self.size(faults)?;
        if range.contains(&size) {
            return Some(size);
        }
        let (least, most) = (format_size(*range.start()), format_size(*range.end()));
        let expected = format!("a size from {least} to {most}");
        faults.push(self.expected("out-of-range", &expected));
        None
    }

    /// One of a closed list of words, each with what it stands for.
    pub fn one_of<T: Clone>(&self, words: &[(&str, T)], faults: &mut Faults) -> Option<T> {
        let names: Vec<String> = words.iter().map(|(name, _)| format!("`{name}`")).collect();
        let expected = format!("one of {}", names.join(", "));
        let Value::Str(text) = &self.value else {
            self.wrong_type(&expected, faults);
            return None;
        };
        if let Some((_, value)) = words.iter().find(|(name, _)| name == text) {
            return Some(value.clone());
        }
        let suggestion = closest(text, words.iter().map(|(name, _)| *name));
        faults.push(
            self.expected("unknown-value", &expected)
                .did_you_mean(suggestion),
        );
        None
    }

    /// A list.
    pub fn list<'a>(&'a self, faults: &mut Faults) -> Option<&'a [Node]> {
        if let Value::Seq(nodes) = &self.value {
            return Some(nodes);
        }
        let fault = self.expected("wrong-type", "a list");
        faults.push(fault.help("write `[one, two]`, or one `- item` a line"));
        None
    }

    /// A list of text, each with its node (for its place). Items that are wrong are left out.
    pub fn strings<'a>(&'a self, faults: &mut Faults) -> Option<Vec<(&'a str, &'a Node)>> {
        let nodes = self.list(faults)?;
        let texts = nodes.iter();
        Some(
            texts
                .filter_map(|node| node.string(faults).map(|text| (text, node)))
                .collect(),
        )
    }

    /// Items that are each one of a closed list of words. Items that are wrong are left out.
    pub fn list_of<T: Clone>(&self, words: &[(&str, T)], faults: &mut Faults) -> Option<Vec<T>> {
        let nodes = self.list(faults)?;
        Some(
            nodes
                .iter()
                .filter_map(|node| node.one_of(words, faults))
                .collect(),
        )
    }

    /// A mapping, to be read key by key.
    pub fn map<'a>(&'a self, faults: &mut Faults) -> Option<MapReader<'a>> {
        if let Value::Map(entries) = &self.value {
            return Some(MapReader {
                place: &self.place,
                entries,
                known: Vec::new(),
            });
        }
        self.wrong_type("a mapping (`key: value`)", faults);
        None
    }
}

/// Reads a mapping key by key, and reports the keys that nobody asked for.
pub struct MapReader<'a> {
    place: &'a Place,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'a> MapReader<'a> {
    /// The mapping's own place.
    #[must_use]
    pub fn place(&self) -> &'a Place {
        self.place
    }

    /// Every entry, in the order written. For mappings whose keys are names given by the user;
    /// such a reader needs no [`MapReader::finish`].
    #[must_use]
    pub fn entries(&self) -> &'a [(Key, Node)] {
        self.entries
    }

    /// The value of a key that may be missing. A key without a value (`key:`) counts as missing.
    pub fn optional(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.entries
            .iter()
            .find(|(entry, _)| entry.name == key)
            .map(|(_, node)| node)
            .filter(|node| node.value != Value::Null)
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str, faults: &mut Faults) -> Option<&'a Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|(entry, _)| entry.name == key);
        match entry {
            Some((_, node)) if node.value != Value::Null => Some(node),
            Some((entry, _)) => {
                let message = format!("`{key}` has no value");
                let fault = Fault::error("missing-key", message, &entry.place);
                faults.push(fault.label("a value is required"));
                None
            }
            None => {
                let fault = Fault::error("missing-key", format!("`{key}` is missing"), self.place);
                faults.push(fault.label(format!("`{key}` is required in this mapping")));
                None
            }
        }
    }

    /// Whether the key was written, with or without a value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(entry, _)| entry.name == key)
    }

    /// The key's own place, if it was written.
    #[must_use]
    pub fn key(&self, key: &str) -> Option<&'a Key> {
        self.entries
            .iter()
            .map(|(entry, _)| entry)
            .find(|entry| entry.name == key)
    }

    /// Reports every key that was not asked for.
    pub fn finish(self, faults: &mut Faults) {
        for (key, _) in self.entries {
            if self.known.contains(&key.name.as_str()) {
                continue;
            }
            let message = format!("unknown key {}", shown(&key.name));
            let fault = Fault::error("unknown-key", message, &key.place).label("unknown key");
            // A key that is already there cannot be what was meant.
            let free = self.known.iter().copied().filter(|known| !self.has(known));
            let fault = match closest(&key.name, free) {
                Some(suggestion) => fault.did_you_mean(Some(suggestion)),
                None => fault.help(known_keys(&self.known)),
            };
            faults.push(fault);
        }
    }
}

fn known_keys(known: &[&str]) -> String {
    let names: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    format!("known keys are {}", names.join(", "))
}
