//! The partitions that this worker owns right now, and what holds each of them back.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ledger::{Ledger, Seq};

/// One assignment of one partition: a new one each time the partition comes back. This is the
/// ownership generation: whatever names an older one is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssignmentId(pub u64);

/// What a topic carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// Direct messages.
    Messages,
    /// Users' reports.
    Reports,
}

/// What shards need to know of an assignment. Shared, immutable but for the revoked flag.
#[derive(Debug)]
pub struct Assignment {
    /// This assignment.
    pub id: AssignmentId,
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// What the topic carries.
    pub kind: InputKind,
    revoked: AtomicBool,
}

impl Assignment {
    /// An assignment that is live.
    #[must_use]
    pub fn new(id: AssignmentId, topic: Arc<str>, partition: i32, kind: InputKind) -> Self {
        Self {
            id,
            topic,
            partition,
            kind,
            revoked: AtomicBool::new(false),
        }
    }

    /// Whether work that has not started must be dropped.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    /// Stops work that has not started. Work that has goes on and is still acknowledged.
    pub fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Why a partition is paused. It is resumed when no hold is left; this set alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Hold {
    /// Its conversation state is being restored.
    Restoring = 1,
    /// Its own span from watermark to newest is at the limit.
    Span = 2,
    /// All partitions wait: in flight is at the limit, or the shards are busy.
    Busy = 4,
    /// Its next offset is gone from the log: it waits for a person's decision.
    Stopped = 8,
}

/// The owner's view of one assignment: its ledger and its holds.
#[derive(Debug)]
pub struct Owned {
    /// The part that shards see.
    pub assignment: Arc<Assignment>,
    /// Which messages are done.
    pub ledger: Ledger,
    /// Offset of the last successful commit; `None` before the first.
    pub committed: Option<i64>,
    /// Deaths of earlier owners at [`Owned::start`].
    pub deaths: u32,
    /// Where this assignment began.
    pub start: i64,
    /// Messages below this offset are suspects: judged in a child process first.
    pub isolate_below: i64,
    holds: u8,
}

impl Owned {
    /// A new assignment that starts at `start`.
    #[must_use]
    pub fn new(assignment: Arc<Assignment>, start: i64) -> Self {
        Self {
            assignment,
            ledger: Ledger::new(start),
            committed: None,
            deaths: 0,
            start,
            isolate_below: i64::MIN,
            holds: 0,
        }
    }

    /// Whether anything holds it back.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.holds != 0
    }

    /// Whether this holds it back.
    #[must_use]
    pub fn has(&self, hold: Hold) -> bool {
        self.holds & hold as u8 != 0
    }

    /// Sets or clears a hold. `Some(true)` when the partition must now be paused, `Some(false)`
    /// when it must be resumed, `None` when nothing changes for the consumer.
    pub fn set(&mut self, hold: Hold, on: bool) -> Option<bool> {
        let before = self.is_held();
        if on {
            self.holds |= hold as u8;
        } else {
            self.holds &= !(hold as u8);
        }
        (self.is_held() != before).then_some(!before)
    }
}

/// All assignments, found by partition (intake) or by id (acks).
#[derive(Debug, Default)]
pub struct Assignments {
    owned: HashMap<AssignmentId, Owned>,
    // Few topics with few partitions each: a list per topic beats hashing the topic's name for
    // every message.
    by_topic: Vec<(Arc<str>, Vec<Option<AssignmentId>>)>,
    next_id: u64,
}

impl Assignments {
    /// Takes a partition in, from offset `start`. A partition that is already owned (which the
    /// protocol rules out) starts over.
    pub fn add(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        kind: InputKind,
        start: i64,
    ) -> &mut Owned {
        let id = AssignmentId(self.next_id);
        self.next_id += 1;
        if let Some(old) = self.id_of(topic, partition) {
            self.owned.remove(&old);
        }
        let at = match self.by_topic.iter().position(|(name, _)| name == topic) {
            Some(at) => at,
            None => {
                self.by_topic.push((Arc::clone(topic), Vec::new()));
                self.by_topic.len() - 1
            }
        };
        let partitions = &mut self.by_topic[at].1;
        let index = usize::try_from(partition).unwrap_or(0);
        if partitions.len() <= index {
            partitions.resize(index + 1, None);
        }
        partitions[index] = Some(id);
        let assignment = Assignment::new(id, Arc::clone(topic), partition, kind);
        self.owned
            .entry(id)
            .or_insert_with(|| Owned::new(Arc::new(assignment), start))
    }

    /// Which assignment a partition has now.
    #[must_use]
    pub fn id_of(&self, topic: &str, partition: i32) -> Option<AssignmentId> {
        let (_, partitions) = self.by_topic.iter().find(|(name, _)| &**name == topic)?;
        *partitions.get(usize::try_from(partition).ok()?)?
    }

    /// The owner's view.
    pub fn get_mut(&mut self, id: AssignmentId) -> Option<&mut Owned> {
        self.owned.get_mut(&id)
    }

    /// The owner's view.
    #[must_use]
    pub fn get(&self, id: AssignmentId) -> Option<&Owned> {
        self.owned.get(&id)
    }

    /// Lets a partition go: from here on its acks find nothing.
    pub fn remove(&mut self, id: AssignmentId) -> Option<Owned> {
        let owned = self.owned.remove(&id)?;
        let Assignment {
            topic, partition, ..
        } = &*owned.assignment;
        let entry = self.by_topic.iter_mut().find(|(name, _)| name == topic);
        if let Some((_, partitions)) = entry
            && let Some(slot) = usize::try_from(*partition)
                .ok()
                .and_then(|at| partitions.get_mut(at))
            && *slot == Some(id)
        {
            *slot = None;
        }
        Some(owned)
    }

    /// An ack: the message of that slot is done. Of an older assignment: nothing happens.
    pub fn complete(&mut self, id: AssignmentId, seq: Seq) {
        if let Some(owned) = self.owned.get_mut(&id) {
            owned.ledger.complete(seq);
        }
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Owned> {
        self.owned.values()
    }

    /// All of them, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Owned> {
        self.owned.values_mut()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owned.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owned.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_of_an_older_assignment_is_ignored() {
        let topic: Arc<str> = "t".into();
        let mut all = Assignments::default();
        let old = all.add(&topic, 3, InputKind::Messages, 10);
        let old_id = old.assignment.id;
        let seq = old.ledger.arrive(10, 1).unwrap();
        all.remove(old_id);
        assert_eq!(all.id_of("t", 3), None);
        let new = all.add(&topic, 3, InputKind::Messages, 10);
        let new_id = new.assignment.id;
        new.ledger.arrive(10, 1);
        all.complete(old_id, seq);
        assert_eq!(all.get(new_id).unwrap().ledger.watermark(), 10);
        all.complete(new_id, seq);
        assert_eq!(all.get(new_id).unwrap().ledger.watermark(), 11);
        // A late removal of the old one does not touch the new one.
        assert!(all.remove(old_id).is_none());
        assert_eq!(all.id_of("t", 3), Some(new_id));
    }

    #[test]
    fn a_partition_is_resumed_only_when_no_hold_is_left() {
        let topic: Arc<str> = "t".into();
        let mut all = Assignments::default();
        let owned = all.add(&topic, 0, InputKind::Messages, 0);
        assert_eq!(owned.set(Hold::Restoring, true), Some(true));
        assert_eq!(owned.set(Hold::Busy, true), None);
        assert_eq!(owned.set(Hold::Restoring, false), None);
        assert_eq!(owned.set(Hold::Restoring, false), None);
        assert!(owned.has(Hold::Busy) && owned.is_held());
        assert_eq!(owned.set(Hold::Busy, false), Some(false));
        assert_eq!(owned.set(Hold::Busy, false), None);
    }
}
