//! Where a record came from.

use std::fmt;

use dmwatch_core::message::Millis;

/// Coordinates of an input record. Those of a replay are the original's, so that its item keeps
/// its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Record timestamp.
    pub at: Millis,
    /// How often it was replayed from the dead-letter topic: 0 for the record itself.
    pub attempt: u32,
}

/// `topic/partition/offset`.
impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}
