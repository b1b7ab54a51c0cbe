//! Records on their way from the poll thread to a shard: copied out of librdkafka's buffers once,
//! into one allocation a batch.

use std::ops::Range;
use std::sync::Arc;

use dmwatch_core::message::Millis;

use super::assignment::Assignment;
use super::ledger::Seq;
use crate::dead_letter::ReplayHeaders;

/// One record of a batch: where its bytes stand, and what it must be acknowledged as.
pub struct Raw {
    /// Index into [`Batch::assignments`].
    assignment: u32,
    /// Its slot in that assignment's ledger.
    pub seq: Seq,
    /// Offset in its partition.
    pub offset: i64,
    /// Record timestamp.
    pub at: Millis,
    key: Option<Range<u32>>,
    value: Option<Range<u32>>,
    /// To be judged in a child process first.
    pub suspect: bool,
    /// A replay's claim of original coordinates, to be verified.
    pub replay: Option<Box<ReplayHeaders>>,
}

/// A few hundred records for one shard.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    assignments: Vec<Arc<Assignment>>,
    records: Vec<Raw>,
}

/// What the poll thread knows of a record.
pub struct Incoming<'a> {
    /// Its slot.
    pub seq: Seq,
    /// Offset in its partition.
    pub offset: i64,
    /// Record timestamp.
    pub at: Millis,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// To be judged in a child process first.
    pub suspect: bool,
    /// A replay's claim of original coordinates.
    pub replay: Option<Box<ReplayHeaders>>,
}

impl Batch {
    /// Copies a record in.
    pub fn push(&mut self, assignment: &Arc<Assignment>, incoming: Incoming<'_>) {
        // Records come in runs of one partition.
        let known = self
            .assignments
            .iter()
            .rposition(|have| have.id == assignment.id);
        let at = known.unwrap_or_else(|| {
            self.assignments.push(Arc::clone(assignment));
            self.assignments.len() - 1
        });
        let key = incoming.key.map(|key| self.copy(key));
        let value = incoming.value.map(|value| self.copy(value));
        self.records.push(Raw {
            assignment: at as u32,
            seq: incoming.seq,
            offset: incoming.offset,
            at: incoming.at,
            key,
            value,
            suspect: incoming.suspect,
            replay: incoming.replay,
        });
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len() as u32
    }

    /// The records in arrival order.
    #[must_use]
    pub fn records(&self) -> &[Raw] {
        &self.records
    }

    /// Whose it is.
    #[must_use]
    pub fn assignment(&self, raw: &Raw) -> &Arc<Assignment> {
        &self.assignments[raw.assignment as usize]
    }

    /// Its key.
    #[must_use]
    pub fn key(&self, raw: &Raw) -> Option<&[u8]> {
        raw.key.as_ref().map(|range| self.slice(range))
    }

    /// Its value.
    #[must_use]
    pub fn value(&self, raw: &Raw) -> Option<&[u8]> {
        raw.value.as_ref().map(|range| self.slice(range))
    }

    fn slice(&self, range: &Range<u32>) -> &[u8] {
        &self.bytes[range.start as usize..range.end as usize]
    }

    /// Records in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of keys and values in it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Which shard judges a conversation: by a hash of the record's key that never changes between
/// versions or machines, since records of `dmwatch.state` carry it. Records without a key go by
/// their partition. FNV-1a, 64 bit.
#[must_use]
pub fn route(key: Option<&[u8]>, partition: i32) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let by_partition = partition.to_be_bytes();
    let bytes = key.unwrap_or(&by_partition);
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_never_change() {
        // The published FNV-1a test vectors.
        assert_eq!(route(Some(b""), 0), 0xcbf2_9ce4_8422_2325);
        assert_eq!(route(Some(b"a"), 0), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(route(Some(b"foobar"), 9), 0x8594_4171_f739_67e8);
        assert_ne!(route(None, 1), route(None, 2));
    }
}
