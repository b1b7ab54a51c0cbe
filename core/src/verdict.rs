//! The verdict on one message: what was found, by which rule, and where in the original text.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How bad it is, mildest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A nuisance.
    Low,
    /// Harm that can wait for its turn.
    #[default]
    Medium,
    /// Harm to a person.
    High,
    /// Danger to life or to a child.
    Critical,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Severity; 4] = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// The name used in topics, rules and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// Where in the original text something was found: the same place in bytes and in characters
/// (Unicode scalar values), both half-open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// Byte offsets into the UTF-8 of the original text.
    pub bytes: Range<usize>,
    /// Character offsets into the original text.
    pub chars: Range<usize>,
}

/// One rule that fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Index into [`crate::rules::Ruleset::rules`].
    pub rule: crate::rules::RuleIndex,
    /// Sorted, not overlapping.
    pub spans: Vec<Span>,
}

/// What became of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Judged, nothing for a human.
    Clean,
    /// Judged, at least one live rule fired.
    Flagged,
    /// No policy has a legal basis for scanning in the owning region.
    NotScanned,
}

/// The verdict on one message. Holds no text.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// The live rules that fired, in rule order. Empty unless flagged.
    pub reasons: Vec<Reason>,
    /// Rules in shadow (or outside their canary) that fired: counted, never routed.
    pub shadow: Vec<Reason>,
    /// State that this message adds to its conversation, to be made durable before it is done.
    pub state: Vec<crate::conversation::Entry>,
    /// The ruleset that was used.
    pub ruleset: Arc<str>,
}
