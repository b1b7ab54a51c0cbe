//! Messages that are gone from the log, and that a person decided to go on without: the decision
//! is written to the dead-letter topic, so that it can be accounted for.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dmwatch_core::message::Millis;

use super::assignment::AssignmentId;
use super::deliver::{Delivery, Outgoing};
use super::event::Ticket;
use super::ledger::Seq;
use crate::dead_letter::{DeadLetters, Failed, Reason, Stage};
use crate::headers;
use crate::source::Source;

/// Writes gaps.
pub struct Gaps {
    // Used in the callbacks only, which all run on the poll thread.
    dead_letters: Mutex<DeadLetters>,
}

impl Gaps {
    /// Sealed like all dead letters.
    #[must_use]
    pub fn new(dead_letters: DeadLetters) -> Self {
        Self {
            dead_letters: Mutex::new(dead_letters),
        }
    }

    /// The record of a gap: `missing` offsets of a partition, and who decided so and why. `slot`
    /// completes with it.
    #[must_use]
    pub fn delivery(
        &self,
        topic: &str,
        partition: i32,
        missing: Range<i64>,
        slot: Option<(AssignmentId, Seq)>,
        reason: &str,
    ) -> Delivery {
        let now = Millis(jiff::Timestamp::now().as_millisecond());
        let mut writer = self
            .dead_letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The decision is the letter's content: sealed, like everything that people wrote.
        let mut record = writer.record(&Failed {
            source: Source {
                topic,
                partition,
                offset: missing.start,
                at: now,
                attempt: 0,
            },
            key: None,
            value: Some(reason.as_bytes()),
            stage: Stage::Poll,
            reason: Reason::RetentionGap,
        });
        let until = missing.end.to_string().into_bytes();
        record.headers.push((headers::DLQ_LOST_UNTIL, until.into()));
        Delivery {
            ticket: slot.map(|(assignment, seq)| Ticket { assignment, seq }),
            at: now,
            records: vec![Outgoing {
                record,
                counter: None,
            }],
            then: Vec::new(),
        }
    }
}
