//! Normalisation, with a map back to the original characters.
//!
//! [`Text`] is scratch that is filled once a message and reused for the next. It holds the *folded*
//! view: compatibility forms resolved (NFKC), lower case, combining, zero-width and other format
//! characters dropped, each run of white space one space, typographic quotes plain. Phrases are
//! folded by the same function, so a list may be written as people write.
//!
//! Most messages are plain ASCII. For them the view is a lowered copy and the map is the identity,
//! so nothing is stored. Otherwise the map is a list of segments: a run in which offsets differ by
//! a constant, or one original character (with the marks on it) that became something of another
//! length. Everything is linear in the length of the text, whatever it holds.

mod fold;
mod segments;
pub mod words;

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::verdict::Span;
use segments::Segments;

/// Scratch above this size is given back after use, so that one huge message does not keep its
/// memory for ever.
const KEEP_CAPACITY: usize = 64 * 1024;

/// Which form of the text a pattern is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum View {
    /// NFKC, lower case, marks and format characters dropped, white space squeezed.
    Folded,
}

impl View {
    /// Every view.
    pub const ALL: [View; 1] = [View::Folded];

    /// The name used in rules.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            View::Folded => "folded",
        }
    }

    /// The view with that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.as_str() == name)
    }
}

/// The views of one text. Reuse it: its buffers keep their memory.
#[derive(Default)]
pub struct Text {
    folded: String,
    /// Empty when `identity`.
    segments: Segments,
    identity: bool,
}

impl Text {
    /// Empty scratch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills the views from a text.
    pub fn normalise(&mut self, original: &str) {
        if self.folded.capacity() > KEEP_CAPACITY {
            self.folded = String::new();
        }
        self.folded.clear();
        self.segments.clear(KEEP_CAPACITY);
        self.identity = is_plain(original.as_bytes());
        if self.identity {
            self.folded.push_str(original);
            self.folded.make_ascii_lowercase();
        } else {
            fold::fold(original, &mut self.folded, &mut self.segments);
        }
    }

    /// One view of the text that was given to [`Text::normalise`].
    #[must_use]
    pub fn view(&self, view: View) -> &str {
        match view {
            View::Folded => &self.folded,
        }
    }

    /// Whether offsets in the folded view are offsets in the original.
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        self.identity
    }

    /// Byte range in the original of a byte range in the folded view. Both ends lie on character
    /// boundaries of the original: a range that cuts a character is widened to the whole of it.
    #[must_use]
    pub fn original_range(&self, folded: Range<usize>) -> Range<usize> {
        let end = self.folded.ceil_char_boundary(folded.end);
        let start = self.folded.floor_char_boundary(folded.start.min(end));
        if self.identity {
            return start..end;
        }
        self.segments.original_range(start..end)
    }
}

/// Text in the folded view, for phrases.
#[must_use]
pub fn folded(text: &str) -> String {
    let mut scratch = Text::new();
    scratch.normalise(text);
    scratch.folded
}

/// Printable ASCII without two spaces in a row: lower case is all that folding does to it.
///
/// Two plain loops without an exit, so that the compiler turns both into vector code.
fn is_plain(bytes: &[u8]) -> bool {
    let mut odd = 0u8;
    for &byte in bytes {
        odd |= u8::from(byte.wrapping_sub(b' ') > b'~' - b' ');
    }
    let following = bytes.get(1..).unwrap_or_default();
    for (&byte, &next) in bytes.iter().zip(following) {
        odd |= u8::from(byte == b' ') & u8::from(next == b' ');
    }
    odd == 0
}

/// Turns byte ranges of the original into spans with character offsets.
///
/// Keeps its place, so that any number of ranges in ascending order costs one walk over the text.
pub struct SpanCounter<'a> {
    original: &'a str,
    byte: usize,
    char: usize,
}

impl<'a> SpanCounter<'a> {
    /// Starts at the front of the original text.
    #[must_use]
    pub const fn new(original: &'a str) -> Self {
        Self {
            original,
            byte: 0,
            char: 0,
        }
    }

    /// The span of a byte range that lies on character boundaries.
    pub fn span(&mut self, bytes: Range<usize>) -> Span {
        if bytes.start < self.byte {
            self.byte = 0;
            self.char = 0;
        }
        self.advance(bytes.start);
        let start = self.char;
        let inside = self.original.get(bytes.clone()).unwrap_or_default();
        let end = start + inside.chars().count();
        Span {
            bytes,
            chars: start..end,
        }
    }

    fn advance(&mut self, to: usize) {
        let between = self.original.get(self.byte..to).unwrap_or_default();
        self.char += between.chars().count();
        self.byte = to;
    }
}
