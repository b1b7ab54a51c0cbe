//! From conditions to a program.
//!
//! Patterns of all rules are numbered once, however many rules use them. A *term* is what a
//! condition asks of them: "one of these patterns was found". Each rule is indexed under its
//! *gate*: terms of which at least one must be found for the rule to be true. A rule that can be
//! true although nothing was found (only facts, or a `not`) has no gate and is on a short list that
//! is always evaluated.
//!
//! A `rate` condition is a *counter* with a term of its own, which is found when the count is
//! reached. Counters are evaluated before rules, each exactly when its inner condition can be true,
//! so what is counted does not depend on what else a rule says or on the order of evaluation.

use std::collections::HashMap;

use super::RuleIndex;
use super::condition::{Condition, Fact};
use super::matcher::{Matcher, PatternId};
use super::phrase::Phrase;
use super::rule::{Rule, Status};
use crate::message::Millis;

/// Why rules do not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A regex is wrong or too large.
    #[error("the regex `{regex}` cannot be used: {reason}")]
    Regex {
        /// It.
        regex: String,
        /// What is wrong with it.
        reason: String,
    },
    /// All regexes together are too large.
    #[error("all regexes together are too large: {0}")]
    Regexes(String),
    /// All phrases together are too large.
    #[error("all phrases together are too large: {0}")]
    Phrases(String),
}

/// What is run for each message.
pub struct Program {
    pub(super) matcher: Matcher,
    /// For each pattern, its terms.
    pub(super) terms_of: Vec<Box<[u32]>>,
    /// For each term, the counters and the rules that it may make true.
    pub(super) gated: Vec<Gated>,
    /// Those without a gate.
    pub(super) always: Gated,
    pub(super) counters: Vec<Counter>,
    pub(super) rules: Vec<Runnable>,
    longest_window: Millis,
}

/// Indices into [`Program::counters`] and [`Program::rules`].
#[derive(Debug, Default)]
pub(super) struct Gated {
    pub(super) counters: Vec<u32>,
    pub(super) rules: Vec<u32>,
}

/// A rule that runs.
pub(super) struct Runnable {
    pub(super) rule: RuleIndex,
    pub(super) status: Status,
    pub(super) expires: Option<Millis>,
    pub(super) when: Node,
    pub(super) unless: Option<Node>,
}

/// A `rate` condition.
pub(super) struct Counter {
    pub(super) of: Node,
    pub(super) at_least: usize,
    pub(super) within: Millis,
    pub(super) cue: Box<str>,
    pub(super) term: u32,
    pub(super) expires: Option<Millis>,
}

/// A condition, compiled.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Not(Box<Node>),
    Count { of: Box<[Node]>, at_least: usize },
    Term(u32),
    Counter { counter: u32, term: u32 },
    Fact(Fact),
}

impl Program {
    /// Compiles the rules that `runs` picks.
    pub fn compile(rules: &[Rule], runs: impl Fn(&Rule) -> bool) -> Result<Self, CompileError> {
        let picked = || (0u32..).zip(rules).filter(|(_, rule)| runs(rule));
        let mut patterns = Patterns::default();
        for (_, rule) in picked() {
            patterns.collect(&rule.when);
            rule.unless
                .iter()
                .for_each(|unless| patterns.collect(unless));
        }
        let mut build = Build {
            patterns: &patterns,
            terms: HashMap::new(),
            term_sizes: Vec::new(),
            counters: Vec::new(),
            counter_gates: Vec::new(),
        };
        let mut runnables = Vec::new();
        let mut gates = Vec::new();
        for (index, rule) in picked() {
            let mut site = Site { rule, counters: 0 };
            let when = build.node(&rule.when, &mut site);
            let unless = rule
                .unless
                .as_ref()
                .map(|unless| build.node(unless, &mut site));
            gates.push(build.gate(&when));
            runnables.push(Runnable {
                rule: RuleIndex(index),
                status: rule.status,
                expires: rule.expires,
                when,
                unless,
            });
        }

        let mut terms_of = vec![Vec::new(); patterns.phrases.len() + patterns.regexes.len()];
        for (key, &term) in &build.terms {
            for pattern in key {
                if let Some(terms) = terms_of.get_mut(pattern.0 as usize) {
                    terms.push(term);
                }
            }
        }
        let mut gated: Vec<Gated> = build.term_sizes.iter().map(|_| Gated::default()).collect();
        let mut always = Gated::default();
        for (index, gate) in (0u32..).zip(&build.counter_gates) {
            enlist(gate.as_deref(), &mut gated, &mut always, |gated| {
                gated.counters.push(index)
            });
        }
        for (index, gate) in (0u32..).zip(&gates) {
            enlist(gate.as_deref(), &mut gated, &mut always, |gated| {
                gated.rules.push(index)
            });
        }
        let longest_window = build.counters.iter().map(|counter| counter.within).max();
        Ok(Self {
            terms_of: terms_of
                .into_iter()
                .map(|mut terms| {
                    terms.sort_unstable();
                    terms.into_boxed_slice()
                })
                .collect(),
            gated,
            always,
            counters: build.counters,
            rules: runnables,
            longest_window: longest_window.unwrap_or(Millis(0)),
            matcher: Matcher::compile(patterns.phrases, &patterns.regexes)?,
        })
    }

    /// Number of distinct phrases and regexes.
    #[must_use]
    pub const fn pattern_count(&self) -> usize {
        self.terms_of.len()
    }

    /// The rules that are evaluated for every message, because they can be true of a text in which
    /// nothing is found.
    #[must_use]
    pub fn always_evaluated(&self) -> Vec<RuleIndex> {
        let runnable = |index: &u32| {
            self.rules
                .get(*index as usize)
                .map(|runnable| runnable.rule)
        };
        self.always.rules.iter().filter_map(runnable).collect()
    }

    pub(super) const fn longest_window(&self) -> Millis {
        self.longest_window
    }
}

fn enlist(
    gate: Option<&[u32]>,
    gated: &mut [Gated],
    always: &mut Gated,
    push: impl Fn(&mut Gated),
) {
    let Some(terms) = gate else {
        push(always);
        return;
    };
    for &term in terms {
        gated.get_mut(term as usize).into_iter().for_each(&push);
    }
}

/// Every distinct pattern, numbered: phrases first, then regexes.
#[derive(Default)]
struct Patterns<'a> {
    phrases: Vec<Phrase>,
    phrase_ids: HashMap<&'a Phrase, u32>,
    regexes: Vec<&'a str>,
    regex_ids: HashMap<&'a str, usize>,
}

impl<'a> Patterns<'a> {
    fn collect(&mut self, condition: &'a Condition) {
        match condition {
            Condition::All(of) | Condition::Any(of) | Condition::Count { of, .. } => {
                of.iter().for_each(|inner| self.collect(inner));
            }
            Condition::Not(inner) => self.collect(inner),
            Condition::Rate(rate) => self.collect(&rate.of),
            Condition::Phrases(phrases) => {
                for phrase in phrases.phrases.iter() {
                    let next = u32::try_from(self.phrases.len()).unwrap_or(u32::MAX);
                    let _ = self.phrase_ids.entry(phrase).or_insert_with(|| {
                        self.phrases.push(phrase.clone());
                        next
                    });
                }
            }
            Condition::Regex(regex) => {
                let next = self.regexes.len();
                let _ = self.regex_ids.entry(regex).or_insert_with(|| {
                    self.regexes.push(regex);
                    next
                });
            }
            Condition::Fact(_) => {}
        }
    }

    fn phrase(&self, phrase: &Phrase) -> Option<PatternId> {
        self.phrase_ids.get(phrase).copied().map(PatternId)
    }

    fn regex(&self, regex: &str) -> Option<PatternId> {
        let index = *self.regex_ids.get(regex)?;
        Some(Matcher::regex_id(self.phrases.len(), index))
    }
}

struct Build<'p, 'a> {
    patterns: &'p Patterns<'a>,
    /// Term of a sorted set of patterns; rules that use the same list share it.
    terms: HashMap<Vec<PatternId>, u32>,
    /// Number of patterns of each term.
    term_sizes: Vec<usize>,
    counters: Vec<Counter>,
    counter_gates: Vec<Option<Vec<u32>>>,
}

/// The rule that is being compiled.
struct Site<'r> {
    rule: &'r Rule,
    counters: usize,
}

impl Build<'_, '_> {
    fn node(&mut self, condition: &Condition, site: &mut Site<'_>) -> Node {
        match condition {
            Condition::All(of) => Node::All(self.nodes(of, site)),
            Condition::Any(of) => Node::Any(self.nodes(of, site)),
            Condition::Count { of, at_least } => Node::Count {
                of: self.nodes(of, site),
                at_least: *at_least,
            },
            Condition::Not(inner) => Node::Not(Box::new(self.node(inner, site))),
            Condition::Phrases(phrases) => {
                let patterns = phrases
                    .phrases
                    .iter()
                    .filter_map(|phrase| self.patterns.phrase(phrase));
                self.term(patterns.collect())
            }
            Condition::Regex(regex) => self.term(self.patterns.regex(regex).into_iter().collect()),
            Condition::Fact(fact) => Node::Fact(fact.clone()),
            Condition::Rate(rate) => {
                let cue = format!("{}#{}", site.rule.id, site.counters).into_boxed_str();
                site.counters += 1;
                let of = self.node(&rate.of, site);
                let term = self.new_term(1);
                let counter = u32::try_from(self.counters.len()).unwrap_or(u32::MAX);
                self.counter_gates.push(self.gate(&of));
                self.counters.push(Counter {
                    of,
                    at_least: rate.at_least,
                    within: rate.within,
                    cue,
                    term,
                    expires: site.rule.expires,
                });
                Node::Counter { counter, term }
            }
        }
    }

    fn nodes(&mut self, of: &[Condition], site: &mut Site<'_>) -> Box<[Node]> {
        of.iter().map(|inner| self.node(inner, site)).collect()
    }

    fn term(&mut self, mut patterns: Vec<PatternId>) -> Node {
        patterns.sort_unstable();
        patterns.dedup();
        if let Some(&term) = self.terms.get(&patterns) {
            return Node::Term(term);
        }
        let term = self.new_term(patterns.len());
        let _ = self.terms.insert(patterns, term);
        Node::Term(term)
    }

    fn new_term(&mut self, size: usize) -> u32 {
        let term = u32::try_from(self.term_sizes.len()).unwrap_or(u32::MAX);
        self.term_sizes.push(size);
        term
    }

    /// Terms of which at least one is found whenever the node is true; `None` if it can be true
    /// without any. Of several possible gates, the one of the fewest patterns.
    fn gate(&self, node: &Node) -> Option<Vec<u32>> {
        match node {
            Node::Term(term) | Node::Counter { term, .. } => Some(vec![*term]),
            Node::Not(_) | Node::Fact(_) => None,
            Node::All(of) => {
                let gates = of.iter().filter_map(|inner| self.gate(inner));
                gates.min_by_key(|gate| self.patterns_in(gate))
            }
            Node::Any(of) => self.united(of, 1),
            Node::Count { of, at_least } => self.united(of, *at_least),
        }
    }

    /// Gate of "at least so many of these". If at most `at_least − 1` of them have no gate, one of
    /// the others must be true.
    fn united(&self, of: &[Node], at_least: usize) -> Option<Vec<u32>> {
        let gates: Vec<_> = of.iter().filter_map(|inner| self.gate(inner)).collect();
        if of.len() - gates.len() >= at_least {
            return None;
        }
        let mut terms: Vec<u32> = gates.into_iter().flatten().collect();
        terms.sort_unstable();
        terms.dedup();
        Some(terms)
    }

    fn patterns_in(&self, gate: &[u32]) -> usize {
        gate.iter()
            .filter_map(|&term| self.term_sizes.get(term as usize))
            .sum()
    }
}
