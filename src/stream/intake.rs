//! The poll thread's books: which partitions are owned, what is in flight, what is held back.
//!
//! Plain data and decisions; the calls to librdkafka are in `poll` and `rebalance`.

use std::collections::HashMap;
use std::sync::Arc;

use dmwatch_core::message::Millis;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::assignment::{AssignmentId, Assignments, Hold, InputKind, Owned};
use super::batch::{Batch, Incoming, route};
use super::event::{Event, Fate, StreamError, Ticket};
use super::poison::{PoisonCount, PoisonLimits};
use super::start::OwnerMark;
use super::state::shard_of;
use crate::dead_letter::ReplayHeaders;
use crate::telemetry::metrics::{PartitionMetrics, PartitionState};

/// What bounds the work in flight.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages from watermark to newest, one partition.
    pub span: usize,
    /// Their bytes.
    pub span_bytes: u64,
    /// Messages in flight, all partitions.
    pub in_flight: usize,
    /// Their bytes.
    pub in_flight_bytes: u64,
    /// Dead letters.
    pub poison: PoisonLimits,
}

/// What belongs to one assignment besides its ledger.
struct Side {
    metrics: PartitionMetrics,
    poison: PoisonCount,
    /// Judged messages that wait for acknowledgements.
    delivering: usize,
    newest: Millis,
}

/// A record as the consumer hands it out.
pub struct Polled<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Record timestamp.
    pub at: Millis,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// A replay's claim of original coordinates.
    pub replay: Option<Box<ReplayHeaders>>,
}

/// A change that the consumer must be told of.
pub struct PauseChange {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Pause or resume.
    pub pause: bool,
}

/// The books.
pub struct Intake {
    limits: Limits,
    /// Owned partitions.
    pub assignments: Assignments,
    side: HashMap<AssignmentId, Side>,
    /// The batch that is being filled, per shard.
    pub batches: Vec<Batch>,
    /// Partitions whose state is restored and that may start, once their takeover is committed.
    pub restored: Vec<AssignmentId>,
    /// Why the stream must stop.
    pub failure: Option<StreamError>,
}

impl Intake {
    /// Nothing is owned yet.
    #[must_use]
    pub fn new(shards: usize, limits: Limits) -> Self {
        Self {
            limits,
            assignments: Assignments::default(),
            side: HashMap::new(),
            batches: (0..shards).map(|_| Batch::default()).collect(),
            restored: Vec::new(),
            failure: None,
        }
    }

    /// Takes a partition in, paused until its state is restored.
    pub fn assign(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        kind: InputKind,
        start: i64,
        metrics: PartitionMetrics,
    ) -> &mut Owned {
        let owned = self.assignments.add(topic, partition, kind, start);
        owned.set(Hold::Restoring, true);
        metrics.set_state(PartitionState::Restoring, true);
        metrics.set_watermark(start, None);
        let side = Side {
            metrics,
            poison: PoisonCount::default(),
            delivering: 0,
            newest: Millis(0),
        };
        self.side.insert(owned.assignment.id, side);
        owned
    }

    /// Lets a partition go; its metrics end here.
    pub fn release(&mut self, id: AssignmentId) -> Option<Owned> {
        self.side.remove(&id);
        self.assignments.remove(id)
    }

    /// Puts a record into the ledger and into the batch of its shard. `false` if there is nothing
    /// to do for it: an offset that came before, or a partition that is not ours any more.
    pub fn take(&mut self, polled: Polled<'_>) -> bool {
        let Some(id) = self.assignments.id_of(polled.topic, polled.partition) else {
            return false;
        };
        let Some(owned) = self.assignments.get_mut(id) else {
            return false;
        };
        if owned.has(Hold::Restoring) || owned.has(Hold::Stopped) {
            // The consumer must not hand out what is paused. If it did, going on could skip.
            self.failure = Some(StreamError::Fatal {
                client: "consumer",
                message: format!("a message of the paused {} came in", owned.assignment),
            });
            return false;
        }
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let bytes = length(polled.key) + length(polled.value);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Some(seq) = owned.ledger.arrive(polled.offset, bytes) else {
            return false;
        };
        let shard = shard_of(route(polled.key, polled.partition), self.batches.len());
        let incoming = Incoming {
            seq,
            offset: polled.offset,
            at: polled.at,
            key: polled.key,
            value: polled.value,
            suspect: polled.offset < owned.isolate_below,
            replay: polled.replay,
        };
        self.batches[shard].push(&owned.assignment, incoming);
        if let Some(side) = self.side.get_mut(&id) {
            side.newest = side.newest.max(polled.at);
        }
        true
    }

    /// Applies what another thread said.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Judged(fates) => {
                for (ticket, fate) in fates {
                    self.judged(ticket, fate);
                }
            }
            Event::Delivered(tickets) => {
                for ticket in tickets {
                    if let Some(side) = self.side.get_mut(&ticket.assignment) {
                        side.delivering = side.delivering.saturating_sub(1);
                    }
                    self.assignments.complete(ticket.assignment, ticket.seq);
                }
            }
            Event::Restored(id) => self.restored.push(id),
            Event::Failed(error) => self.failure = self.failure.take().or(Some(error)),
            Event::Committed(offsets, Ok(())) => self.committed(&offsets),
            Event::Committed(_, Err(_)) => {}
        }
    }

    fn judged(&mut self, ticket: Ticket, fate: Fate) {
        let Some(owned) = self.assignments.get_mut(ticket.assignment) else {
            return;
        };
        match fate {
            Fate::Complete => owned.ledger.complete(ticket.seq),
            Fate::Dropped => {
                owned.ledger.abandon(ticket.seq);
                return;
            }
            Fate::Delivering | Fate::DeadLetter(_) => {}
        }
        let Some(side) = self.side.get_mut(&ticket.assignment) else {
            return;
        };
        if fate != Fate::Complete {
            side.delivering += 1;
        }
        let reason = match fate {
            Fate::DeadLetter(reason) => Some(reason),
            _ => None,
        };
        let excess = side.poison.note(reason.is_some(), &self.limits.poison);
        if let (Some((found, limit)), Some(reason), None) = (excess, reason, &self.failure) {
            self.failure = Some(StreamError::TooManyDeadLetters {
                partition: owned.assignment.to_string(),
                found,
                limit,
                reason,
            });
        }
    }

    /// Messages and bytes in flight, all partitions.
    #[must_use]
    pub fn in_flight(&self) -> (usize, u64) {
        self.assignments
            .iter()
            .fold((0, 0), |(count, bytes), owned| {
                let ledger = &owned.ledger;
                (count + ledger.pending(), bytes + ledger.span_bytes())
            })
    }

    /// Decides every hold anew but the restore gate: spans against their limits, and `busy` for
    /// all. A hold is set at a limit and cleared at half of it, since each pause throws the
    /// consumer's prefetched messages away.
    pub fn regulate(&mut self, busy: bool) -> Vec<PauseChange> {
        let (count, bytes) = self.in_flight();
        let full = count >= self.limits.in_flight || bytes >= self.limits.in_flight_bytes;
        let half = count <= self.limits.in_flight / 2 && bytes <= self.limits.in_flight_bytes / 2;
        let mut changes = Vec::new();
        for owned in self.assignments.iter_mut() {
            let ledger = &owned.ledger;
            let (span, span_bytes) = (ledger.span(), ledger.span_bytes());
            let over = span >= self.limits.span || span_bytes >= self.limits.span_bytes;
            let under = span <= self.limits.span / 2 && span_bytes <= self.limits.span_bytes / 2;
            let hold_span = over || (owned.has(Hold::Span) && !under);
            let hold_busy = full || busy || (owned.has(Hold::Busy) && !half);
            let assignment = Arc::clone(&owned.assignment);
            let told = [
                owned.set(Hold::Span, hold_span),
                owned.set(Hold::Busy, hold_busy),
            ];
            changes.extend(told.into_iter().flatten().map(|pause| PauseChange {
                topic: Arc::clone(&assignment.topic),
                partition: assignment.partition,
                pause,
            }));
            if let Some(side) = self.side.get(&assignment.id) {
                let pressed = owned.has(Hold::Span) || owned.has(Hold::Busy);
                side.metrics
                    .set_state(PartitionState::BackPressured, pressed);
                let span_bytes = usize::try_from(span_bytes).unwrap_or(usize::MAX);
                side.metrics.set_span(span, span_bytes);
                side.metrics
                    .set_awaiting_delivery(side.delivering.min(span));
                let at = (span == 0 && side.newest.0 > 0).then_some(side.newest.0);
                side.metrics.set_watermark(owned.ledger.watermark(), at);
            }
        }
        changes
    }

    /// Sets or clears one hold of one partition.
    pub fn hold(&mut self, id: AssignmentId, hold: Hold, on: bool) -> Option<PauseChange> {
        let owned = self.assignments.get_mut(id)?;
        let change = owned.set(hold, on);
        let state = match hold {
            Hold::Restoring => PartitionState::Restoring,
            Hold::Stopped => PartitionState::Stopped,
            Hold::Span | Hold::Busy => PartitionState::BackPressured,
        };
        if let Some(side) = self.side.get(&id) {
            side.metrics.set_state(state, on);
        }
        Some(PauseChange {
            topic: Arc::clone(&owned.assignment.topic),
            partition: owned.assignment.partition,
            pause: change?,
        })
    }

    /// Drops what stands in batches that were not handed out yet, of partitions that go.
    pub fn abandon_batched(&mut self) {
        for batch in &self.batches {
            for raw in batch.records() {
                let assignment = batch.assignment(raw);
                if assignment.is_revoked()
                    && let Some(owned) = self.assignments.get_mut(assignment.id)
                {
                    owned.ledger.abandon(raw.seq);
                }
            }
        }
    }

    /// What to commit: every watermark that moved since the last commit, or with `all` every
    /// partition whose mark must change. `open` says whether this owner goes on.
    pub fn offsets(&self, open: bool, of: impl Fn(&Owned) -> bool) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for owned in self.assignments.iter().filter(|owned| of(owned)) {
            let watermark = crate::faults::committable(&owned.ledger);
            let moved = watermark > owned.start;
            let mark = OwnerMark {
                deaths: if moved { 0 } else { owned.deaths },
                open,
            };
            let assignment = &owned.assignment;
            let mut entry = list.add_partition(&assignment.topic, assignment.partition);
            if entry.set_offset(Offset::Offset(watermark)).is_err() {
                tracing::error!(partition = %assignment, watermark, "an offset that librdkafka does not take");
            }
            entry.set_metadata(mark.to_string());
        }
        list
    }

    /// A commit went through.
    pub fn committed(&mut self, offsets: &TopicPartitionList) {
        for entry in offsets.elements() {
            let id = self.assignments.id_of(entry.topic(), entry.partition());
            if let Some(owned) = id.and_then(|id| self.assignments.get_mut(id))
                && let Offset::Offset(offset) = entry.offset()
                && entry.error().is_ok()
                // Not the late answer to a commit of an older assignment.
                && offset <= owned.ledger.next_offset()
            {
                owned.committed = Some(offset);
            }
        }
    }
}

#[cfg(test)]
mod tests;
