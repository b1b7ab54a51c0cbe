//! The table of settings as a tree, and what it says about a document.

use std::sync::Arc;

use dmwatch_core::document::{Fault, Faults, Key, Node, Origin, Place, Source, Value, closest};
use dmwatch_core::message::Field;

use super::kind;
use super::needs::Needs;
use super::table::{AGE_BANDS, Presence, SETTINGS, Setting};

/// What may stand at a path.
#[derive(Debug)]
pub(super) enum Shape {
    /// One setting.
    Leaf(&'static Setting),
    /// A mapping with known keys.
    Section(Vec<(&'static str, Shape)>),
    /// A mapping with keys of the user's choice.
    Map(MapKey, Box<Shape>),
    /// A list of mappings.
    List(Box<Shape>),
}

/// What the keys of a mapping name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapKey {
    /// Regions, queues, policies: lower case with `-`.
    Name,
    /// Properties of librdkafka: with dots.
    Property,
    /// Fields of a message: with dots.
    Field,
    /// Age bands.
    AgeBand,
}

impl MapKey {
    fn of(segment: &str) -> Option<Self> {
        match segment {
            "<region>" | "<queue>" | "<policy>" => Some(MapKey::Name),
            "<property>" => Some(MapKey::Property),
            "<field>" => Some(MapKey::Field),
            "<age_band>" => Some(MapKey::AgeBand),
            _ => None,
        }
    }

    /// The keys there are, where they are a closed list.
    fn known(self) -> Option<Vec<&'static str>> {
        match self {
            MapKey::Field => Some(Field::ALL.iter().map(|field| field.name()).collect()),
            MapKey::AgeBand => Some(AGE_BANDS.to_vec()),
            MapKey::Name | MapKey::Property => None,
        }
    }

    /// The key that an environment variable means, whose names have neither `-` nor `.`.
    pub(super) fn key_of_variable(self, text: &str) -> String {
        let text = text.to_lowercase();
        match self {
            MapKey::Name => text.replace('_', "-"),
            MapKey::Property => text.replace('_', "."),
            MapKey::AgeBand => text,
            MapKey::Field => {
                let same = |name: &&str| name.replace('.', "_") == text;
                let known = Field::ALL.iter().map(|field| field.name());
                known.clone().find(same).map_or(text, str::to_owned)
            }
        }
    }
}

impl Shape {
    /// The whole tree.
    pub(super) fn of_all() -> Self {
        let mut root = Shape::Section(Vec::new());
        for setting in SETTINGS {
            let segments: Vec<&'static str> = setting.path.split('.').collect();
            root.insert(&segments, setting);
        }
        root
    }

    fn insert(&mut self, segments: &[&'static str], setting: &'static Setting) {
        let Some((segment, rest)) = segments.split_first() else {
            return;
        };
        let (name, is_list) = match segment.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (*segment, false),
        };
        let child = match self {
            Shape::Section(fields) => {
                let at = fields.iter().position(|(field, _)| *field == name);
                let at = at.unwrap_or_else(|| {
                    fields.push((name, Shape::empty(rest, is_list, setting)));
                    fields.len() - 1
                });
                &mut fields[at].1
            }
            // The key's own segment: what follows is inside of it.
            Shape::Map(_, value) | Shape::List(value) => value,
            Shape::Leaf(_) => return,
        };
        let child = match child {
            Shape::List(item) if is_list => item,
            other => other,
        };
        child.insert(rest, setting);
    }

    /// What a segment starts, seen from what follows it.
    fn empty(rest: &[&'static str], is_list: bool, setting: &'static Setting) -> Self {
        let inner = match rest.first() {
            None => Shape::Leaf(setting),
            Some(next) => match MapKey::of(next) {
                Some(key) => Shape::Map(key, Box::new(Shape::empty(&rest[1..], false, setting))),
                None => Shape::Section(Vec::new()),
            },
        };
        if is_list {
            Shape::List(Box::new(inner))
        } else {
            inner
        }
    }

    /// Checks a layer against the table: unknown keys, types, ranges.
    pub(super) fn check(&self, node: &Node, faults: &mut Faults) {
        if node.value == Value::Null {
            return;
        }
        match self {
            Shape::Leaf(setting) => kind::check(setting.kind, node, faults),
            Shape::Section(fields) => {
                let Some(map) = node.map(faults) else { return };
                for (key, value) in map.entries() {
                    match fields.iter().find(|(name, _)| *name == key.name) {
                        Some((_, shape)) => shape.check(value, faults),
                        None => faults.push(unknown(key, fields)),
                    }
                }
            }
            Shape::Map(of, shape) => {
                let Some(map) = node.map(faults) else { return };
                for (key, value) in map.entries() {
                    if let Some(known) = of.known()
                        && !known.contains(&key.name.as_str())
                    {
                        let message = format!("unknown key `{}`", shortened(&key.name));
                        let fault = Fault::error("unknown-key", message, &key.place);
                        let fault = match closest(&key.name, known.iter().copied()) {
                            Some(near) => fault.did_you_mean(Some(near)),
                            None => fault.help(format!("known keys are {}", quoted(&known))),
                        };
                        faults.push(fault.label("unknown key"));
                        continue;
                    }
                    shape.check(value, faults);
                }
            }
            Shape::List(shape) => {
                let Some(items) = node.list(faults) else {
                    return;
                };
                for item in items {
                    if item.value == Value::Null {
                        let fault = item.expected("wrong-type", "a mapping (`key: value`)");
                        faults.push(fault);
                    }
                    shape.check(item, faults);
                }
            }
        }
    }

    /// Adds the defaults that belong to each entry of a mapping or list of the user's.
    pub(super) fn fill(&self, node: &mut Node) {
        match (self, &mut node.value) {
            (Shape::Section(fields), Value::Map(entries)) => {
                for (name, shape) in fields {
                    let at = entries.iter().position(|(key, _)| key.name == *name);
                    if let Some((_, value)) = at.and_then(|at| entries.get_mut(at)) {
                        shape.fill(value);
                    } else if let Some(default) = shape.default() {
                        entries.push((default_key(name), default));
                    }
                }
            }
            (Shape::Map(_, shape), Value::Map(entries)) => {
                for (_, value) in entries {
                    // `us:` alone is a region with nothing but defaults.
                    if value.value == Value::Null && matches!(**shape, Shape::Section(_)) {
                        value.value = Value::Map(Vec::new());
                    }
                    shape.fill(value);
                }
            }
            (Shape::List(shape), Value::Seq(items)) => {
                for item in items {
                    shape.fill(item);
                }
            }
            _ => {}
        }
    }

    /// Reports what is missing in the merged settings.
    pub(super) fn require(&self, merged: &Node, needs: Needs, faults: &mut Faults) {
        let top = Place::elsewhere(Origin::Default);
        self.require_in(merged, &top, "", needs, faults);
    }

    fn require_in(&self, node: &Node, at: &Place, path: &str, needs: Needs, faults: &mut Faults) {
        match (self, &node.value) {
            (Shape::Section(fields), Value::Map(entries)) => {
                for (name, shape) in fields {
                    let path = if path.is_empty() {
                        (*name).to_owned()
                    } else {
                        format!("{path}.{name}")
                    };
                    match (shape, entries.iter().find(|(key, _)| key.name == *name)) {
                        (Shape::Leaf(setting), found) => {
                            let is_missing =
                                found.is_none_or(|(_, node)| node.value == Value::Null);
                            if is_missing && needs.requires(setting.presence) {
                                faults.push(missing(&path, name, at));
                            }
                        }
                        // A section that is not there may still have to be: look into nothing.
                        (Shape::Section(_), None) => {
                            let nothing = default_node(Value::Map(Vec::new()));
                            shape.require_in(&nothing, at, &path, needs, faults);
                        }
                        (_, Some((key, node))) => {
                            shape.require_in(node, &key.place, &path, needs, faults);
                        }
                        (_, None) => {}
                    }
                }
            }
            (Shape::Map(_, shape), Value::Map(entries)) => {
                for (key, node) in entries {
                    let path = format!("{path}.{}", key.name);
                    shape.require_in(node, &key.place, &path, needs, faults);
                }
            }
            (Shape::List(shape), Value::Seq(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    shape.require_in(item, &item.place, &path, needs, faults);
                }
            }
            _ => {}
        }
    }

    /// The default of a setting, or of every setting of a section that has one.
    pub(super) fn default(&self) -> Option<Node> {
        match self {
            Shape::Leaf(setting) => match setting.presence {
                Presence::Default(yaml) => Some(default_value(yaml)),
                _ => None,
            },
            Shape::Section(fields) => {
                let entries = fields.iter().filter_map(|(name, shape)| {
                    shape.default().map(|value| (default_key(name), value))
                });
                let entries: Vec<(Key, Node)> = entries.collect();
                (!entries.is_empty()).then(|| default_node(Value::Map(entries)))
            }
            Shape::Map(..) | Shape::List(_) => None,
        }
    }
}

fn missing(path: &str, name: &str, at: &Place) -> Fault {
    let fault = Fault::error("missing-key", format!("`{path}` is missing"), at);
    if at.origin == Origin::File {
        return fault.label(format!("`{name}` is missing here"));
    }
    let variable = path.replace('.', "__").to_uppercase();
    fault.help(format!(
        "set it in the settings file, as `DMWATCH__{variable}=…` or with `--set {path}=…`"
    ))
}

fn unknown(key: &Key, fields: &[(&'static str, Shape)]) -> Fault {
    let message = format!("unknown setting `{}`", shortened(&key.name));
    let fault = Fault::error("unknown-key", message, &key.place).label("unknown setting");
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    match closest(&key.name, names.iter().copied()) {
        Some(near) => fault.did_you_mean(Some(near)),
        None => fault.help(format!("known settings here are {}", quoted(&names))),
    }
}

pub(super) fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

pub(super) fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

fn default_key(name: &str) -> Key {
    Key {
        name: name.to_owned(),
        place: Place::elsewhere(Origin::Default),
    }
}

fn default_node(value: Value) -> Node {
    Node {
        value,
        place: Place::elsewhere(Origin::Default),
    }
}

/// A default of the table. They are valid: a test reads every one.
fn default_value(yaml: &str) -> Node {
    parse_value(yaml, &Origin::Default)
        .ok()
        .unwrap_or_else(|| default_node(Value::Null))
}

/// Reads a value that does not come from a file: every place in it is its origin.
pub(super) fn parse_value(yaml: &str, origin: &Origin) -> Result<Node, Faults> {
    let mut faults = Faults::new();
    let source = Arc::new(Source::new("value", yaml));
    match dmwatch_core::document::parse(&source, &mut faults) {
        Some(mut node) if !faults.has_errors() => {
            replace_places(&mut node, &Place::elsewhere(origin.clone()));
            Ok(node)
        }
        _ => Err(faults),
    }
}

fn replace_places(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.value {
        Value::Seq(items) => {
            for item in items {
                replace_places(item, place);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                key.place = place.clone();
                replace_places(value, place);
            }
        }
        _ => {}
    }
}
