//! From the bytes of a record to a [`Message`], in one pass, borrowing where JSON allows it.

use serde::de::DeserializeSeed;

use super::fields::{FieldMap, Object};
use super::{Message, Report};

mod draft;
mod error;
mod report;
mod visit;

use draft::Draft;
use error::FaultCell;
pub use error::{DecodeError, DecodeReason};
use report::ReportSeed;
use visit::ObjectSeed;

impl FieldMap {
    /// Decodes one record of `dm.messages`.
    ///
    /// Unknown fields are skipped, whatever they hold and however deep they are nested. `null` counts as absent. An unknown age
    /// band name reads as [`super::AgeBand::Unknown`]: a new band at the platform must not stop messages,
    /// and `unknown` gets the greatest care.
    ///
    /// # Errors
    /// The first thing that is wrong; the record is then a dead letter.
    pub fn decode<'a>(&self, value: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        let text = utf8(value)?;
        let fault = FaultCell::default();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let message = MessageSeed {
            object: &self.root,
            fault: &fault,
        }
        .deserialize(&mut deserializer)
        .and_then(|message| deserializer.end().map(|()| message))
        .map_err(|error| fault.explain(&error))?;
        Ok(message)
    }

    /// Decodes one record of `dm.reports`; its `messages` follow this map.
    ///
    /// # Errors
    /// As [`FieldMap::decode`].
    pub fn decode_report<'a>(&self, value: &'a [u8]) -> Result<Report<'a>, DecodeError> {
        let text = utf8(value)?;
        let fault = FaultCell::default();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let report = ReportSeed {
            object: &self.root,
            fault: &fault,
        }
        .deserialize(&mut deserializer)
        .and_then(|report| deserializer.end().map(|()| report))
        .map_err(|error| fault.explain(&error))?;
        Ok(report)
    }
}

fn utf8(value: &[u8]) -> Result<&str, DecodeError> {
    let plain = |reason| DecodeError {
        reason,
        field: None,
        line: 0,
        column: 0,
    };
    if value.is_empty() {
        return Err(plain(DecodeReason::EmptyValue));
    }
    std::str::from_utf8(value).map_err(|_| plain(DecodeReason::InvalidUtf8))
}

struct MessageSeed<'m> {
    object: &'m Object,
    fault: &'m FaultCell,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = Message<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        let mut draft = Draft::default();
        ObjectSeed {
            object: self.object,
            draft: &mut draft,
            fault: self.fault,
            name: "message",
        }
        .deserialize(d)?;
        draft.finish(self.fault)
    }
}

#[cfg(test)]
mod tests;
