//! File, environment and flags → one document each, with places.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use dmwatch_core::document::{
    Fault, Faults, Key, MAX_BYTES, Node, Origin, Place, Source, Value, closest, parse,
};

use super::hidden;
use super::kind;
use super::shape::{Shape, parse_value, quoted, shortened};
use super::table::SETTINGS;

/// What every variable that is a setting starts with.
pub(super) const PREFIX: &str = "DMWATCH__";

/// Reads and parses a settings file. Secrets that somebody wrote into it are hidden first, so
/// that no fault can show them.
pub(super) fn file(path: &Path, faults: &mut Faults) -> Option<Node> {
    let name = path.display().to_string();
    match read(path) {
        Ok(text) => text_of_file(name, &text, faults),
        Err(problem) => {
            let place = Place::elsewhere(Origin::Flag(format!("--config {name}").into()));
            let message = format!("cannot read the settings file `{name}`: {problem}");
            faults.push(Fault::error("unreadable", message, &place));
            None
        }
    }
}

/// The same, from a text at hand.
pub(super) fn text_of_file(name: String, text: &str, faults: &mut Faults) -> Option<Node> {
    let hidden = hidden::hide(text);
    let source = Arc::new(Source::new(name, hidden.text));
    let node = parse(&source, faults)?;
    if hidden.is_broken {
        let message = "the YAML is broken in a value that is not shown here";
        faults.push(Fault::error(
            "yaml-syntax",
            message,
            &Place::file(&source, 0..0),
        ));
        return None;
    }
    match node.value {
        Value::Null => None,
        Value::Map(_) => Some(node),
        _ => {
            faults.push(node.expected("wrong-type", "a mapping (`key: value`)"));
            None
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is not UTF-8 (byte {at})")
    })
}

/// The variables that are settings.
pub(super) fn environment(
    variables: &[(String, String)],
    all: &Shape,
    faults: &mut Faults,
) -> Node {
    let mut root = empty();
    for (name, value) in variables {
        let origin = Origin::Env(name.as_str().into());
        let Some(path) = strip_prefix(name, PREFIX) else {
            if let Some(rest) = strip_prefix(name, "DMWATCH_")
                && let Some(meant) = meant(rest)
            {
                let message = format!("the environment variable `{name}` is not read");
                let fault = Fault::warning("unknown-key", message, &Place::elsewhere(origin));
                faults.push(fault.did_you_mean(Some(&meant)));
            }
            continue;
        };
        // An empty variable is one that a template left open.
        if value.is_empty() {
            continue;
        }
        let segments: Vec<&str> = path.split("__").collect();
        put(
            &mut root,
            all,
            &segments,
            value,
            Writing::Variable,
            &origin,
            faults,
        );
    }
    root
}

/// The variable that was meant, if the rest of a name is that of a setting with too few
/// underscores. Other programs' variables may start with our name too.
fn meant(rest: &str) -> Option<String> {
    if rest.contains("__") {
        return Some(format!("{PREFIX}{rest}"));
    }
    let rest = rest.to_lowercase();
    let mut settings = SETTINGS.iter();
    let setting = settings.find(|setting| setting.path.replace('.', "_") == rest)?;
    let path = setting.path.replace('.', "__").to_uppercase();
    Some(format!("{PREFIX}{path}"))
}

fn strip_prefix<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The flags `--set key=value`.
pub(super) fn flags(sets: &[String], all: &Shape, faults: &mut Faults) -> Node {
    let mut root = empty();
    for set in sets {
        let Some((path, value)) = set.split_once('=') else {
            let origin = Origin::Flag(format!("--set {}", shortened(set)).into());
            let message = "expected `--set key=value`, found no `=`";
            let fault = Fault::error("wrong-type", message, &Place::elsewhere(origin));
            faults.push(fault.help("for example `--set stream.shards=4`"));
            continue;
        };
        let path = path.trim();
        let origin = Origin::Flag(format!("--set {}", shortened(path)).into());
        let segments: Vec<&str> = path.split('.').collect();
        put(
            &mut root,
            all,
            &segments,
            value,
            Writing::Flag,
            &origin,
            faults,
        );
    }
    root
}

fn empty() -> Node {
    Node {
        value: Value::Map(Vec::new()),
        place: Place::elsewhere(Origin::Default),
    }
}

/// How a path is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// `KAFKA__GROUP_ID`
    Variable,
    /// `kafka.group_id`
    Flag,
}

impl Writing {
    fn join(self, segments: &[&str]) -> String {
        match self {
            Writing::Variable => format!("{PREFIX}{}", segments.join("__").to_uppercase()),
            Writing::Flag => segments.join("."),
        }
    }
}

/// Finds what the segments name and puts the value there.
fn put(
    root: &mut Node,
    all: &Shape,
    segments: &[&str],
    value: &str,
    writing: Writing,
    origin: &Origin,
    faults: &mut Faults,
) {
    let mut shape = all;
    let mut names: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(segment) = segments.get(at) {
        match shape {
            Shape::Section(fields) => {
                let segment = match writing {
                    Writing::Variable => segment.to_lowercase(),
                    Writing::Flag => (*segment).to_owned(),
                };
                let Some((name, inner)) = fields.iter().find(|(name, _)| *name == segment) else {
                    let known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
                    let before = &segments[..at];
                    faults.push(unknown(
                        before,
                        &segment,
                        &segments[at + 1..],
                        &known,
                        writing,
                        origin,
                    ));
                    return;
                };
                names.push((*name).to_owned());
                shape = inner;
                at += 1;
            }
            Shape::Map(of, inner) => {
                // Names of properties and fields have dots, and nothing comes after them.
                let is_last = matches!(**inner, Shape::Leaf(_));
                let end = if is_last { segments.len() } else { at + 1 };
                let written = &segments[at..end];
                names.push(match writing {
                    Writing::Variable => of.key_of_variable(&written.join("_")),
                    Writing::Flag => written.join("."),
                });
                shape = inner;
                at = end;
            }
            Shape::Leaf(_) => {
                faults.push(unknown(
                    &segments[..at],
                    segments[at],
                    &[],
                    &[],
                    writing,
                    origin,
                ));
                return;
            }
            Shape::List(_) => {
                let name = writing.join(&segments[..at]);
                let message = format!("the items of `{name}` cannot be set one by one");
                let fault = Fault::error("unknown-key", message, &Place::elsewhere(origin.clone()));
                faults.push(fault.help(format!("set the whole list: `{name}=[{{…}}, {{…}}]`")));
                return;
            }
        }
    }
    let node = match shape {
        Shape::Leaf(setting) => kind::from_text(setting.kind, value, origin),
        Shape::Section(_) | Shape::Map(..) | Shape::List(_) => match parse_value(value, origin) {
            Ok(node) => node,
            Err(_) => {
                let message =
                    "expected a mapping or list in YAML (`{key: value}`), found what is none";
                let place = Place::elsewhere(origin.clone());
                faults.push(Fault::error("wrong-type", message, &place));
                return;
            }
        },
    };
    insert(root, &names, node);
}

fn unknown(
    before: &[&str],
    segment: &str,
    after: &[&str],
    known: &[&str],
    writing: Writing,
    origin: &Origin,
) -> Fault {
    let place = Place::elsewhere(origin.clone());
    let whole = [before, &[segment], after].concat();
    let message = format!("unknown setting `{}`", shortened(&writing.join(&whole)));
    let fault = Fault::error("unknown-key", message, &place);
    match closest(segment, known.iter().copied()) {
        Some(near) => {
            let whole = [before, &[near], after].concat();
            fault.did_you_mean(Some(&writing.join(&whole)))
        }
        None if known.is_empty() => fault,
        None => fault.help(format!("known settings here are {}", quoted(known))),
    }
}

fn insert(root: &mut Node, names: &[String], node: Node) {
    let Some((first, rest)) = names.split_first() else {
        return;
    };
    if !matches!(root.value, Value::Map(_)) {
        root.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    let at = entries.iter().position(|(key, _)| key.name == *first);
    let at = at.unwrap_or_else(|| {
        let key = Key {
            name: first.clone(),
            place: node.place.clone(),
        };
        let value = Node {
            value: Value::Null,
            place: node.place.clone(),
        };
        entries.push((key, value));
        entries.len() - 1
    });
    if rest.is_empty() {
        entries[at] = (
            Key {
                name: first.clone(),
                place: node.place.clone(),
            },
            node,
        );
    } else {
        insert(&mut entries[at].1, rest, node);
    }
}
