//! The rules: files, diagnostics, compilation, evaluation and their own tests.
//!
//! ```text
//! rules/*.yaml ─ format ─▶ Rule (typed, with a Condition) ─ compile ─▶ Program ─ evaluate ─▶ hits
//! ```
//!
//! [`Ruleset`] is what was loaded. It holds every rule of every file and a compiled program in which
//! all phrases are one automaton, all regexes one set, and an index leads from a pattern to the
//! rules that it can make true: only those are evaluated, so the cost of a message hardly depends on
//! the number of rules.

pub mod compile;
pub mod condition;
pub mod evaluate;
pub mod matcher;
pub mod phrase;
mod rule;

pub use compile::{CompileError, Program};
pub use condition::Condition;
pub use rule::{Rule, RuleRoute, Status};

use std::sync::Arc;

use crate::message::Millis;

/// A rule's position in the full ruleset, as loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub u32);

/// Every rule, and the program that finds which of them a message fires.
pub struct Ruleset {
    /// Every rule of every file, also those that do not run (draft, retired). A restricted ruleset
    /// holds them all too, so that a [`RuleIndex`] means the same everywhere.
    pub rules: Arc<[Rule]>,
    /// Content hash over all rules with their statuses; on every item that they cause.
    pub hash: Arc<str>,
    program: Program,
}

impl Ruleset {
    /// Compiles rules.
    pub fn new(rules: Vec<Rule>) -> Result<Self, CompileError> {
        let rules: Arc<[Rule]> = rules.into();
        let hash = rule::ruleset_hash(&rules).into();
        let program = Program::compile(&rules, |rule| rule.status.runs())?;
        Ok(Self {
            rules,
            hash,
            program,
        })
    }

    /// The same rules, of which only those of some policies run: patterns of the others are not in
    /// the program at all, so a region without a legal basis for a policy is never searched for it.
    pub fn restricted_to(&self, policies: &dyn Fn(&str) -> bool) -> Result<Self, CompileError> {
        let program = Program::compile(&self.rules, |rule| {
            rule.status.runs() && policies(&rule.policy)
        })?;
        Ok(Self {
            rules: Arc::clone(&self.rules),
            hash: Arc::clone(&self.hash),
            program,
        })
    }

    /// One rule.
    #[must_use]
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.rules.get(index.0 as usize)
    }

    /// The names of all policies, each once, sorted.
    #[must_use]
    pub fn policies(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self
            .rules
            .iter()
            .map(|rule| Arc::clone(&rule.policy))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The longest window of any running rule's `rate` condition, in milliseconds; 0 without one.
    /// Conversation entries older than that cannot matter.
    #[must_use]
    pub fn longest_window(&self) -> Millis {
        self.program.longest_window()
    }

    /// What is run.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }
}
