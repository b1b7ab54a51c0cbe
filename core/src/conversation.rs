//! What is remembered of a conversation: immutable entries, ordered by offset.

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
