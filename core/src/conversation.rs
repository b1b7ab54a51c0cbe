//! What is remembered of a conversation: immutable entries, ordered by offset.
//!
//! Used by `rate` conditions. A [`Store`] belongs to one input partition (of one shard): offsets in
//! it are comparable. Every answer is a pure function of the entries up to an offset, so a message
//! that is delivered twice is judged the same both times.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::message::Millis;

/// One thing that happened in a conversation and that a later message is judged by.
///
/// An entry never changes once written, so what a message is judged by is a pure function of the
/// entries up to its offset, and redelivery changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The conversation.
    pub conversation_id: Box<str>,
    /// Whose message it was.
    pub sender_id: Box<str>,
    /// What happened: the id of the rule's counter.
    pub cue: Box<str>,
    /// Offset of the message in its input partition.
    pub offset: i64,
    /// Record time of the message.
    pub at: Millis,
}

/// What the entries of one count have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    /// The conversation.
    pub conversation_id: &'a str,
    /// Whose messages are counted.
    pub sender_id: &'a str,
    /// The id of the rule's counter.
    pub cue: &'a str,
}

/// When something happened: the rest of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    offset: i64,
    at: Millis,
}

#[derive(Debug)]
struct Series {
    conversation_id: Box<str>,
    sender_id: Box<str>,
    cue: Box<str>,
    /// By offset, each offset once.
    moments: Vec<Moment>,
    /// No moment is older than this.
    oldest: Millis,
}

impl Series {
    fn key(&self) -> Key<'_> {
        Key {
            conversation_id: &self.conversation_id,
            sender_id: &self.sender_id,
            cue: &self.cue,
        }
    }

    fn entry(&self, moment: Moment) -> Entry {
        Entry {
            conversation_id: self.conversation_id.clone(),
            sender_id: self.sender_id.clone(),
            cue: self.cue.clone(),
            offset: moment.offset,
            at: moment.at,
        }
    }
}

/// The entries of one partition that can still matter.
///
/// # Size
/// Entries older than the longest window of any rule are dropped by [`Store::expire`]. Within the
/// window a flood could still add entries without end, so at most `kept_per_key` (to twice that,
/// between two clean-ups) of one conversation, sender and cue are kept: those that happened last by
/// record time.
///
/// The answer to "at least `n` within the window, up to this offset" stays exact, in whatever order
/// the record times come, while `kept_per_key` is at least `n` plus the number of messages that can
/// be delivered again (those between the partition's low watermark and its newest in flight, which
/// the ledger bounds). For take a message at offset `o` that may still be asked for, and an entry
/// dropped although it counts for `o`. Every kept entry happened no earlier than the dropped one, so
/// it lies in the window too. Fewer than `kept_per_key − n` of them come after `o`, so at least
/// `n` come before, and the answer is "yes" without the dropped one.
#[derive(Debug)]
pub struct Store {
    series: HashMap<u64, Vec<Series>, foldhash::fast::RandomState>,
    /// Hashes the keys, so that a look-up needs no owned key.
    hasher: foldhash::fast::RandomState,
    kept_per_key: usize,
    len: usize,
    /// Dropped for the bound, not yet returned by `expire`.
    overflow: Vec<Entry>,
}

/// Enough for 31,000 messages in flight of one partition, all from one sender in one conversation,
/// and the largest `at_least` that a rule may ask for ([`crate::rules::MAX_RATE`]).
pub const DEFAULT_KEPT_PER_KEY: usize = 32 * 1024;

impl Default for Store {
    fn default() -> Self {
        Self::new(DEFAULT_KEPT_PER_KEY)
    }
}

impl Store {
    /// An empty store; see the type for what the bound means.
    #[must_use]
    pub fn new(kept_per_key: usize) -> Self {
        Self {
            series: HashMap::default(),
            hasher: foldhash::fast::RandomState::default(),
            kept_per_key: kept_per_key.max(1),
            len: 0,
            overflow: Vec::new(),
        }
    }

    /// Adds an entry read back from the state topic. Order and repeats do not matter.
    pub fn restore(&mut self, entry: Entry) {
        let moment = Moment {
            offset: entry.offset,
            at: entry.at,
        };
        let key = Key {
            conversation_id: &entry.conversation_id,
            sender_id: &entry.sender_id,
            cue: &entry.cue,
        };
        let _ = self.add(key, moment);
    }

    /// Remembers that something happened. Returns the entry to be made durable if it is new, and
    /// nothing if this message was already counted.
    pub fn observe(&mut self, key: Key<'_>, offset: i64, at: Millis) -> Option<Entry> {
        self.add(key, Moment { offset, at }).then(|| Entry {
            conversation_id: key.conversation_id.into(),
            sender_id: key.sender_id.into(),
            cue: key.cue.into(),
            offset,
            at,
        })
    }

    /// How many entries of the key have an offset of at most `up_to` and happened later than
    /// `after`.
    #[must_use]
    pub fn count(&self, key: Key<'_>, up_to: i64, after: Millis) -> usize {
        self.find(key).map_or(0, |series| {
            let end = series
                .moments
                .partition_point(|moment| moment.offset <= up_to);
            let before = series.moments.get(..end).unwrap_or_default();
            before.iter().filter(|moment| moment.at > after).count()
        })
    }

    /// Whether that count is at least `at_least`. Stops at the first `at_least` entries that it
    /// finds, latest first, so that a flood is not counted to its end each time.
    #[must_use]
    pub fn reaches(&self, key: Key<'_>, up_to: i64, after: Millis, at_least: usize) -> bool {
        let Some(series) = self.find(key) else {
            return at_least == 0;
        };
        let end = series
            .moments
            .partition_point(|moment| moment.offset <= up_to);
        let before = series.moments.get(..end).unwrap_or_default();
        let within = before.iter().rev().filter(|moment| moment.at > after);
        within.take(at_least).count() >= at_least
    }

    /// Drops every entry that happened at or before a time, and returns what was dropped (also for
    /// the bound on size), so that the records in the state topic can be deleted. Call it with the
    /// record time of the partition's low watermark less
    /// [`crate::rules::Ruleset::longest_window`].
    pub fn expire(&mut self, before: Millis) -> Vec<Entry> {
        let mut dropped = Vec::new();
        self.series.retain(|_, bucket| {
            bucket.retain_mut(|series| {
                if series.oldest > before {
                    return true;
                }
                let (gone, kept): (Vec<_>, Vec<_>) = series
                    .moments
                    .iter()
                    .partition(|moment| moment.at <= before);
                dropped.extend(gone.into_iter().map(|moment| series.entry(moment)));
                series.oldest = kept.iter().map(|moment| moment.at).min().unwrap_or(before);
                series.moments = kept;
                !series.moments.is_empty()
            });
            !bucket.is_empty()
        });
        self.len -= dropped.len();
        dropped.append(&mut self.overflow);
        dropped
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn hash(&self, key: Key<'_>) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, key)
    }

    fn find(&self, key: Key<'_>) -> Option<&Series> {
        let bucket = self.series.get(&self.hash(key))?;
        bucket.iter().find(|series| series.key() == key)
    }

    fn add(&mut self, key: Key<'_>, moment: Moment) -> bool {
        let hash = self.hash(key);
        let bucket = self.series.entry(hash).or_default();
        let Some(series) = bucket.iter_mut().find(|series| series.key() == key) else {
            bucket.push(Series {
                conversation_id: key.conversation_id.into(),
                sender_id: key.sender_id.into(),
                cue: key.cue.into(),
                moments: vec![moment],
                oldest: moment.at,
            });
            self.len += 1;
            return true;
        };
        // Almost always at the end: offsets ascend except in a redelivery.
        let at = series
            .moments
            .partition_point(|known| known.offset < moment.offset);
        if series
            .moments
            .get(at)
            .is_some_and(|known| known.offset == moment.offset)
        {
            return false;
        }
        series.moments.insert(at, moment);
        series.oldest = series.oldest.min(moment.at);
        self.len += 1;
        if series.moments.len() > self.kept_per_key.saturating_mul(2) {
            let gone = keep_latest(&mut series.moments, self.kept_per_key);
            self.len -= gone.len();
            self.overflow
                .extend(gone.into_iter().map(|moment| series.entry(moment)));
        }
        true
    }
}

/// Keeps the moments that happened last, in order of offset, and returns the others.
fn keep_latest(moments: &mut Vec<Moment>, keep: usize) -> Vec<Moment> {
    moments.sort_unstable_by_key(|moment| std::cmp::Reverse((moment.at, moment.offset)));
    let gone = moments.split_off(keep.min(moments.len()));
    moments.sort_unstable();
    gone
}
