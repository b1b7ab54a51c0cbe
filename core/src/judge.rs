//! Judging one message: text, rules and conversation in, verdict out.

mod plan;

pub use plan::{Plan, Scan};

use std::sync::Arc;

use smallvec::SmallVec;

use crate::conversation::Store;
use crate::message::{AgeBand, Message, Millis};
use crate::routing::{ItemFacts, Kind, ReasonFacts, Route, Routing};
use crate::rules::Ruleset;
use crate::rules::evaluate::{Fired, Scratch};
use crate::verdict::{Outcome, Reason, Verdict};

/// Where and when a message stands in its partition. Judging knows no other time: never the wall
/// clock, so that worker, `judge`, backtest and replay agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Offset in the input partition.
    pub offset: i64,
    /// Record time.
    pub at: Millis,
}

/// Judges messages by one ruleset. Holds scratch, so each thread has its own.
pub struct Judge {
    ruleset: Arc<Ruleset>,
    /// A copy of the ruleset's hash: counting references to the shared one for each verdict would
    /// make all threads write to one place in memory.
    hash: Arc<str>,
    scratch: Scratch,
    fired: Vec<Fired>,
}

impl Judge {
    /// A judge by these rules.
    #[must_use]
    pub fn new(ruleset: Arc<Ruleset>) -> Self {
        Self {
            hash: Arc::from(&*ruleset.hash),
            scratch: ruleset.program().scratch(),
            fired: Vec::new(),
            ruleset,
        }
    }

    /// The rules.
    #[must_use]
    pub const fn ruleset(&self) -> &Arc<Ruleset> {
        &self.ruleset
    }

    /// Judges a message. The outcome is `Clean` or `Flagged`; whether the owning region may be
    /// scanned at all is for the caller to ask first.
    ///
    /// What the message adds to its conversation is put into the store at once and named in
    /// [`Verdict::state`] if it is new there, to be made durable before the message is done.
    pub fn judge(
        &mut self,
        message: &Message<'_>,
        position: Position,
        store: &mut Store,
    ) -> Verdict {
        let mut verdict = Verdict {
            outcome: Outcome::Clean,
            reasons: Vec::new(),
            shadow: Vec::new(),
            state: Vec::new(),
            ruleset: Arc::clone(&self.hash),
        };
        let program = self.ruleset.program();
        self.fired.clear();
        program.run(
            message,
            position,
            store,
            &mut self.scratch,
            &mut self.fired,
            &mut verdict.state,
        );
        for fired in &self.fired {
            let reason = Reason {
                rule: fired.rule,
                spans: program.spans(message, fired, &self.scratch),
            };
            if fired.live {
                verdict.outcome = Outcome::Flagged;
                verdict.reasons.push(reason);
            } else {
                verdict.shadow.push(reason);
            }
        }
        verdict
    }
}

/// Where a flagged message goes: the routing table asked with every reason of the verdict.
#[must_use]
pub fn route(
    routing: &Routing,
    ruleset: &Ruleset,
    message: &Message<'_>,
    verdict: &Verdict,
) -> Route {
    let rules = verdict
        .reasons
        .iter()
        .filter_map(|reason| ruleset.rule(reason.rule));
    let reasons: SmallVec<[ReasonFacts<'_>; 4]> = rules.map(ReasonFacts::of).collect();
    let recipients: SmallVec<[AgeBand; 4]> = message
        .recipients
        .iter()
        .map(|party| party.age_band)
        .collect();
    routing.route(&ItemFacts {
        kind: Kind::Flag,
        report_reason: None,
        sender: message.sender.age_band,
        recipients: &recipients,
        minor_with_adult_or_unknown: message.is_minor_with_adult_or_unknown(),
        reasons: &reasons,
    })
}
