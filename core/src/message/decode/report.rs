//! The report of a user: a few fields of its own around messages of the mapped shape.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::MessageSeed;
use super::error::{DecodeReason, FaultCell};
use crate::message::fields::Object;
use crate::message::{Message, MessageText, Report};

pub(super) struct ReportSeed<'m> {
    pub(super) object: &'m Object,
    pub(super) fault: &'m FaultCell,
}

impl<'de> DeserializeSeed<'de> for ReportSeed<'_> {
    type Value = Report<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ReportSeed<'_> {
    type Value = Report<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts: [Option<Cow<'de, str>>; TEXTS.len()] = Default::default();
        let mut messages: Vec<Message<'de>> = Vec::new();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match key {
                Key::Text(at) => {
                    if texts[at].is_some() {
                        return Err(self.fault.fail(DecodeReason::DuplicateField, TEXTS[at]));
                    }
                    texts[at] = map.next_value_seed(TextSeed {
                        name: TEXTS[at],
                        fault: self.fault,
                    })?;
                }
                Key::Messages => map.next_value_seed(MessagesSeed {
                    object: self.object,
                    fault: self.fault,
                    messages: &mut messages,
                })?,
                Key::Other => {
                    let _skipped: IgnoredAny = map.next_value()?;
                }
            }
        }
        let [report_id, reporter_id, reason, reported_at, note] = texts;
        let required = |value: Option<Cow<'de, str>>, name| {
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| self.fault.fail(DecodeReason::MissingField, name))
        };
        if messages.is_empty() {
            return Err(self.fault.fail(DecodeReason::MissingField, "messages"));
        }
        Ok(Report {
            report_id: required(report_id, TEXTS[0])?,
            reporter_id: required(reporter_id, TEXTS[1])?,
            reason: required(reason, TEXTS[2])?,
            reported_at: required(reported_at, TEXTS[3])?,
            note: note.map(MessageText::new),
            messages,
        })
    }
}

const TEXTS: [&str; 5] = ["report_id", "reporter_id", "reason", "reported_at", "note"];

enum Key {
    Text(usize),
    Messages,
    Other,
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Key, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
        Ok(match TEXTS.iter().position(|name| *name == key) {
            Some(at) => Key::Text(at),
            None if key == "messages" => Key::Messages,
            None => Key::Other,
        })
    }
}

struct TextSeed<'m> {
    name: &'static str,
    fault: &'m FaultCell,
}

impl TextSeed<'_> {
    fn wrong<E: serde::de::Error>(&self) -> E {
        self.fault.fail(DecodeReason::WrongType, self.name)
    }
}

impl<'de> DeserializeSeed<'de> for TextSeed<'_> {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed<'_> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(value)))
    }
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_owned())))
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        match self.name {
            "note" | "reason" => Err(self.wrong()),
            _ => Ok(Some(Cow::Owned(value.to_string()))),
        }
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        match self.name {
            "note" | "reason" => Err(self.wrong()),
            _ => Ok(Some(Cow::Owned(value.to_string()))),
        }
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.wrong())
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(self.wrong())
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.wrong())
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.wrong())
    }
}

struct MessagesSeed<'m, 'v, 'de> {
    object: &'m Object,
    fault: &'m FaultCell,
    messages: &'v mut Vec<Message<'de>>,
}

impl<'de> DeserializeSeed<'de> for MessagesSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        if !self.messages.is_empty() {
            return Err(self.fault.fail(DecodeReason::DuplicateField, "messages"));
        }
        let fault = self.fault;
        let result = d.deserialize_seq(self);
        if result.is_err() && fault.at.get().is_none() {
            fault.at.set(Some((DecodeReason::WrongType, "messages")));
        }
        result
    }
}

impl<'de> Visitor<'de> for MessagesSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(message) = seq.next_element_seed(MessageSeed {
            object: self.object,
            fault: self.fault,
        })? {
            self.messages.push(message);
        }
        Ok(())
    }
}
