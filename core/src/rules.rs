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
mod format;
mod lists;
mod matcher;
pub mod phrase;
mod rule;
mod sources;
pub mod testing;
#[cfg(test)]
mod tests;

pub use compile::{CompileError, Program};
pub use condition::Condition;
pub use format::MAX_RATE;
pub use rule::{Rule, RuleRoute, Status};
pub use sources::Sources;

use std::path::Path;
use std::sync::Arc;

use crate::document::{Fault, Faults, Origin, Place};
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
    /// What somebody should look at, although the rules can be used.
    pub warnings: Vec<Fault>,
    program: Program,
}

impl Ruleset {
    /// Reads and compiles the rule files of a folder: `*.yaml`, with phrase lists in
    /// `lists/*.txt`. On failure every fault of every file comes back, warnings included.
    pub fn load(dir: &Path) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::new();
        let sources = Sources::read(dir, &mut faults);
        Self::read(&sources, faults)
    }

    /// Reads and compiles files that are in memory, after faults that were found before.
    pub fn read(sources: &Sources, mut faults: Faults) -> Result<Self, Vec<Fault>> {
        let rules = format::read(sources, &mut faults);
        if faults.has_errors() {
            return Err(faults.into_vec());
        }
        match Self::new(rules) {
            Ok(ruleset) => Ok(Self {
                warnings: faults.into_vec(),
                ..ruleset
            }),
            Err(error) => {
                let place = Place::elsewhere(Origin::Flag("--rules".into()));
                faults.push(Fault::error("too-large", error.to_string(), &place));
                Err(faults.into_vec())
            }
        }
    }

    /// Compiles rules.
    pub fn new(rules: Vec<Rule>) -> Result<Self, CompileError> {
        let rules: Arc<[Rule]> = rules.into();
        let hash = rule::ruleset_hash(&rules).into();
        let program = Program::compile(&rules, |rule| rule.status.runs())?;
        Ok(Self {
            rules,
            hash,
            warnings: Vec::new(),
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
            warnings: Vec::new(),
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
