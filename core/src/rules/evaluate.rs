//! Running a program on one message.

use std::ops::Range;

use super::RuleIndex;
use super::compile::{Counter, Gated, Node, Program, Runnable};
use super::matcher::{Hits, PatternId};
use crate::conversation::{Entry, Key, Store};
use crate::judge::Position;
use crate::message::Message;
use crate::text::{SpanCounter, Text, View};
use crate::verdict::Span;

/// Spans that a reason holds at most.
const SPANS_PER_REASON: usize = 64;

/// Scratch of one thread for one program. After warming up, a clean message allocates nothing.
pub struct Scratch {
    text: Text,
    hits: Hits,
    terms: Marks,
    counters: Marks,
    rules: Marks,
}

/// A rule that fired, and the index of its [`Runnable`].
pub(crate) struct Fired {
    pub(crate) rule: RuleIndex,
    runnable: u32,
    pub(crate) live: bool,
}

impl Program {
    /// Scratch for this program (and no other).
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        Scratch {
            text: Text::new(),
            hits: self.matcher.hits(),
            terms: Marks::new(self.gated.len()),
            counters: Marks::new(self.counters.len()),
            rules: Marks::new(self.rules.len()),
        }
    }

    /// Finds the rules that a message fires, in rule order, and what it adds to its conversation.
    pub(crate) fn run(
        &self,
        message: &Message<'_>,
        position: Position,
        store: &mut Store,
        scratch: &mut Scratch,
        fired: &mut Vec<Fired>,
        state: &mut Vec<Entry>,
    ) {
        self.find(message, scratch);
        self.count(message, position, store, scratch, state);
        self.gather(&mut scratch.rules, &scratch.terms, |gated| &gated.rules);
        scratch.rules.list.sort_unstable();
        for &index in &scratch.rules.list {
            let Some(runnable) = self.rules.get(index as usize) else {
                continue;
            };
            if runnable.fires(message, position, &scratch.terms) {
                fired.push(Fired {
                    rule: runnable.rule,
                    runnable: index,
                    live: runnable.is_live(message),
                });
            }
        }
    }

    fn find(&self, message: &Message<'_>, scratch: &mut Scratch) {
        scratch.terms.clear();
        scratch.text.normalise(message.text.reveal());
        self.matcher
            .scan(scratch.text.view(View::Folded), &mut scratch.hits);
        for pattern in &scratch.hits.patterns {
            for &term in self.terms(*pattern) {
                scratch.terms.mark(term);
            }
        }
    }

    /// Evaluates the counters that can count this message.
    fn count(
        &self,
        message: &Message<'_>,
        position: Position,
        store: &mut Store,
        scratch: &mut Scratch,
        state: &mut Vec<Entry>,
    ) {
        if self.counters.is_empty() {
            return;
        }
        self.gather(&mut scratch.counters, &scratch.terms, |gated| {
            &gated.counters
        });
        for &index in &scratch.counters.list {
            let Some(counter) = self.counters.get(index as usize) else {
                continue;
            };
            if counter
                .expires
                .is_some_and(|expires| position.at >= expires)
                || !counter.of.is_true(message, &scratch.terms)
            {
                continue;
            }
            if counter.observe(message, position, store, state) {
                scratch.terms.mark(counter.term);
            }
        }
    }

    /// Marks what the found terms may make true, and what has no gate.
    fn gather(&self, into: &mut Marks, terms: &Marks, of: impl Fn(&Gated) -> &Vec<u32>) {
        into.clear();
        let found = terms
            .list
            .iter()
            .filter_map(|&term| self.gated.get(term as usize));
        for gated in found.chain([&self.always]) {
            of(gated).iter().for_each(|&index| into.mark(index));
        }
    }

    fn terms(&self, pattern: PatternId) -> &[u32] {
        self.terms_of
            .get(pattern.0 as usize)
            .map_or(&[], |terms| terms)
    }

    /// Where in the original text lies what made a rule fire. Right after [`Program::run`] only.
    pub(crate) fn spans(
        &self,
        message: &Message<'_>,
        fired: &Fired,
        scratch: &Scratch,
    ) -> Vec<Span> {
        let Some(runnable) = self.rules.get(fired.runnable as usize) else {
            return Vec::new();
        };
        let mut witnesses = Vec::new();
        self.witnesses(&runnable.when, message, &scratch.terms, &mut witnesses);
        let is_witness = |pattern| {
            self.terms(pattern)
                .iter()
                .any(|term| witnesses.contains(term))
        };

        let view = scratch.text.view(View::Folded);
        let hits = scratch.hits.places.iter();
        let phrases = hits
            .filter(|hit| is_witness(hit.pattern))
            .map(|hit| hit.range.clone());
        let patterns = scratch
            .hits
            .patterns
            .iter()
            .filter(|pattern| is_witness(**pattern));
        let regexes = patterns.flat_map(|&pattern| self.matcher.regex_places(pattern, view));
        let ranges = phrases
            .chain(regexes)
            .map(|range| scratch.text.original_range(range))
            .collect();

        let mut counter = SpanCounter::new(message.text.reveal());
        let merged = merge(ranges).into_iter().take(SPANS_PER_REASON);
        merged.map(|range| counter.span(range)).collect()
    }

    /// The terms that a true condition is true by.
    fn witnesses(&self, node: &Node, message: &Message<'_>, found: &Marks, out: &mut Vec<u32>) {
        match node {
            Node::All(of) | Node::Any(of) | Node::Count { of, .. } => {
                for inner in of.iter().filter(|inner| inner.is_true(message, found)) {
                    self.witnesses(inner, message, found, out);
                }
            }
            Node::Term(term) => out.push(*term),
            Node::Counter { counter, .. } => {
                if let Some(counter) = self.counters.get(*counter as usize) {
                    self.witnesses(&counter.of, message, found, out);
                }
            }
            Node::Not(_) | Node::Fact(_) => {}
        }
    }
}

impl Runnable {
    fn fires(&self, message: &Message<'_>, position: Position, found: &Marks) -> bool {
        self.expires.is_none_or(|expires| position.at < expires)
            && self.when.is_true(message, found)
            && !self
                .unless
                .as_ref()
                .is_some_and(|unless| unless.is_true(message, found))
    }

    fn is_live(&self, message: &Message<'_>) -> bool {
        match self.status {
            super::Status::Canary(percent) => {
                percentile(&message.conversation_id) < u64::from(percent)
            }
            super::Status::Shadow => false,
            _ => true,
        }
    }
}

/// The percentile (0 to 99) of a conversation among all. Never changes: FNV-1a, then a mix, because
/// the low bits of FNV alone are uneven.
#[must_use]
pub fn percentile(conversation_id: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in conversation_id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash ^ hash >> 33) % 100
}

impl Counter {
    /// Counts a message whose inner condition is true; whether the count is reached.
    fn observe(
        &self,
        message: &Message<'_>,
        position: Position,
        store: &mut Store,
        state: &mut Vec<Entry>,
    ) -> bool {
        let key = Key {
            conversation_id: &message.conversation_id,
            sender_id: &message.sender.id,
            cue: &self.cue,
        };
        state.extend(store.observe(key, position.offset, position.at));
        let after = crate::message::Millis(position.at.0.saturating_sub(self.within.0));
        store.reaches(key, position.offset, after, self.at_least)
    }
}

impl Node {
    fn is_true(&self, message: &Message<'_>, found: &Marks) -> bool {
        match self {
            Node::All(of) => of.iter().all(|inner| inner.is_true(message, found)),
            Node::Any(of) => of.iter().any(|inner| inner.is_true(message, found)),
            Node::Not(inner) => !inner.is_true(message, found),
            Node::Count { of, at_least } => {
                let holds = of.iter().filter(|inner| inner.is_true(message, found));
                holds.take(*at_least).count() >= *at_least
            }
            Node::Term(term) | Node::Counter { term, .. } => found.has(*term),
            Node::Fact(fact) => fact.holds(message),
        }
    }
}

/// A set of small numbers that is emptied without touching all of them.
pub(super) struct Marks {
    /// The round in which each number was marked last.
    round_of: Box<[u32]>,
    round: u32,
    /// The numbers marked in this round.
    list: Vec<u32>,
}

impl Marks {
    fn new(len: usize) -> Self {
        Self {
            round_of: vec![0; len].into_boxed_slice(),
            round: 1,
            list: Vec::with_capacity(len.min(64)),
        }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.round_of.fill(0);
            self.round = 1;
        }
    }

    fn mark(&mut self, number: u32) {
        if let Some(round) = self.round_of.get_mut(number as usize)
            && *round != self.round
        {
            *round = self.round;
            self.list.push(number);
        }
    }

    fn has(&self, number: u32) -> bool {
        self.round_of.get(number as usize) == Some(&self.round)
    }
}

/// Sorts ranges and unites those that overlap or touch.
fn merge(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
