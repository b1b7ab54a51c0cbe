//! The last few messages of recently active conversations, in memory only.
//!
//! One ring of bytes a shard: a message is copied in once, without an allocation, and the oldest
//! ones give way. Nothing of it is ever written except inside a flagged item.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::ops::Range;

use dmwatch_core::message::{Message, MessageText, Millis};
use foldhash::fast::RandomState;

use super::assignment::AssignmentId;
use crate::item::{ContextMessage, ContextWindow};

/// Limits of one shard's window.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages of one conversation that an item may carry.
    pub messages: usize,
    /// Record time after which a message is forgotten.
    pub max_age: Millis,
    /// Bytes of ids and texts.
    pub max_bytes: usize,
}

struct Entry {
    assignment: AssignmentId,
    conversation: u64,
    /// Number of the conversation's message before this one.
    previous: Option<u64>,
    offset: i64,
    at: Millis,
    opens: bool,
    start: usize,
    // Lengths of what stands at `start`, in this order.
    conversation_len: u32,
    message_len: u32,
    sender_len: u32,
    text_len: u32,
}

impl Entry {
    fn range(&self) -> Range<usize> {
        let len = self.conversation_len + self.message_len + self.sender_len + self.text_len;
        self.start..self.start + len as usize
    }
}

/// One shard's memory of recent messages.
pub struct ContextRing {
    limits: Limits,
    bytes: Vec<u8>,
    /// Where the next message goes.
    cursor: usize,
    entries: VecDeque<Entry>,
    /// Number of the front entry.
    front: u64,
    /// Newest entry of each conversation.
    newest: HashMap<u64, u64, RandomState>,
    /// Bytes of the entries.
    used: usize,
    hasher: RandomState,
}

impl ContextRing {
    /// An empty ring; its bytes are allocated now, so that it cannot grow later.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: vec![0; limits.max_bytes],
            cursor: 0,
            entries: VecDeque::new(),
            front: 0,
            newest: HashMap::default(),
            used: 0,
            hasher: RandomState::default(),
        }
    }

    /// Remembers a message. One that is longer than a quarter of the ring is not remembered, so
    /// that it cannot push out everything else; its conversation's window is then not complete.
    pub fn push(
        &mut self,
        assignment: AssignmentId,
        offset: i64,
        at: Millis,
        message: &Message<'_>,
    ) {
        let parts = [
            &*message.conversation_id,
            &*message.message_id,
            &*message.sender.id,
            message.text.reveal(),
        ];
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let conversation = self.key(assignment, &message.conversation_id);
        if len > self.bytes.len() / 4 {
            // The chain ends here: what came before is not the message before the next one.
            self.newest.remove(&conversation);
            return;
        }
        self.make_room(len, at);
        let start = self.cursor;
        let mut end = start;
        for part in parts {
            self.bytes[end..end + part.len()].copy_from_slice(part.as_bytes());
            end += part.len();
        }
        self.cursor = end;
        self.used += len;
        let number = self.front + self.entries.len() as u64;
        let previous = self.newest.insert(conversation, number);
        let length = |part: &str| u32::try_from(part.len()).unwrap_or(0);
        self.entries.push_back(Entry {
            assignment,
            conversation,
            previous,
            offset,
            at,
            opens: message.first_contact == Some(true),
            start,
            conversation_len: length(parts[0]),
            message_len: length(parts[1]),
            sender_len: length(parts[2]),
            text_len: length(parts[3]),
        });
    }

    /// What is remembered of a conversation, up to the limit and the age at time `now`.
    #[must_use]
    pub fn window(
        &self,
        assignment: AssignmentId,
        conversation: &str,
        now: Millis,
    ) -> ContextWindow<'_> {
        let key = self.key(assignment, conversation);
        let oldest = now.0.saturating_sub(self.limits.max_age.0);
        let mut messages = Vec::new();
        let mut complete = false;
        let mut next = self.newest.get(&key).copied();
        while let Some(entry) = next.and_then(|number| self.entry(number)) {
            if messages.len() == self.limits.messages {
                complete = true;
                break;
            }
            let Some(remembered) = self.read(entry, assignment, conversation) else {
                break;
            };
            if entry.at.0 < oldest {
                break;
            }
            messages.push(remembered);
            complete = entry.opens;
            next = entry.previous;
        }
        complete |= messages.len() == self.limits.messages;
        messages.reverse();
        ContextWindow {
            last_offsets: messages.iter().map(|message| message.offset).collect(),
            messages,
            complete,
        }
    }

    /// Forgets everything of an assignment and wipes its texts.
    pub fn forget(&mut self, assignment: AssignmentId) {
        for entry in &mut self.entries {
            if entry.assignment == assignment {
                self.bytes[entry.range()].fill(0);
                self.used -= entry.range().len();
                entry.text_len = 0;
                entry.sender_len = 0;
                entry.message_len = 0;
                entry.conversation_len = 0;
            }
        }
        let (entries, front) = (&self.entries, self.front);
        self.newest.retain(|_, number| {
            number
                .checked_sub(front)
                .and_then(|at| entries.get(usize::try_from(at).ok()?))
                .is_some_and(|entry| entry.assignment != assignment)
        });
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.fill(0);
        self.entries.clear();
        self.newest.clear();
        self.cursor = 0;
        self.used = 0;
    }

    /// Messages remembered, and the bytes of their ids and texts.
    #[must_use]
    pub fn usage(&self) -> (usize, usize) {
        (self.entries.len(), self.used)
    }

    /// Messages in the ring.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn key(&self, assignment: AssignmentId, conversation: &str) -> u64 {
        self.hasher.hash_one((assignment, conversation))
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        let at = number.checked_sub(self.front)?;
        self.entries.get(usize::try_from(at).ok()?)
    }

    /// `None` if the entry is of another conversation with the same hash.
    fn read(
        &self,
        entry: &Entry,
        assignment: AssignmentId,
        conversation: &str,
    ) -> Option<ContextMessage<'_>> {
        // One look at all of it: this is a tenth of what an item with a full window costs.
        let mut rest = std::str::from_utf8(self.bytes.get(entry.range())?).ok()?;
        let mut take = |len: u32| {
            let (part, tail) = rest.split_at_checked(len as usize)?;
            rest = tail;
            Some(part)
        };
        let of = take(entry.conversation_len)?;
        let message_id = take(entry.message_len)?;
        let sender_id = take(entry.sender_len)?;
        let text = take(entry.text_len)?;
        (of == conversation && entry.assignment == assignment).then(|| ContextMessage {
            message_id,
            sender_id,
            offset: entry.offset,
            at: entry.at,
            text: MessageText::new(text),
        })
    }

    /// Makes `len` bytes free at the cursor, by dropping the oldest messages.
    fn make_room(&mut self, len: usize, now: Millis) {
        let oldest = now.0.saturating_sub(self.limits.max_age.0);
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.at.0 < oldest)
        {
            self.drop_front();
        }
        if self.cursor + len > self.bytes.len() {
            // The tail of the ring stays unused this time round.
            let tail = self.cursor..self.bytes.len();
            self.drop_in(&tail);
            self.cursor = 0;
        }
        let room = self.cursor..self.cursor + len;
        self.drop_in(&room);
    }

    fn drop_in(&mut self, room: &Range<usize>) {
        while let Some(entry) = self.entries.front() {
            let held = entry.range();
            if held.start >= room.end || held.end <= room.start {
                break;
            }
            self.drop_front();
        }
    }

    fn drop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            if self.newest.get(&entry.conversation) == Some(&self.front) {
                self.newest.remove(&entry.conversation);
            }
            self.front += 1;
            self.used -= entry.range().len();
        }
    }
}

#[cfg(test)]
mod tests;
