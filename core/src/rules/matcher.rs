//! All patterns of all rules, looked for at once.
//!
//! Phrases are one `aho-corasick` automaton, regexes one `RegexSet`, both over the folded view. The
//! automaton finds literals; [`Phrase::accepts`] then checks the borders of words. Both engines take
//! time linear in the text, whatever the patterns and the text are.

use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::{Anchored, dfa, nfa};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::compile::CompileError;
use super::phrase::Phrase;

/// Phrases of together this many bytes become a full DFA: about twice as fast as the contiguous NFA,
/// but ten times its size, and slower once it has left the cache.
const DFA_BYTES: usize = 48 * 1024;
/// Memory that one regex may take when compiled, in bytes.
const REGEX_SIZE: usize = 1 << 20;
/// Memory that all regexes together may take, in bytes.
const REGEX_SET_SIZE: usize = 64 << 20;
/// Bounds of the memory, in bytes, that the set's lazy DFA may fill while it runs, for each thread. It
/// grows to that only on text that is made for it. With the default of 2 MiB a set of 1,000 regexes
/// clears its cache over and over and is 470 times slower, and text that is made for it slows a
/// dozen down 30 times.
const REGEX_CACHE: (usize, usize) = (16 << 20, 256 << 20);
const REGEX_CACHE_EACH: usize = 64 << 10;
/// Spans kept of one pattern in one message. More would tell a reviewer nothing.
const SPANS_PER_PATTERN: u8 = 32;
/// Spans of phrases kept in one message.
const SPANS_PER_MESSAGE: usize = 4096;

/// A pattern: a phrase, or after all phrases a regex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PatternId(pub u32);

/// The compiled patterns.
pub(super) struct Matcher {
    literals: Option<Literals>,
    /// For each literal of the automaton, its phrases: several if they differ in openness.
    phrases_of: Vec<Box<[u32]>>,
    phrases: Box<[Phrase]>,
    set: RegexSet,
    regexes: Box<[Regex]>,
}

enum Literals {
    Dfa(dfa::DFA),
    Nfa(nfa::contiguous::NFA),
}

/// Where a phrase was found in the folded view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) pattern: PatternId,
    pub(super) range: Range<usize>,
}

/// What was found in one message. Reused, so that a clean message allocates nothing.
pub(super) struct Hits {
    /// Patterns that were found, each once.
    pub(super) patterns: Vec<PatternId>,
    /// Where phrases were found, in order of their ends; bounded.
    pub(super) places: Vec<Hit>,
    /// Places kept for each phrase.
    kept: Box<[u8]>,
    /// Shares the compiled form with the matcher but has a cache of its own, so that threads do not
    /// wait for each other's.
    set: RegexSet,
}

impl Matcher {
    /// Compiles patterns that are each given once.
    pub(super) fn compile(phrases: Vec<Phrase>, regexes: &[&str]) -> Result<Self, CompileError> {
        let mut literals: Vec<&str> = phrases.iter().map(|phrase| &*phrase.literal).collect();
        literals.sort_unstable();
        literals.dedup();
        let mut phrases_of = vec![Vec::new(); literals.len()];
        for (pattern, phrase) in (0u32..).zip(&phrases) {
            if let Ok(at) = literals.binary_search(&&*phrase.literal)
                && let Some(slot) = phrases_of.get_mut(at)
            {
                slot.push(pattern);
            }
        }
        Ok(Self {
            literals: Literals::compile(&literals)?,
            phrases_of: phrases_of.into_iter().map(Vec::into_boxed_slice).collect(),
            set: RegexSetBuilder::new(regexes)
                .unicode(false)
                .case_insensitive(true)
                .size_limit(REGEX_SET_SIZE)
                .dfa_size_limit(cache(regexes.len()))
                .build()
                .map_err(|error| CompileError::Regexes(error.to_string()))?,
            regexes: regexes
                .iter()
                .map(|regex| compile_regex(regex))
                .collect::<Result<_, _>>()?,
            phrases: phrases.into_boxed_slice(),
        })
    }

    /// The id of the n-th regex.
    pub(super) fn regex_id(phrases: usize, regex: usize) -> PatternId {
        PatternId(u32::try_from(phrases + regex).unwrap_or(u32::MAX))
    }

    pub(super) fn hits(&self) -> Hits {
        Hits {
            patterns: Vec::with_capacity(16),
            places: Vec::with_capacity(16),
            kept: vec![0; self.phrases.len()].into_boxed_slice(),
            set: self.set.clone(),
        }
    }

    /// Finds every pattern in a folded view.
    pub(super) fn scan(&self, view: &str, hits: &mut Hits) {
        hits.clear();
        match &self.literals {
            Some(Literals::Dfa(automaton)) => self.scan_literals(automaton, view, hits),
            Some(Literals::Nfa(automaton)) => self.scan_literals(automaton, view, hits),
            None => {}
        }
        // `matches` allocates, so it is only asked when there is something to be told.
        if !self.regexes.is_empty() && hits.set.is_match(view.as_bytes()) {
            for regex in hits.set.matches(view.as_bytes()).iter() {
                hits.patterns
                    .push(Self::regex_id(self.phrases.len(), regex));
            }
        }
    }

    fn scan_literals(&self, automaton: &impl Automaton, view: &str, hits: &mut Hits) {
        // Both automata are built with an unanchored start, so there is always this state.
        let Ok(mut state) = automaton.start_state(Anchored::No) else {
            return;
        };
        for (at, &byte) in view.as_bytes().iter().enumerate() {
            state = automaton.next_state(Anchored::No, state, byte);
            if automaton.is_special(state) && automaton.is_match(state) {
                for index in 0..automaton.match_len(state) {
                    let literal = automaton.match_pattern(state, index).as_usize();
                    self.literal(literal, at + 1, view, hits);
                }
            }
        }
    }

    #[cold]
    fn literal(&self, literal: usize, end: usize, view: &str, hits: &mut Hits) {
        for &pattern in self.phrases_of.get(literal).into_iter().flatten() {
            let index = pattern as usize;
            let (Some(phrase), Some(kept)) = (self.phrases.get(index), hits.kept.get_mut(index))
            else {
                continue;
            };
            let range = end - phrase.literal.len()..end;
            if *kept >= SPANS_PER_PATTERN || !phrase.accepts(view, range.clone()) {
                continue;
            }
            if *kept == 0 {
                hits.patterns.push(PatternId(pattern));
            }
            *kept += 1;
            if hits.places.len() < SPANS_PER_MESSAGE {
                hits.places.push(Hit {
                    pattern: PatternId(pattern),
                    range,
                });
            }
        }
    }

    /// Where a regex matches, if the pattern is one. Bounded, empty matches left out.
    pub(super) fn regex_places(
        &self,
        pattern: PatternId,
        view: &str,
    ) -> impl Iterator<Item = Range<usize>> {
        let regex = (pattern.0 as usize).checked_sub(self.phrases.len());
        regex
            .and_then(|index| self.regexes.get(index))
            .into_iter()
            .flat_map(move |regex| regex.find_iter(view.as_bytes()))
            .take(usize::from(SPANS_PER_PATTERN))
            .map(|found| found.range())
            .filter(|range| !range.is_empty())
    }
}

impl Literals {
    fn compile(literals: &[&str]) -> Result<Option<Self>, CompileError> {
        if literals.is_empty() {
            return Ok(None);
        }
        let error = |error: aho_corasick::BuildError| CompileError::Phrases(error.to_string());
        let sparse = nfa::noncontiguous::NFA::new(literals).map_err(error)?;
        let bytes: usize = literals.iter().map(|literal| literal.len()).sum();
        if bytes <= DFA_BYTES {
            let mut builder = dfa::Builder::new();
            let _ = builder.start_kind(aho_corasick::StartKind::Unanchored);
            return Ok(Some(Self::Dfa(
                builder.build_from_noncontiguous(&sparse).map_err(error)?,
            )));
        }
        let builder = nfa::contiguous::Builder::new();
        Ok(Some(Self::Nfa(
            builder.build_from_noncontiguous(&sparse).map_err(error)?,
        )))
    }
}

impl Hits {
    fn clear(&mut self) {
        for pattern in self.patterns.drain(..) {
            if let Some(kept) = self.kept.get_mut(pattern.0 as usize) {
                *kept = 0;
            }
        }
        self.places.clear();
    }
}

fn cache(regexes: usize) -> usize {
    let (least, most) = REGEX_CACHE;
    regexes.saturating_mul(REGEX_CACHE_EACH).clamp(least, most)
}

/// One regex as it is run: on bytes of the folded view, without Unicode classes (whose `\b` makes
/// the fast engines give up), within bounds on size.
pub(super) fn compile_regex(regex: &str) -> Result<Regex, CompileError> {
    RegexBuilder::new(regex)
        .unicode(false)
        .case_insensitive(true)
        .size_limit(REGEX_SIZE)
        .build()
        .map_err(|error| CompileError::Regex {
            regex: regex.to_owned(),
            reason: error.to_string(),
        })
}
