//! A shard: one thread that judges its conversations, batch by batch.
//!
//! It owns everything that it needs to judge (scratch, conversation state, context), so there is
//! no lock and no allocation for a clean message.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use dmwatch_core::conversation::Entry;

use super::assignment::AssignmentId;
use super::batch::{Batch, Raw};
use super::deliver::{Delivery, DeliverySender};
use super::event::{Event, Fate, StreamError, Ticket};
use super::isolation::{Isolation, Suspicion};
use super::judging::{Judged, Judging, Subject};
use crate::dead_letter::{Reason, Stage};
use crate::telemetry::metrics::{LoopTime, Metrics};

/// What a shard is given.
pub enum Input {
    /// The worker stops: nothing more to do.
    End,
    /// Records to judge.
    Batch(Batch),
    /// Conversation state of an assignment, before its first record.
    Restore {
        /// The assignment.
        assignment: AssignmentId,
        /// Its entries of this shard's conversations.
        entries: Vec<Entry>,
    },
    /// The assignment is over: forget its state and its texts.
    Forget(AssignmentId),
}

/// One shard.
pub struct Shard {
    input: Receiver<Input>,
    events: Sender<Event>,
    deliver: DeliverySender,
    judging: Judging,
    isolation: Isolation,
    metrics: Arc<Metrics>,
    time: LoopTime,
}

impl Shard {
    /// A shard over its channels.
    #[must_use]
    pub fn new(
        input: Receiver<Input>,
        events: Sender<Event>,
        deliver: DeliverySender,
        judging: Judging,
        isolation: Isolation,
        metrics: Arc<Metrics>,
    ) -> Self {
        let time = metrics.loop_time();
        Self {
            input,
            events,
            deliver,
            judging,
            isolation,
            metrics,
            time,
        }
    }

    /// Runs until its input ends.
    pub fn run(mut self) {
        while let Ok(input) = self.input.recv() {
            match input {
                Input::Batch(batch) => {
                    if !self.judge_batch(&batch) {
                        return;
                    }
                }
                Input::Restore {
                    assignment,
                    entries,
                } => self.judging.restore(assignment, entries),
                Input::Forget(assignment) => self.judging.forget(assignment),
                Input::End => return,
            }
        }
    }

    /// `false` when nobody listens any more.
    fn judge_batch(&mut self, batch: &Batch) -> bool {
        let begun = Instant::now();
        let mut fates = Vec::with_capacity(batch.len());
        for raw in batch.records() {
            let assignment = batch.assignment(raw);
            let ticket = Ticket {
                assignment: assignment.id,
                seq: raw.seq,
            };
            if assignment.is_revoked() {
                fates.push((ticket, Fate::Dropped));
                continue;
            }
            let subject = Subject {
                assignment,
                offset: raw.offset,
                at: raw.at,
                key: batch.key(raw),
                value: batch.value(raw),
                replay: raw.replay.as_deref(),
            };
            let judged = match self.examine(raw, &subject) {
                Ok(true) => self
                    .judging
                    .dead_letter(&subject, Stage::Judge, Reason::KilledWorker),
                Ok(false) => self.judge_one(&subject),
                Err(error) => {
                    // Judging it here could kill the worker again, and nothing is known against
                    // it: stop, so that a person sees why.
                    let message = format!("suspect messages cannot be examined: {error}");
                    let failed = Event::Failed(StreamError::Isolation(message));
                    return self.events.send(failed).is_ok();
                }
            };
            let Judged {
                records,
                then,
                dead_letter,
            } = judged;
            let fate = match dead_letter {
                Some(reason) => Fate::DeadLetter(reason),
                None if records.is_empty() && then.is_empty() => Fate::Complete,
                None => Fate::Delivering,
            };
            fates.push((ticket, fate));
            if fate != Fate::Complete {
                let delivery = Delivery {
                    ticket: Some(ticket),
                    at: raw.at,
                    records,
                    then,
                };
                // Blocks while the brokers do not keep up.
                if self.deliver.send(delivery).is_err() {
                    return false;
                }
            }
        }
        self.judging.publish();
        let spent = begun.elapsed();
        self.metrics.judge_seconds.observe(spent.as_secs_f64());
        self.time.add_judge(spent);
        self.events.send(Event::Judged(fates)).is_ok()
    }

    /// Whether a suspect is the killer. Whoever is no suspect is not.
    fn examine(&mut self, raw: &Raw, subject: &Subject<'_>) -> std::io::Result<bool> {
        let Some(value) = subject.value.filter(|_| raw.suspect) else {
            return Ok(false);
        };
        let found = self.isolation.examine(subject.assignment.kind, value)?;
        let killer = found == Suspicion::Confirmed;
        let outcome = if killer { "killer" } else { "survived" };
        self.metrics.isolations.with_label_values(&[outcome]).inc();
        if killer {
            tracing::error!(partition = %subject.assignment, offset = subject.offset, "a message kills the worker; it goes to the dead letters");
        }
        Ok(killer)
    }

    /// Judges one message; a panic makes it a dead letter.
    fn judge_one(&mut self, subject: &Subject<'_>) -> Judged {
        let judging = &mut self.judging;
        // What a panic may have left half done is made anew below.
        let judged = std::panic::catch_unwind(AssertUnwindSafe(|| judging.judge(subject)));
        judged.unwrap_or_else(|_| {
            self.metrics.panics.with_label_values(&["judge"]).inc();
            self.judging.renew();
            self.judging
                .dead_letter(subject, Stage::Judge, Reason::Panic)
        })
    }
}
