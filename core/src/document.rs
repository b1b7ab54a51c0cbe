//! YAML with places: every value knows where it was written, so that every fault of a file is
//! reported at once, with file, line, column and a caret.
//!
//! ```
//! use std::sync::Arc;
//! use dmwatch_core::document::{self, Faults, Source};
//!
//! let source = Arc::new(Source::new("queue.yaml", "name: child-safety\ndeu: 15m\n"));
//! let mut faults = Faults::new();
//! if let Some(node) = document::parse(&source, &mut faults)
//!     && let Some(mut map) = node.map(&mut faults)
//! {
//!     let name = map.required("name", &mut faults).and_then(|node| node.string(&mut faults));
//!     let due = map.optional("due").and_then(|node| node.duration(&mut faults));
//!     map.finish(&mut faults);
//!     assert_eq!((name, due), (Some("child-safety"), None));
//! }
//! let report = document::render(faults.list(), false);
//! assert!(report.contains("queue.yaml:2:1"));
//! assert!(report.contains("did you mean `due`?"));
//! ```
//!
//! - [`parse()`]: text → [`Node`]. YAML 1.2 scalars (`yes` and `13_15` are text); anchors, aliases,
//!   tags, directives, merge keys and several documents in one file are refused; duplicate keys
//!   are faults; size, depth and number of values are bounded.
//! - [`Node`]'s typed getters and [`MapReader`]: each pushes what is wrong to [`Faults`] and goes
//!   on, so the caller reads the whole document before it gives up.
//! - [`render()`]: faults → text for a terminal.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

mod fault;
#[cfg(test)]
pub(crate) mod mutated;
mod parse;
mod read;
mod render;
mod suggest;
#[cfg(test)]
mod tests;
mod units;

pub use self::fault::{Fault, FaultSeverity, Faults, Related};
pub use self::parse::{MAX_BYTES, MAX_DEPTH, MAX_NODES, parse};
pub use self::read::MapReader;
pub use self::render::render;
pub use self::suggest::closest;
pub use self::units::{format_duration, format_size, parse_duration, parse_size};

/// A text that was read, with the name under which it is shown.
pub struct Source {
    name: String,
    text: String,
    /// Byte offset of the start of each line.
    lines: Vec<usize>,
}

impl Source {
    /// A text and its name, as a person would recognise it (usually the path as given).
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let starts = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(offset, _)| offset + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self {
            name: name.into(),
            text,
            lines,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (in characters) of a byte offset, both from 1.
    #[must_use]
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset = floor_char_boundary(&self.text, offset);
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |before| before.chars().count());
        (line, column + 1)
    }

    /// Bytes of the line (from 1), without its line break.
    fn line_range(&self, line: usize) -> Range<usize> {
        let start = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        let content = self.text.get(start..end).unwrap_or("");
        start..start + content.trim_end_matches(['\n', '\r']).len()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Source({})", self.name)
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Through what a value came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file: [`Place::source`] is set.
    File,
    /// An environment variable, by name.
    Env(Arc<str>),
    /// A command line flag, as it should be shown (without its value).
    Flag(Arc<str>),
    /// Nobody set it.
    Default,
}

/// Where a value was written.
#[derive(Debug, Clone)]
pub struct Place {
    /// The text, for a value from a file.
    pub source: Option<Arc<Source>>,
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Through what it came.
    pub origin: Origin,
}

impl Place {
    /// A place in a file.
    #[must_use]
    pub fn file(source: &Arc<Source>, range: Range<usize>) -> Self {
        Self {
            source: Some(Arc::clone(source)),
            range,
            origin: Origin::File,
        }
    }

    /// A place that is not in a file.
    #[must_use]
    pub fn elsewhere(origin: Origin) -> Self {
        Self {
            source: None,
            range: 0..0,
            origin,
        }
    }
}

/// `file:line:column`, or the name of the variable or flag.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, &self.origin) {
            (Some(source), _) => {
                let (line, column) = source.line_and_column(self.range.start);
                write!(formatter, "{}:{line}:{column}", source.name())
            }
            (None, Origin::Env(name)) => write!(formatter, "environment variable {name}"),
            (None, Origin::Flag(flag)) => write!(formatter, "flag {flag}"),
            (None, Origin::File) => formatter.write_str("file"),
            (None, Origin::Default) => formatter.write_str("default"),
        }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub place: Place,
}

/// A key of a mapping and where it was written.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key. Keys are always text: `1: x` has the key `1`.
    pub name: String,
    /// Where it was written.
    pub place: Place,
}

/// A value of YAML's core schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order written. Keys are unique.
    Map(Vec<(Key, Node)>),
}

/// Equal values, wherever they were written.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Equal names, wherever they were written.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Value {
    /// What it is, for messages: `text`, `a whole number`, …
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Str(_) => "text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
