//! Which messages of one partition are done: the low watermark of one assignment.
//!
//! One slot per message, in arrival order. The watermark is the offset of the first slot that is
//! not complete; everything below it may be committed. Offsets have gaps (compaction, transaction
//! markers), and acks come in any order.
//!
//! A ledger lives as long as its partition stays assigned. Acks name the assignment, so one from
//! an older assignment finds no ledger (the bug class of "an ack after revoke re-inserts an
//! offset"), and there is no way to complete a slot by offset.

use std::collections::VecDeque;

/// A slot's number within its ledger, in arrival order from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Complete,
    /// Work that was dropped before it started, because its partition is being revoked. It never
    /// completes: the next owner gets the message again.
    Dropped,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    offset: i64,
    bytes: u32,
    state: State,
}

/// The ledger of one partition during one assignment.
#[derive(Debug)]
pub struct Ledger {
    /// Seq of the front slot.
    front: u64,
    slots: VecDeque<Slot>,
    watermark: i64,
    /// The lowest offset that may still arrive.
    next: i64,
    bytes: u64,
    pending: usize,
}

impl Ledger {
    /// A ledger whose partition starts at `start`, the offset of the first message to come.
    #[must_use]
    pub fn new(start: i64) -> Self {
        Self {
            front: 0,
            slots: VecDeque::new(),
            watermark: start,
            next: start,
            bytes: 0,
            pending: 0,
        }
    }

    /// Takes note of a message that arrived, `bytes` long.
    ///
    /// `None` when its offset, or a later one, arrived before: librdkafka can hand out an offset
    /// twice on a held partition. Its slot is there already, so the repeat needs no work.
    pub fn arrive(&mut self, offset: i64, bytes: u32) -> Option<Seq> {
        if offset < self.next {
            return None;
        }
        self.next = offset + 1;
        let seq = self.front + self.slots.len() as u64;
        self.slots.push_back(Slot {
            offset,
            bytes,
            state: State::Pending,
        });
        self.bytes += u64::from(bytes);
        self.pending += 1;
        Some(Seq(seq))
    }

    /// Marks a slot complete: everything that its message caused is acknowledged. Doing so twice
    /// is harmless.
    pub fn complete(&mut self, seq: Seq) {
        self.settle(seq, State::Complete);
        while let Some(slot) = self.slots.front() {
            if slot.state != State::Complete {
                break;
            }
            self.watermark = slot.offset + 1;
            self.bytes -= u64::from(slot.bytes);
            self.front += 1;
            self.slots.pop_front();
        }
    }

    /// Marks a slot as not started and never to be: only while its partition is revoked.
    pub fn abandon(&mut self, seq: Seq) {
        self.settle(seq, State::Dropped);
    }

    fn settle(&mut self, seq: Seq, state: State) {
        let Some(at) = seq.0.checked_sub(self.front) else {
            return;
        };
        let slot = usize::try_from(at)
            .ok()
            .and_then(|at| self.slots.get_mut(at));
        if let Some(slot) = slot
            && slot.state == State::Pending
        {
            slot.state = state;
            self.pending -= 1;
        }
    }

    /// The offset to commit: of the first message that is not done. Never moves backward.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// The lowest offset that has not arrived yet.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next
    }

    /// Messages that are neither complete nor dropped.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Slots from the watermark to the newest message.
    #[must_use]
    pub fn span(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of the messages from the watermark to the newest.
    #[must_use]
    pub fn span_bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
