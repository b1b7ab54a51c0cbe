//! Text → [`Node`], through the parser of `serde-saphyr`, event by event.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span};

use super::{Fault, Faults, Key, Node, Place, Source, Value};

/// The largest document that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting.
pub const MAX_DEPTH: usize = 32;
/// The most values (lists and mappings count too).
pub const MAX_NODES: usize = 100_000;

/// Reads one document. What is wrong goes to `faults`; `None` means that nothing can be read of
/// it (bad syntax or over a limit). With a lesser fault (duplicate key, alias, tag) the rest of
/// the tree comes back, so that its other faults are found in the same go.
pub fn parse(source: &Arc<Source>, faults: &mut Faults) -> Option<Node> {
    if source.text().len() > MAX_BYTES {
        let message = format!(
            "expected at most {MAX_BYTES} bytes, found {}",
            source.text().len()
        );
        faults.push(Fault::error("limit", message, &Place::file(source, 0..0)));
        return None;
    }
    let options = granit_parser::options! {
        strict_indentation: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        source,
        faults,
        stack: Vec::new(),
        root: None,
        nodes: 0,
        documents: 0,
    };
    for next in Parser::new_from_str_with_options(source.text(), options) {
        match next {
            Ok((event, span)) => builder.event(event, &span)?,
            Err(error) => {
                let offset = error.marker().byte_offset().unwrap_or(source.text().len());
                let place = Place::file(source, offset..offset);
                let fault = Fault::error("yaml-syntax", format!("{}", error.kind()), &place);
                builder.faults.push(fault.label("the YAML is broken here"));
                return None;
            }
        }
    }
    let empty = Node {
        value: Value::Null,
        place: Place::file(source, 0..0),
    };
    Some(builder.root.unwrap_or(empty))
}

/// A list or mapping that is not complete yet.
struct Open {
    place: Place,
    kind: OpenKind,
}

enum OpenKind {
    Seq(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        index: HashMap<String, usize>,
        /// A key whose value comes next; `Err` for a key that was refused, whose value is dropped.
        key: Option<Result<Key, ()>>,
    },
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    faults: &'a mut Faults,
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
}

impl Builder<'_> {
    /// Takes the next event; `None` stops the reading.
    fn event(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        let range = self.range(span);
        let place = Place::file(self.source, range);
        if let Some(tag) = span.tag_span() {
            let place = Place::file(self.source, self.range(&tag));
            self.refuse(
                &place,
                "tag",
                "tags are not used here: write the plain value",
            );
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.refuse(&place, "several-documents", "one file holds one document");
                    return None;
                }
            }
            Event::Anchor(..) => {
                self.refuse(
                    &place,
                    "anchor",
                    "anchors are not used here: repeat the value",
                );
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.refuse(
                    &place,
                    "alias",
                    "aliases are not used here: repeat the value",
                );
                let value = Value::Null;
                self.node(Node { value, place })?;
            }
            Event::Scalar(text, style, ..) => self.scalar(&text, style, place)?,
            Event::SequenceStart(..) => self.open(place, OpenKind::Seq(Vec::new()))?,
            Event::MappingStart(..) => {
                let kind = OpenKind::Map {
                    entries: Vec::new(),
                    index: HashMap::new(),
                    key: None,
                };
                self.open(place, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place.range.end)?,
            _ => {}
        }
        Some(())
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let length = self.source.text().len();
        let range = span.byte_range().unwrap_or(length..length);
        range.start.min(length)..range.end.min(length).max(range.start.min(length))
    }

    fn refuse(&mut self, place: &Place, code: &'static str, message: &str) {
        self.faults.push(Fault::error(code, message, place));
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Open {
                kind: OpenKind::Map { key: None, .. },
                ..
            })
        )
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, place: Place) -> Option<()> {
        if self.expects_key() {
            let merge = text == "<<" && style == ScalarStyle::Plain;
            if merge {
                self.refuse(&place, "merge-key", "merge keys are not used here");
            }
            return self.key(text, place, merge);
        }
        let value = if style == ScalarStyle::Plain {
            self.plain(text, &place)
        } else {
            Value::Str(text.to_owned())
        };
        self.node(Node { value, place })
    }

    fn key(&mut self, text: &str, place: Place, refused: bool) -> Option<()> {
        self.count(&place)?;
        let Some(Open {
            kind:
                OpenKind::Map {
                    entries,
                    index,
                    key,
                },
            ..
        }) = self.stack.last_mut()
        else {
            return None;
        };
        let first = index.get(text).and_then(|at| entries.get(*at));
        if let Some((first, _)) = first {
            let fault = Fault::error("duplicate-key", format!("`{text}` is set twice"), &place)
                .label("set again here")
                .related(&first.place, "first set here");
            self.faults.push(fault);
            *key = Some(Err(()));
        } else if refused {
            *key = Some(Err(()));
        } else {
            *key = Some(Ok(Key {
                name: text.to_owned(),
                place,
            }));
        }
        Some(())
    }

    /// A plain scalar by YAML 1.2's core schema.
    fn plain(&mut self, text: &str, place: &Place) -> Value {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
            "true" | "True" | "TRUE" => return Value::Bool(true),
            "false" | "False" | "FALSE" => return Value::Bool(false),
            _ => {}
        }
        match whole_number(text) {
            Some(Some(number)) => return Value::Int(number),
            Some(None) => {
                let message = format!("the number {} does not fit in 64 bits", shown(text));
                let fault = Fault::error("out-of-range", message, place);
                self.faults
                    .push(fault.help("quote it if it is meant as text"));
                return Value::Int(0);
            }
            None => {}
        }
        fraction(text).map_or_else(|| Value::Str(text.to_owned()), Value::Float)
    }

    fn open(&mut self, place: Place, kind: OpenKind) -> Option<()> {
        self.count(&place)?;
        if self.expects_key() {
            let fault = Fault::error("wrong-type", "expected text as a key", &place);
            self.faults.push(fault.label("found a list or mapping"));
            return None;
        }
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("expected at most {MAX_DEPTH} levels of nesting");
            self.faults.push(Fault::error("limit", message, &place));
            return None;
        }
        self.stack.push(Open { place, kind });
        Some(())
    }

    fn close(&mut self, end: usize) -> Option<()> {
        let Open { mut place, kind } = self.stack.pop()?;
        place.range.end = end.max(place.range.end);
        let value = match kind {
            OpenKind::Seq(nodes) => Value::Seq(nodes),
            OpenKind::Map { entries, .. } => Value::Map(entries),
        };
        self.place_node(Node { value, place });
        Some(())
    }

    fn node(&mut self, node: Node) -> Option<()> {
        self.count(&node.place)?;
        if self.expects_key() {
            // An alias as a key: refused before, and nothing to keep its value under.
            if let Some(Open {
                kind: OpenKind::Map { key, .. },
                ..
            }) = self.stack.last_mut()
            {
                *key = Some(Err(()));
            }
            return Some(());
        }
        self.place_node(node);
        Some(())
    }

    fn place_node(&mut self, node: Node) {
        match self.stack.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::Seq(nodes)) => nodes.push(node),
            Some(OpenKind::Map {
                entries,
                index,
                key,
            }) => {
                if let Some(Ok(key)) = key.take() {
                    index.insert(key.name.clone(), entries.len());
                    entries.push((key, node));
                }
            }
        }
    }

    fn count(&mut self, place: &Place) -> Option<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("expected at most {MAX_NODES} values in one document");
            self.faults.push(Fault::error("limit", message, place));
            return None;
        }
        Some(())
    }
}

/// `None`: not a whole number. `Some(None)`: one that does not fit.
fn whole_number(text: &str) -> Option<Option<i64>> {
    let (radix, digits) = match text.get(..2) {
        Some("0x") => (16, &text[2..]),
        Some("0o") => (8, &text[2..]),
        _ => (10, text.strip_prefix(['-', '+']).unwrap_or(text)),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some(if radix == 10 {
        text.parse().ok()
    } else {
        i64::from_str_radix(digits, radix).ok()
    })
}

fn fraction(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    // Rust also reads `inf`, `nan`, `infinity`: text in YAML.
    let numeric = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let starts_well = text
        .trim_start_matches(['+', '-'])
        .starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (numeric && starts_well)
        .then(|| text.parse().ok())
        .flatten()
}

/// A value as it may be quoted in a message: never long.
pub(super) fn shown(text: &str) -> String {
    const MAX: usize = 40;
    let mut quoted: String = text.chars().take(MAX).collect();
    if text.chars().nth(MAX).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}
