//! Every setting with its value and where it comes from.

use std::collections::BTreeMap;

use dmwatch_core::document::{Node, Origin, Place, Value};

use super::hidden::is_secret;

/// The merged settings, to show to a person.
#[derive(Debug, Clone)]
pub struct Explained {
    entries: Vec<Entry>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Its path (`stream.shards`).
    pub setting: String,
    /// Its value, in YAML of one line; of a secret, what hides it.
    pub value: String,
    /// `file:line:column`, `environment variable …`, `flag …` or `default`.
    pub origin: String,
    /// Whether nobody set it.
    pub is_default: bool,
}

impl Explained {
    pub(super) fn new(merged: &Node) -> Self {
        let mut entries = Vec::new();
        collect(merged, String::new(), &mut entries);
        Self { entries }
    }

    /// Every setting that has a value, section by section.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The first 12 hex digits of a SHA-256 over every value, secrets left out: two workers with
    /// the same hash work alike, wherever their values come from.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for entry in &self.entries {
            context.update(entry.setting.as_bytes());
            context.update(&[0]);
            context.update(entry.value.as_bytes());
            context.update(&[0]);
        }
        let digest = context.finish();
        let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        hex.take(6).collect()
    }
}

/// Where each setting was written, by path.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    pub(super) fn of(merged: &Node) -> Self {
        let mut places = BTreeMap::new();
        locate(merged, "", &mut places);
        Self(places)
    }

    /// The place of a setting (`topics.state`), or of a mapping or an item in a list
    /// (`regions.us`, `topics.messages[0]`).
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        let default = || Place::elsewhere(Origin::Default);
        self.0.get(path).cloned().unwrap_or_else(default)
    }
}

fn locate(node: &Node, path: &str, places: &mut BTreeMap<String, Place>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() {
                    key.name.clone()
                } else {
                    format!("{path}.{}", key.name)
                };
                let is_map = matches!(value.value, Value::Map(_));
                let place = if is_map { &key.place } else { &value.place };
                places.insert(path.clone(), place.clone());
                locate(value, &path, places);
            }
        }
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                places.insert(path.clone(), item.place.clone());
                locate(item, &path, places);
            }
        }
        _ => {}
    }
}

fn collect(node: &Node, path: String, entries: &mut Vec<Entry>) {
    if let Value::Map(map) = &node.value {
        for (key, value) in map {
            let path = if path.is_empty() {
                key.name.clone()
            } else {
                format!("{path}.{}", key.name)
            };
            collect(value, path, entries);
        }
        return;
    }
    let value = if is_secret(&path) {
        "(hidden)".to_owned()
    } else {
        one_line(node)
    };
    entries.push(Entry {
        setting: path,
        value,
        origin: node.place.to_string(),
        is_default: node.place.origin == Origin::Default,
    });
}

/// A value in YAML's flow style, as it could be given to `--set`.
fn one_line(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Str(value) => scalar(value),
        Value::Seq(items) => {
            let items: Vec<String> = items.iter().map(one_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries: Vec<String> = entries
                .map(|(key, value)| format!("{}: {}", scalar(&key.name), one_line(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':'))
        && !text.ends_with(':')
        && !matches!(
            super::shape::parse_value(text, &Origin::Default).map(|node| node.value),
            Ok(Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_)) | Err(_)
        );
    if is_plain {
        text.to_owned()
    } else {
        // A JSON string is a double-quoted scalar of YAML.
        serde_json::Value::from(text).to_string()
    }
}
