//! The rules' own tests: messages that a rule must fire on, messages that it must not, and
//! conversations with the turn at which it first fires.
//!
//! They run through the worker's own code, with every rule of the ruleset compiled in (drafts too):
//! a rule that fires is a rule that fires in the company of the others.

use std::fmt;

use super::evaluate::{Fired, Scratch};
use super::{CompileError, Program, Rule, RuleIndex, Ruleset, Status};
use crate::conversation::Store;
use crate::document::{Fault, Place};
use crate::judge::Position;
use crate::message::{Message, Millis};

/// Tests of one rule.
#[derive(Clone, Default)]
pub struct Tests {
    /// The rule fires on each of these.
    pub matches: Vec<TestMessage>,
    /// It fires on none of these.
    pub no_matches: Vec<TestMessage>,
    /// It fires in these at a certain turn, or never.
    pub conversations: Vec<TestConversation>,
}

/// How many there are: texts are not printed, not even an author's.
impl fmt::Debug for Tests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tests")
            .field("matches", &self.matches.len())
            .field("no_matches", &self.no_matches.len())
            .field("conversations", &self.conversations.len())
            .finish()
    }
}

impl Tests {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.matches.len() + self.no_matches.len() + self.conversations.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One message.
#[derive(Clone)]
pub struct TestMessage {
    /// It.
    pub message: Message<'static>,
    /// Where it was written.
    pub place: Place,
}

/// Messages of one conversation, in order.
#[derive(Clone)]
pub struct TestConversation {
    /// The messages.
    pub turns: Vec<Turn>,
    /// The turn, from 1, at which the rule fires for the first time; `None`: it never does.
    pub fires_at: Option<usize>,
    /// Where it was written.
    pub place: Place,
}

/// One message of a conversation.
#[derive(Clone)]
pub struct Turn {
    /// It.
    pub message: Message<'static>,
    /// How long after the turn before.
    pub after: Millis,
}

/// What came out of the tests of one rule.
#[derive(Debug, Clone)]
pub struct RuleReport {
    /// The rule.
    pub rule: RuleIndex,
    /// How many tests held.
    pub passed: usize,
    /// Those that did not, as faults at the place of the test.
    pub failed: Vec<Fault>,
}

/// What came out of all tests.
#[derive(Debug, Clone, Default)]
pub struct TestReport {
    /// Every rule that is not retired, in order.
    pub rules: Vec<RuleReport>,
}

impl TestReport {
    /// How many tests held.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.rules.iter().map(|report| report.passed).sum()
    }

    /// Every test that did not hold.
    #[must_use]
    pub fn failed(&self) -> Vec<Fault> {
        self.rules
            .iter()
            .flat_map(|report| report.failed.iter().cloned())
            .collect()
    }
}

/// Runs the tests of every rule that is not retired.
pub fn run(ruleset: &Ruleset) -> Result<TestReport, CompileError> {
    let program = Program::compile(&ruleset.rules, |rule| rule.status != Status::Retired)?;
    let mut bench = Bench {
        scratch: program.scratch(),
        program,
        fired: Vec::new(),
    };
    let rules = (0u32..).zip(ruleset.rules.iter());
    let tested = rules.filter(|(_, rule)| rule.status != Status::Retired);
    let rules = tested
        .map(|(index, rule)| bench.test(RuleIndex(index), rule))
        .collect();
    Ok(TestReport { rules })
}

struct Bench {
    program: Program,
    scratch: Scratch,
    fired: Vec<Fired>,
}

impl Bench {
    fn test(&mut self, index: RuleIndex, rule: &Rule) -> RuleReport {
        let mut report = RuleReport {
            rule: index,
            passed: 0,
            failed: Vec::new(),
        };
        for test in &rule.tests.matches {
            let fires = self.fires(index, &test.message, START, &mut Store::default());
            report.note(fires, || missed(rule, &test.place));
        }
        for test in &rule.tests.no_matches {
            let fires = self.fires(index, &test.message, START, &mut Store::default());
            report.note(!fires, || false_alarm(rule, &test.place));
        }
        for test in &rule.tests.conversations {
            let fires_at = self.first(index, test);
            report.note(fires_at == test.fires_at, || {
                at_another_turn(rule, test, fires_at)
            });
        }
        report
    }

    /// The turn, from 1, at which a rule fires first.
    fn first(&mut self, index: RuleIndex, test: &TestConversation) -> Option<usize> {
        let mut store = Store::default();
        let mut position = START;
        for (number, turn) in (1..).zip(&test.turns) {
            position.at.0 = position.at.0.saturating_add(turn.after.0);
            position.offset += 1;
            if self.fires(index, &turn.message, position, &mut store) {
                return Some(number);
            }
        }
        None
    }

    fn fires(
        &mut self,
        index: RuleIndex,
        message: &Message<'_>,
        position: Position,
        store: &mut Store,
    ) -> bool {
        self.fired.clear();
        let mut state = Vec::new();
        self.program.run(
            message,
            position,
            store,
            &mut self.scratch,
            &mut self.fired,
            &mut state,
        );
        self.fired.iter().any(|fired| fired.rule == index)
    }
}

/// Before any rule expires.
const START: Position = Position {
    offset: 0,
    at: Millis(0),
};

impl RuleReport {
    fn note(&mut self, holds: bool, fault: impl FnOnce() -> Fault) {
        if holds {
            self.passed += 1;
        } else {
            self.failed.push(fault());
        }
    }
}

fn missed(rule: &Rule, place: &Place) -> Fault {
    let message = format!(
        "the rule `{}` does not fire on a message that it should match",
        rule.id
    );
    Fault::error("missed", message, place).label("does not match")
}

fn false_alarm(rule: &Rule, place: &Place) -> Fault {
    let message = format!(
        "the rule `{}` fires on a message that it should not match",
        rule.id
    );
    Fault::error("false-alarm", message, place).label("matches")
}

fn at_another_turn(rule: &Rule, test: &TestConversation, found: Option<usize>) -> Fault {
    let turn = |turn: Option<usize>| {
        turn.map_or_else(|| "never".to_owned(), |turn| format!("at turn {turn}"))
    };
    let (expected, found) = (turn(test.fires_at), turn(found));
    let message = format!(
        "expected the rule `{}` to fire {expected}, but it fires {found}",
        rule.id
    );
    Fault::error("turn", message, &test.place).label(format!("fires {found}"))
}
