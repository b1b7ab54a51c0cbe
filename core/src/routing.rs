//! Verdict → queue, priority and due time.
//!
//! An item is one message (or one report) with all its reasons. Its queue is that of the first
//! row that applies; else the one that the rule of the most severe reason asks for; else the
//! default queue. Its due time is the shortest that anything asks for: the row, each reason's
//! rule, the queue for the age band of any party. A pair of a minor with an adult or somebody of
//! unknown age gets the shortest deadline of all queues.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::message::AgeBand;
use crate::rules::Rule;
use crate::verdict::Severity;

mod glob;
#[cfg(test)]
mod tests;

pub use self::glob::Glob;

/// What an item comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Rules fired.
    Flag,
    /// A user reported it.
    Report,
}

impl Kind {
    /// The name used in topics and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Flag => "flag",
            Kind::Report => "report",
        }
    }
}

/// A review queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: Arc<str>,
    /// How long after the message an item should be decided.
    pub due: Duration,
    /// The same where a party is of that age band.
    pub due_by_age_band: Vec<(AgeBand, Duration)>,
    /// Priority of its items, 0 to 100, unless a row or a more severe reason says otherwise.
    pub priority: u8,
}

/// When a row applies: everything that is set must hold. `policy`, `severity_at_least` and `rule`
/// must hold for one and the same reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    /// The reason's policy is one of these.
    pub policy: Option<Vec<String>>,
    /// The reason is at least that severe.
    pub severity_at_least: Option<Severity>,
    /// The reason's rule id matches one of these (`grooming.*`).
    pub rule: Option<Vec<Glob>>,
    /// A minor with an adult or somebody of unknown age (`true`), or not (`false`).
    pub minor_with_adult_or_unknown: Option<bool>,
    /// A recipient is of one of these bands.
    pub recipient_age_band: Option<Vec<AgeBand>>,
    /// The item is of that kind.
    pub kind: Option<Kind>,
    /// The reason that the reporting user picked is one of these.
    pub report_reason: Option<Vec<String>>,
}

/// One row of the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When it applies.
    pub when: When,
    /// The queue.
    pub queue: String,
    /// A shorter deadline than the queue's.
    pub due: Option<Duration>,
    /// A priority in place of the queue's.
    pub priority: Option<u8>,
}

/// What routing looks at, of one reason.
#[derive(Debug, Clone, Copy)]
pub struct ReasonFacts<'a> {
    /// Policy of the rule.
    pub policy: &'a str,
    /// Id of the rule.
    pub rule: &'a str,
    /// Severity of the rule.
    pub severity: Severity,
    /// The queue that the rule asks for.
    pub queue: Option<&'a str>,
    /// The deadline that the rule asks for.
    pub due: Option<Duration>,
}

impl<'a> ReasonFacts<'a> {
    /// What routing looks at, of a rule that fired.
    #[must_use]
    pub fn of(rule: &'a Rule) -> Self {
        let route = rule.route.as_ref();
        Self {
            policy: &rule.policy,
            rule: &rule.id,
            severity: rule.severity,
            queue: route.map(|route| &*route.queue),
            due: route.and_then(|route| route.due),
        }
    }
}

/// What routing looks at, of the whole item.
#[derive(Debug, Clone, Copy)]
pub struct ItemFacts<'a> {
    /// Flag or report.
    pub kind: Kind,
    /// The reason that the reporting user picked.
    pub report_reason: Option<&'a str>,
    /// Age band of the sender.
    pub sender: AgeBand,
    /// Age bands of the recipients.
    pub recipients: &'a [AgeBand],
    /// [`crate::message::Message::is_minor_with_adult_or_unknown`].
    pub minor_with_adult_or_unknown: bool,
    /// Every reason. A report may have none.
    pub reasons: &'a [ReasonFacts<'a>],
}

/// Where an item goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The queue.
    pub queue: Arc<str>,
    /// 0 (least) to 100.
    pub priority: u8,
    /// Milliseconds after the record's time.
    pub due_millis: i64,
}

/// A routing table that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// Two queues of one name.
    #[error("queue `{queue}` is declared twice")]
    DeclaredTwice {
        /// The name.
        queue: String,
    },
    /// A row or the default that names no declared queue.
    #[error("queue `{queue}` is not declared")]
    UnknownQueue {
        /// The name.
        queue: String,
    },
}

/// The routing table.
#[derive(Debug, Clone)]
pub struct Routing {
    queues: Vec<Queue>,
    by_name: HashMap<Arc<str>, usize>,
    rows: Vec<(Row, usize)>,
    default_queue: usize,
    /// The shortest deadline of any queue.
    shortest: Duration,
}

impl Routing {
    /// Queues, rows in order, and the queue where nothing else says one.
    ///
    /// # Errors
    /// Every name that is declared twice or not at all.
    pub fn new(
        queues: Vec<Queue>,
        rows: Vec<Row>,
        default_queue: &str,
    ) -> Result<Self, Vec<RoutingError>> {
        let mut errors = Vec::new();
        let mut by_name = HashMap::new();
        for (index, queue) in queues.iter().enumerate() {
            if by_name.insert(Arc::clone(&queue.name), index).is_some() {
                let queue = queue.name.to_string();
                errors.push(RoutingError::DeclaredTwice { queue });
            }
        }
        let mut find = |queue: &str| {
            let found = by_name.get(queue).copied();
            if found.is_none() {
                let queue = queue.to_owned();
                errors.push(RoutingError::UnknownQueue { queue });
            }
            found
        };
        let rows = rows
            .into_iter()
            .filter_map(|row| find(&row.queue).map(|queue| (row, queue)))
            .collect();
        let default_queue = find(default_queue);
        let shortest = queues.iter().flat_map(Queue::deadlines).min();
        match (default_queue, shortest) {
            (Some(default_queue), Some(shortest)) if errors.is_empty() => Ok(Self {
                queues,
                by_name,
                rows,
                default_queue,
                shortest,
            }),
            _ => Err(errors),
        }
    }

    /// The declared queues.
    #[must_use]
    pub fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().map(|(row, _)| row)
    }

    /// Whether a queue of that name is declared.
    #[must_use]
    pub fn has_queue(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Where the item goes. A rule that asks for a queue that is not declared is treated as if it
    /// asked for none (`check` refuses such a rule).
    #[must_use]
    pub fn route(&self, facts: &ItemFacts<'_>) -> Route {
        let row = self.rows.iter().find(|(row, _)| row.when.holds(facts));
        let index = row
            .map(|(_, queue)| *queue)
            .or_else(|| self.asked_for(facts.reasons))
            .unwrap_or(self.default_queue);
        let queue = &self.queues[index];
        let row = row.map(|(row, _)| row);
        Route {
            queue: Arc::clone(&queue.name),
            priority: priority(row, queue, facts.reasons),
            due_millis: millis(self.due(row, queue, facts)),
        }
    }

    /// The queue that the most severe reason asks for, of those that ask for one; of equally
    /// severe ones, that with the shortest deadline of its own, then the first.
    fn asked_for(&self, reasons: &[ReasonFacts<'_>]) -> Option<usize> {
        reasons
            .iter()
            .filter_map(|reason| Some((reason, *self.by_name.get(reason.queue?)?)))
            .min_by_key(|(reason, _)| {
                let due = reason.due.unwrap_or(Duration::MAX);
                (std::cmp::Reverse(reason.severity), due)
            })
            .map(|(_, queue)| queue)
    }

    fn due(&self, row: Option<&Row>, queue: &Queue, facts: &ItemFacts<'_>) -> Duration {
        let bands = std::iter::once(facts.sender).chain(facts.recipients.iter().copied());
        let by_band = bands.map(|band| queue.due_for(band));
        let by_reason = facts.reasons.iter().filter_map(|reason| reason.due);
        let by_row = row.and_then(|row| row.due);
        let by_pair = facts.minor_with_adult_or_unknown.then_some(self.shortest);
        let all = by_band.chain(by_reason).chain(by_row).chain(by_pair);
        all.min().unwrap_or(queue.due)
    }
}

impl Queue {
    /// The deadline where a party is of that band.
    #[must_use]
    pub fn due_for(&self, band: AgeBand) -> Duration {
        let entry = self.due_by_age_band.iter().find(|(name, _)| *name == band);
        entry.map_or(self.due, |(_, due)| *due)
    }

    fn deadlines(&self) -> impl Iterator<Item = Duration> {
        let by_band = self.due_by_age_band.iter().map(|(_, due)| *due);
        std::iter::once(self.due).chain(by_band)
    }
}

impl When {
    fn holds(&self, facts: &ItemFacts<'_>) -> bool {
        let pair = self.minor_with_adult_or_unknown;
        let item = is_none_or(self.kind, |kind| kind == facts.kind)
            && is_none_or(pair, |pair| pair == facts.minor_with_adult_or_unknown)
            && is_none_or(self.recipient_age_band.as_ref(), |bands| {
                facts.recipients.iter().any(|band| bands.contains(band))
            })
            && is_none_or(self.report_reason.as_ref(), |reasons| {
                let picked = facts.report_reason;
                picked.is_some_and(|picked| reasons.iter().any(|reason| reason == picked))
            });
        item && (self.looks_at_no_reason() || facts.reasons.iter().any(|reason| self.fits(reason)))
    }

    fn looks_at_no_reason(&self) -> bool {
        self.policy.is_none() && self.severity_at_least.is_none() && self.rule.is_none()
    }

    fn fits(&self, reason: &ReasonFacts<'_>) -> bool {
        is_none_or(self.policy.as_ref(), |policies| {
            policies.iter().any(|policy| policy == reason.policy)
        }) && is_none_or(self.severity_at_least, |least| reason.severity >= least)
            && is_none_or(self.rule.as_ref(), |globs| {
                globs.iter().any(|glob| glob.matches(reason.rule))
            })
    }
}

fn is_none_or<T>(condition: Option<T>, holds: impl FnOnce(T) -> bool) -> bool {
    condition.is_none_or(holds)
}

/// The row's, else the queue's or that of the most severe reason, whichever is higher.
fn priority(row: Option<&Row>, queue: &Queue, reasons: &[ReasonFacts<'_>]) -> u8 {
    if let Some(priority) = row.and_then(|row| row.priority) {
        return priority.min(100);
    }
    let by_severity = reasons.iter().map(|reason| match reason.severity {
        Severity::Low => 25,
        Severity::Medium => 50,
        Severity::High => 75,
        Severity::Critical => 100,
    });
    by_severity
        .chain([queue.priority.min(100)])
        .max()
        .unwrap_or(0)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
