//! Phrases: words to be found whole, or parts of words where the author says so with `*`.

use std::ops::Range;

use serde::Serialize;

use crate::text::{folded, words};

/// Longest phrase, in bytes of the folded view.
pub const MAX_LEN: usize = 256;

/// One phrase, folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Phrase {
    /// What is looked for, in the folded view.
    pub literal: Box<str>,
    /// It may begin inside a word (`*sub`).
    pub open_start: bool,
    /// It may end inside a word (`sub*`).
    pub open_end: bool,
}

/// Why a phrase is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Nothing is left of it.
    #[error("the phrase is empty once it is folded")]
    Empty,
    /// A `*` that is neither first nor last.
    #[error("`*` may only stand at the start or the end of a phrase")]
    InnerWildcard,
    /// A `*` beside a space.
    #[error("a `*` must touch the word that it leaves open, as in `pay*`")]
    LooseWildcard,
    /// Too short to leave open.
    #[error("a phrase with `*` needs at least 2 characters beside it")]
    TooOpen,
    /// Too long.
    #[error("the phrase is longer than {MAX_LEN} bytes")]
    TooLong,
}

impl Phrase {
    /// Reads a phrase as an author writes it.
    pub fn parse(written: &str) -> Result<Self, PhraseError> {
        let trimmed = written.trim();
        let open_start = trimmed.starts_with('*');
        let inner = trimmed.strip_prefix('*').unwrap_or(trimmed);
        let open_end = inner.ends_with('*');
        let inner = inner.strip_suffix('*').unwrap_or(inner);
        if inner.contains('*') {
            return Err(PhraseError::InnerWildcard);
        }
        let loose = |open, is_space: Option<bool>| open && is_space == Some(true);
        if loose(open_start, inner.chars().next().map(char::is_whitespace))
            || loose(open_end, inner.chars().next_back().map(char::is_whitespace))
        {
            return Err(PhraseError::LooseWildcard);
        }
        let view = folded(inner);
        let literal = view.trim();
        if literal.is_empty() {
            return Err(PhraseError::Empty);
        }
        if literal.len() > MAX_LEN {
            return Err(PhraseError::TooLong);
        }
        if (open_start || open_end) && literal.chars().count() < 2 {
            return Err(PhraseError::TooOpen);
        }
        Ok(Self {
            literal: literal.into(),
            open_start,
            open_end,
        })
    }

    /// Whether the literal found at `range` of the folded view is this phrase: its ends are borders
    /// of words unless it is open there.
    #[must_use]
    pub fn accepts(&self, view: &str, range: Range<usize>) -> bool {
        (self.open_start || words::may_begin(view, range.start))
            && (self.open_end || words::may_end(view, range.end))
    }
}
