//! One rule.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::condition::Condition;
use super::testing::Tests;
use crate::document::Place;
use crate::message::Millis;
use crate::verdict::Severity;

/// Where a rule is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being written: runs in its own tests, never on messages.
    Draft,
    /// Runs and is counted, but never routes.
    Shadow,
    /// Live for this percentage of conversations (1 to 99, chosen by a stable hash of the
    /// conversation's id), in shadow for the others.
    Canary(u8),
    /// Live.
    Stable,
    /// Kept for the record, does not run.
    Retired,
}

impl Status {
    /// Whether the rule is evaluated on messages.
    #[must_use]
    pub const fn runs(self) -> bool {
        matches!(self, Status::Shadow | Status::Canary(_) | Status::Stable)
    }

    /// The name used in rules and metrics; a canary's percentage is not part of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Draft => "draft",
            Status::Shadow => "shadow",
            Status::Canary(_) => "canary",
            Status::Stable => "stable",
            Status::Retired => "retired",
        }
    }
}

/// The queue that a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRoute {
    /// Its name.
    pub queue: Arc<str>,
    /// How long after the message a decision is due.
    pub due: Option<Duration>,
}

/// One rule, as written.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique over all files.
    pub id: Arc<str>,
    /// Content hash: the first 12 hex digits of a SHA-256 over everything that a reviewer or an
    /// author would call another rule. Status and tests are not in it, so that a rule keeps its
    /// version, and what was measured of it, from shadow to stable.
    pub version: Arc<str>,
    /// The policy of its file.
    pub policy: Arc<str>,
    /// One line for reviewers.
    pub title: Arc<str>,
    /// What a reviewer should know.
    pub explanation: Option<Arc<str>>,
    /// Where it is in its life.
    pub status: Status,
    /// How bad it is.
    pub severity: Severity,
    /// Fires when this is true.
    pub when: Condition,
    /// Unless this is true too.
    pub unless: Option<Condition>,
    /// The queue that it asks for.
    pub route: Option<RuleRoute>,
    /// From this record time on it does not fire.
    pub expires: Option<Millis>,
    /// Clause of the platform's policy.
    pub clause: Option<Arc<str>>,
    /// Who answers for the rule.
    pub owner: Option<Arc<str>>,
    /// Cases that are known to fire it wrongly.
    pub known_false_positives: Vec<Arc<str>>,
    /// Its own tests.
    pub tests: Tests,
    /// Where it was written.
    pub place: Place,
}

/// What the version covers. The order of the fields is part of the format.
#[derive(Serialize)]
struct Content<'a> {
    id: &'a str,
    policy: &'a str,
    title: &'a str,
    explanation: Option<&'a str>,
    severity: Severity,
    when: &'a Condition,
    unless: Option<&'a Condition>,
    route: Option<&'a RuleRoute>,
    expires: Option<Millis>,
    clause: Option<&'a str>,
}

impl Rule {
    /// Computes [`Rule::version`] from the other fields.
    #[must_use]
    pub fn content_hash(&self) -> String {
        let content = Content {
            id: &self.id,
            policy: &self.policy,
            title: &self.title,
            explanation: self.explanation.as_deref(),
            severity: self.severity,
            when: &self.when,
            unless: self.unless.as_ref(),
            route: self.route.as_ref(),
            expires: self.expires,
            clause: self.clause.as_deref(),
        };
        // Plain data without maps or floats: writing it as JSON cannot fail.
        let json = serde_json::to_vec(&content).unwrap_or_default();
        hex(&Sha256::digest(json), 6)
    }

    /// Whether it may fire at a record time.
    #[must_use]
    pub fn is_current(&self, at: Millis) -> bool {
        self.expires.is_none_or(|expires| at < expires)
    }
}

/// Hash over all rules, in order, with their statuses.
pub(super) fn ruleset_hash(rules: &[Rule]) -> String {
    let mut hash = Sha256::new();
    for rule in rules {
        let percent = match rule.status {
            Status::Canary(percent) => percent,
            _ => 0,
        };
        // Ids and versions hold no NUL, so no two lists give the same bytes.
        for part in [&*rule.id, &*rule.version, rule.status.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update([percent]);
    }
    hex(&hash.finalize(), 8)
}

fn hex(bytes: &[u8], len: usize) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(len * 2);
    for byte in bytes.iter().take(len) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}
