//! Phrases and regexes.

use std::collections::HashMap;
use std::sync::Arc;

use regex_syntax::hir::Hir;

use super::super::condition::{Condition, Phrases};
use super::super::phrase::Phrase;
use super::super::{CompileError, lists, matcher};
use super::Reader;
use crate::document::{Fault, Faults, Node, Place, Value};
use crate::text::{View, folded};

/// Longest regex, in bytes.
const MAX_REGEX: usize = 2_000;
/// Regexes run on bytes, where only ASCII can stand in a class.
const BYTES: &str = "beyond ASCII, write alternatives instead of a class: `(€|£)`, not `[€£]`";

/// `[phrase, …]`, or `{list: name, views: […]}`.
pub(super) fn phrases(
    node: &Node,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> Option<Condition> {
    let condition = |list, phrases, views| {
        Some(Condition::Phrases(Phrases {
            list,
            phrases,
            views,
        }))
    };
    if !matches!(node.value, Value::Map(_)) {
        return condition(None, inline(node, faults)?, vec![View::Folded]);
    }
    let mut map = node.map(faults)?;
    let list = map.required("list", faults);
    let views = map
        .optional("views")
        .map_or(Some(vec![View::Folded]), |node| views(node, faults));
    map.finish(faults);
    let name = list?.string(faults)?;
    let phrases = reader.lists.get(name, list?, faults)?;
    condition(Some(name.into()), phrases, views?)
}

fn views(node: &Node, faults: &mut Faults) -> Option<Vec<View>> {
    let mut views = Vec::new();
    let texts = node.strings(faults)?;
    let written = texts.len();
    for (name, node) in texts {
        match name {
            "deobfuscated" | "joined" => {
                let message = format!("the view `{name}` is not in this version");
                faults.push(
                    Fault::error("no-view", message, &node.place)
                        .label("not there yet")
                        .help("use `folded`"),
                );
            }
            _ => views.extend(node.one_of(&View::ALL.map(|view| (view.as_str(), view)), faults)),
        }
    }
    views.sort_unstable();
    views.dedup();
    if written == 0 {
        faults.push(Fault::error(
            "no-view",
            "expected at least one view, found none",
            &node.place,
        ));
    }
    (!views.is_empty()).then_some(views)
}

fn inline(node: &Node, faults: &mut Faults) -> Option<Arc<[Phrase]>> {
    let mut phrases = Vec::new();
    let mut seen: HashMap<Phrase, &Place> = HashMap::new();
    let Value::Seq(_) = node.value else {
        let fault = node.expected("wrong-type", "a list of phrases");
        faults
            .push(fault.help("write `[one, two words]`, or `{list: name}` for a file in `lists`"));
        return None;
    };
    for (written, node) in node.strings(faults)? {
        let Some(phrase) = lists::parse(written, &node.place, faults) else {
            continue;
        };
        if let Some(first) = seen.insert(phrase.clone(), &node.place) {
            lists::warn_twice(&node.place, first, faults);
            continue;
        }
        phrases.push(phrase);
    }
    if matches!(&node.value, Value::Seq(nodes) if nodes.is_empty()) {
        faults.push(Fault::error(
            "empty-list",
            "expected at least one phrase, found none",
            &node.place,
        ));
    }
    (!phrases.is_empty()).then(|| phrases.into())
}

/// A regex, checked so that it can only fail on the sum of all.
pub(super) fn regex(node: &Node, faults: &mut Faults) -> Option<Condition> {
    let regex = node.string(faults)?;
    let fault = |message: String, at: Option<usize>| {
        Fault::error(
            "regex",
            message,
            &at.map_or_else(|| node.place.clone(), |at| inside(node, regex, at)),
        )
    };
    if regex.len() > MAX_REGEX {
        let message = format!(
            "expected a regex of at most {MAX_REGEX} bytes, found {}",
            regex.len()
        );
        faults.push(fault(message, None).label("too long"));
        return None;
    }
    let parsed = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(true)
        .build()
        .parse(regex);
    let hir = match parsed {
        Ok(hir) => hir,
        Err(error) => {
            let (what, at) = explain(&error);
            let unicode = what.starts_with("Unicode not allowed");
            let fault = fault(format!("the regex cannot be read: {what}"), at).label(what);
            faults.push(match unicode {
                true => fault.help(BYTES),
                false => fault,
            });
            return None;
        }
    };
    if let Some((message, label, at)) = unusable(regex, &hir) {
        faults.push(fault(message, at).label(label));
        return None;
    }
    if let Err(CompileError::Regex { reason, .. }) = matcher::compile_regex(regex) {
        faults.push(fault(format!("the regex cannot be used: {reason}"), None).label("too large"));
        return None;
    }
    Some(Condition::Regex(regex.into()))
}

fn explain(error: &regex_syntax::Error) -> (String, Option<usize>) {
    match error {
        regex_syntax::Error::Parse(error) => {
            (error.kind().to_string(), Some(error.span().start.offset))
        }
        regex_syntax::Error::Translate(error) => {
            (error.kind().to_string(), Some(error.span().start.offset))
        }
        other => (other.to_string(), None),
    }
}

/// Why a regex that can be read is still of no use: message, label and place.
fn unusable(regex: &str, hir: &Hir) -> Option<(String, String, Option<usize>)> {
    if hir.properties().minimum_len() == Some(0) {
        let message = "the regex matches the empty text, so it is in every text".to_owned();
        return Some((message, "matches the empty text".to_owned(), None));
    }
    if hir.properties().look_set().contains_word_unicode() {
        let message =
            "Unicode `\\b` is slow on text that is not ASCII; leave `(?u)` out".to_owned();
        return Some((message, "a Unicode word border".to_owned(), None));
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
    Some((message, label, Some(at)))
}

/// The place of an offset in a regex: exact where the file holds the regex as it is (no escapes).
fn inside(node: &Node, regex: &str, at: usize) -> Place {
    let mut place = node.place.clone();
    let source = place.source.as_ref();
    let written = source.and_then(|source| source.text().get(place.range.clone()));
    if let Some(start) = written.and_then(|written| written.find(regex)) {
        let at = (0..=at.min(regex.len()))
            .rev()
            .find(|&at| regex.is_char_boundary(at))
            .unwrap_or(0);
        let width = regex
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        let from = place.range.start + start + at;
        place.range = from..from + width;
    }
    place
}
