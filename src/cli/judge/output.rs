//! What `dmwatch judge` prints: one JSON object a message, without its text.

use std::ops::Range;

use dmwatch_core::message::{DecodeError, Message};
use dmwatch_core::routing::Route;
use dmwatch_core::rules::Ruleset;
use dmwatch_core::verdict::{Outcome, Reason, Severity, Span, Verdict};
use serde::Serialize;

/// What became of one message.
#[derive(Serialize)]
pub(super) struct Judgement<'a> {
    message_id: &'a str,
    verdict: Outcome,
    queue: Option<&'a str>,
    priority: Option<u8>,
    reasons: Vec<Fired<'a>>,
    /// Rules that fired but are in shadow, or outside of their canary: never routed.
    shadow: Vec<Fired<'a>>,
    /// Scores per label; empty without the classifier.
    scores: Scores,
    conversation: Conversation,
    ruleset: &'a str,
}

#[derive(Serialize)]
struct Fired<'a> {
    rule: &'a str,
    version: &'a str,
    policy: &'a str,
    severity: Severity,
    spans: Vec<Place>,
}

/// Half-open, in bytes and in characters of the original text.
#[derive(Serialize)]
struct Place {
    bytes: [usize; 2],
    chars: [usize; 2],
}

#[derive(Serialize)]
struct Scores {}

#[derive(Serialize)]
struct Conversation {
    risk: Option<f64>,
    cues: [&'static str; 0],
}

impl<'a> Judgement<'a> {
    pub(super) fn new(
        message: &'a Message<'_>,
        verdict: &'a Verdict,
        route: Option<&'a Route>,
        ruleset: &'a Ruleset,
    ) -> Self {
        Self {
            message_id: &message.message_id,
            verdict: verdict.outcome,
            queue: route.map(|route| &*route.queue),
            priority: route.map(|route| route.priority),
            reasons: fired(&verdict.reasons, ruleset),
            shadow: fired(&verdict.shadow, ruleset),
            scores: Scores {},
            conversation: Conversation {
                risk: None,
                cues: [],
            },
            ruleset: &verdict.ruleset,
        }
    }
}

fn fired<'a>(reasons: &[Reason], ruleset: &'a Ruleset) -> Vec<Fired<'a>> {
    let rules = reasons
        .iter()
        .filter_map(|reason| Some((ruleset.rule(reason.rule)?, reason)));
    let fired = rules.map(|(rule, reason)| Fired {
        rule: &rule.id,
        version: &rule.version,
        policy: &rule.policy,
        severity: rule.severity,
        spans: reason.spans.iter().map(Place::of).collect(),
    });
    fired.collect()
}

impl Place {
    fn of(span: &Span) -> Self {
        let ends = |range: &Range<usize>| [range.start, range.end];
        Self {
            bytes: ends(&span.bytes),
            chars: ends(&span.chars),
        }
    }
}

/// A line that could not be judged: where and why, never what it holds.
#[derive(Serialize)]
pub(super) struct BadLine<'a> {
    file: &'a str,
    line: u64,
    /// In bytes from 1, where it is known.
    column: Option<usize>,
    reason: &'static str,
    field: Option<&'static str>,
    error: String,
}

impl<'a> BadLine<'a> {
    pub(super) fn too_long(file: &'a str, line: u64) -> Self {
        Self {
            file,
            line,
            column: None,
            reason: "too_large",
            field: None,
            error: "expected a line of at most 8 MiB".to_owned(),
        }
    }

    pub(super) fn undecodable(file: &'a str, line: u64, error: &DecodeError) -> Self {
        Self {
            file,
            line,
            column: (error.column > 0).then_some(error.column),
            reason: error.reason.as_str(),
            field: error.field,
            // Its line is always the first: here the line of the file is told instead.
            error: DecodeError { line: 0, ..*error }.to_string(),
        }
    }

    pub(super) fn no_time(file: &'a str, line: u64) -> Self {
        Self {
            file,
            line,
            column: None,
            reason: "wrong_type",
            field: Some("sent_at"),
            error: "expected an RFC 3339 time or milliseconds since 1970".to_owned(),
        }
    }
}
