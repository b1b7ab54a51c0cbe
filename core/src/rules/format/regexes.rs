//! Regexes.

use std::convert::Infallible;
use std::ops::Range;

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{self, Ast, RepetitionKind, RepetitionRange};
use regex_syntax::hir::Hir;
use regex_syntax::hir::translate::TranslatorBuilder;

use super::super::condition::Condition;
use super::super::{CompileError, matcher};
use crate::document::{Fault, Faults, Node, Place};
use crate::text::folded;

/// Longest regex, in bytes.
const MAX_REGEX: usize = 2_000;
/// Longest counted gap (`.{0,7}`) that costs next to nothing.
const MAX_GAP: u32 = 8;
/// Regexes run on bytes, where only ASCII can stand in a class.
const BYTES: &str = "beyond ASCII, write alternatives instead of a class: `(€|£)`, not `[€£]`";

/// A regex, checked so that it can only fail on the sum of all.
pub(super) fn regex(node: &Node, faults: &mut Faults) -> Option<Condition> {
    let regex = node.string(faults)?;
    match check(regex) {
        Ok(gap) => {
            if let Some(gap) = gap {
                let message = "this gap is slow on text that is made for it: each of its lengths is a state of its own";
                let fault = Fault::warning("slow-regex", message, &inside(node, regex, &gap));
                faults.push(fault.label("a long counted gap").help(
                    "write `[^.!?]*` for the rest of the sentence, or two conditions under `all`",
                ));
            }
            Some(Condition::Regex(regex.into()))
        }
        Err(wrong) => {
            let place = wrong
                .at
                .map_or_else(|| node.place.clone(), |at| inside(node, regex, &at));
            let fault = Fault::error("regex", wrong.message, &place).label(wrong.label);
            faults.push(match wrong.help {
                Some(help) => fault.help(help),
                None => fault,
            });
            None
        }
    }
}

/// What is wrong with a regex, and where in it.
struct Wrong {
    message: String,
    label: String,
    at: Option<Range<usize>>,
    help: Option<&'static str>,
}

impl Wrong {
    fn new(message: impl Into<String>, label: impl Into<String>, at: Option<Range<usize>>) -> Self {
        Self {
            message: message.into(),
            label: label.into(),
            at,
            help: None,
        }
    }

    fn unreadable(what: String, span: &ast::Span) -> Self {
        let help = what.starts_with("Unicode not allowed").then_some(BYTES);
        let at = span.start.offset..span.end.offset;
        let message = format!("the regex cannot be read: {what}");
        Self {
            help,
            ..Self::new(message, what, Some(at))
        }
    }
}

/// Whether a regex can be used; if so, where it has a gap that is slow.
fn check(regex: &str) -> Result<Option<Range<usize>>, Wrong> {
    if regex.len() > MAX_REGEX {
        let message = format!(
            "expected a regex of at most {MAX_REGEX} bytes, found {}",
            regex.len()
        );
        return Err(Wrong::new(message, "too long", None));
    }
    let tree = Parser::new()
        .parse(regex)
        .map_err(|error| Wrong::unreadable(error.kind().to_string(), error.span()))?;
    let hir = TranslatorBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(true)
        .build()
        .translate(regex, &tree)
        .map_err(|error| Wrong::unreadable(error.kind().to_string(), error.span()))?;
    if let Some(wrong) = unusable(regex, &hir) {
        return Err(wrong);
    }
    if let Err(CompileError::Regex { reason, .. }) = matcher::compile_regex(regex) {
        return Err(Wrong::new(
            format!("the regex cannot be used: {reason}"),
            "too large",
            None,
        ));
    }
    // The visitor finds at most one gap and cannot fail.
    let Ok(gap) = ast::visit(&tree, Gaps::default());
    Ok(gap)
}

/// Why a regex that can be read is still of no use.
fn unusable(regex: &str, hir: &Hir) -> Option<Wrong> {
    if hir.properties().minimum_len() == Some(0) {
        let message = "the regex matches the empty text, so it is in every text";
        return Some(Wrong::new(message, "matches the empty text", None));
    }
    if hir.properties().look_set().contains_word_unicode() {
        let message = "Unicode `\\b` is slow on text that is not ASCII; leave `(?u)` out";
        return Some(Wrong::new(message, "a Unicode word border", None));
    }
    // The text is folded: what folding takes away can never be found.
    let (at, c, there) = regex.char_indices().find_map(|(at, c)| {
        let c = String::from(c);
        let there = folded(&c);
        (!c.is_ascii() && there != c).then_some((at, c, there))
    })?;
    let message = format!("`{c}` is never in the text that a regex sees, which is folded");
    let label = match there.trim() {
        "" => "dropped by folding".to_owned(),
        there => format!("write `{there}`"),
    };
    Some(Wrong::new(message, label, Some(at..at + c.len())))
}

/// Finds the first counted repetition of almost any character. While it runs, the automaton has to
/// know for each place where the gap may have begun how long it is by now, and text can be written so
/// that these sets never repeat.
#[derive(Default)]
struct Gaps(Option<Range<usize>>);

impl ast::Visitor for Gaps {
    type Output = Option<Range<usize>>;
    type Err = Infallible;

    fn finish(self) -> Result<Self::Output, Infallible> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Infallible> {
        if let Ast::Repetition(repetition) = tree
            && let RepetitionKind::Range(range) = &repetition.op.kind
            && (longest(range) > MAX_GAP && is_broad(&repetition.ast))
            && self.0.is_none()
        {
            self.0 = Some(repetition.span.start.offset..repetition.span.end.offset);
        }
        Ok(())
    }
}

const fn longest(range: &RepetitionRange) -> u32 {
    match range {
        RepetitionRange::Exactly(n)
        | RepetitionRange::AtLeast(n)
        | RepetitionRange::Bounded(_, n) => *n,
    }
}

fn is_broad(tree: &Ast) -> bool {
    match tree {
        Ast::Dot(_) => true,
        Ast::ClassBracketed(class) => class.negated,
        Ast::ClassPerl(class) => class.negated,
        Ast::Group(group) => is_broad(&group.ast),
        Ast::Alternation(several) => several.asts.iter().any(is_broad),
        _ => false,
    }
}

/// The place of a part of a regex: exact where the file holds the regex as it is (no escapes).
fn inside(node: &Node, regex: &str, part: &Range<usize>) -> Place {
    let mut place = node.place.clone();
    let source = place.source.as_ref();
    let written = source.and_then(|source| source.text().get(place.range.clone()));
    if let Some(start) = written.and_then(|written| written.find(regex)) {
        let from = regex.floor_char_boundary(part.start);
        // At least the character that stands there.
        let least = regex
            .get(from..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        let to = regex.ceil_char_boundary(part.end.max(from + least));
        let base = place.range.start + start;
        place.range = base + from..base + to;
    }
    place
}
