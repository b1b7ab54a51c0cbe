//! Messages that are gone from the log, and that a person decided to go on without: the decision
//! is written to the dead-letter topic, so that it can be accounted for.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dmwatch_core::message::Millis;

use super::assignment::AssignmentId;
use super::deliver::{Delivery, Outgoing};
use super::event::Ticket;
use super::ledger::Seq;
use crate::dead_letter::DeadLetters;

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
        let record = writer.gap(topic, partition, missing, now, reason);
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
