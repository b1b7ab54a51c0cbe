//! Phrase lists: one phrase a line, `#` comments.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::phrase::Phrase;
use super::sources::Sources;
use crate::document::{Fault, Faults, Node, Place, Source, closest};

/// The lists of a folder, each read when a rule first uses it.
pub(super) struct Lists<'s> {
    sources: &'s BTreeMap<String, Arc<Source>>,
    read: HashMap<&'s str, Arc<[Phrase]>>,
}

impl<'s> Lists<'s> {
    pub(super) fn new(sources: &'s Sources) -> Self {
        Self {
            sources: &sources.lists,
            read: HashMap::new(),
        }
    }

    /// The phrases of a list; `node` is its name in a rule.
    pub(super) fn get(
        &mut self,
        name: &str,
        node: &Node,
        faults: &mut Faults,
    ) -> Option<Arc<[Phrase]>> {
        let Some((name, source)) = self.sources.get_key_value(name) else {
            let names = self.sources.keys().map(String::as_str);
            let message = format!("there is no list `{name}` (a file `lists/{name}.txt`)");
            let fault = Fault::error("missing-list", message, &node.place).label("no such list");
            faults.push(fault.did_you_mean(closest(name, names)));
            return None;
        };
        if let Some(phrases) = self.read.get(name.as_str()) {
            return Some(Arc::clone(phrases));
        }
        let phrases: Arc<[Phrase]> = read(source, faults).into();
        if phrases.is_empty() {
            let fault = Fault::error(
                "empty-list",
                format!("the list `{name}` has no phrase"),
                &node.place,
            );
            faults.push(fault.label("nothing in it can be found"));
        }
        let _ = self.read.insert(name, Arc::clone(&phrases));
        Some(phrases)
    }

    /// Warns of every list that no rule asked for.
    pub(super) fn finish(self, faults: &mut Faults) {
        for (name, source) in self.sources {
            if !self.read.contains_key(name.as_str()) {
                let message = format!("no rule uses the list `{name}`");
                faults.push(Fault::warning(
                    "unused-list",
                    message,
                    &Place::file(source, 0..0),
                ));
            }
        }
    }
}

fn read(source: &Arc<Source>, faults: &mut Faults) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    let mut seen: HashMap<Phrase, Range<usize>> = HashMap::new();
    for range in lines(source.text()) {
        let written = source.text().get(range.clone()).unwrap_or_default();
        let place = Place::file(source, range.clone());
        let Some(phrase) = parse(written, &place, faults) else {
            continue;
        };
        if let Some(first) = seen.get(&phrase) {
            warn_twice(&place, &Place::file(source, first.clone()), faults);
            continue;
        }
        let _ = seen.insert(phrase.clone(), range);
        phrases.push(phrase);
    }
    phrases
}

/// Each line's text without comment and white space, if anything is left. A `#` begins a comment
/// at the start of a line or after white space, so that a hashtag can be a phrase: `\#tag`.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let comment = line
            .char_indices()
            .find(|&(index, c)| {
                c == '#'
                    && line
                        .get(..index)
                        .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
            })
            .map_or(line.len(), |(index, _)| index);
        let content = line.get(..comment)?;
        let trimmed = content.trim();
        let indent = content.len() - content.trim_start().len();
        (!trimmed.is_empty()).then_some(start + indent..start + indent + trimmed.len())
    })
}

/// Reads one phrase and says what is wrong with it.
pub(super) fn parse(written: &str, place: &Place, faults: &mut Faults) -> Option<Phrase> {
    let written = written
        .strip_prefix('\\')
        .filter(|rest| rest.starts_with('#'))
        .unwrap_or(written);
    match Phrase::parse(written) {
        Ok(phrase) => Some(phrase),
        Err(error) => {
            faults.push(Fault::error("phrase", error.to_string(), place).label("no phrase"));
            None
        }
    }
}

pub(super) fn warn_twice(place: &Place, first: &Place, faults: &mut Faults) {
    let fault = Fault::warning("duplicate-phrase", "the phrase is in the list twice", place);
    faults.push(fault.label("again here").related(first, "first here"));
}
