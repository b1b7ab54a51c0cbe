//! The identity of an item.

use std::fmt;

use super::ItemKind;
use crate::canonical::{Canonical, hex};
use crate::source::Source;

/// Id of a review item: the first 16 bytes of a SHA-256 over kind, stream epoch, topic, partition,
/// offset, and the message's or report's id; in lower-case hexadecimal.
///
/// Nothing of it depends on rules, models, routing or time, so a message that is delivered again,
/// judged by other rules, or replayed from the dead letters yields the same id, and its queue
/// shows it once. The stream epoch is part of it because the offsets of a topic that was made anew
/// begin again.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ItemId(String);

impl ItemId {
    /// The id of the item of that record. `subject` is the message's id, or the report's.
    pub(super) fn new(
        kind: ItemKind,
        epoch: &str,
        source: &Source<'_>,
        subject: &str,
        scratch: &mut Canonical,
    ) -> Self {
        let digest = scratch
            .start("dmwatch/item/v1")
            .text(kind.as_str())
            .text(epoch)
            .text(source.topic)
            .number(i64::from(source.partition))
            .number(source.offset)
            .text(subject)
            .sha256();
        let (id, _) = digest.split_at(16);
        Self(hex(id))
    }

    /// Whether a text has the form of an id.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == 32 && text.bytes().all(digit)
    }

    /// The 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemId({})", self.0)
    }
}
