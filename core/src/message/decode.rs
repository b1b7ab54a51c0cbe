//! From the bytes of a record to a [`Message`], in one pass, borrowing where JSON allows it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;
use thiserror::Error;

use super::fields::{Field, FieldMap, Object, Target};
use super::{AgeBand, Attachment, Message, MessageText, Party, Report};

/// Why a record could not be decoded. A closed list: it goes into metrics and into the headers of
/// dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeReason {
    /// The record has no value, or an empty one.
    EmptyValue,
    /// The value is not UTF-8.
    InvalidUtf8,
    /// The value is not JSON, is cut off, or has something behind it.
    InvalidJson,
    /// A required field is missing, null or empty.
    MissingField,
    /// A field has another type than the schema's.
    WrongType,
    /// A field stands twice in its object.
    DuplicateField,
}

impl DecodeReason {
    /// The name used in metrics and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyValue => "empty_value",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InvalidJson => "invalid_json",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::DuplicateField => "duplicate_field",
        }
    }
}

/// What is wrong with a record, and where. Never quotes the record: its values are people's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub struct DecodeError {
    /// Why.
    pub reason: DecodeReason,
    /// The field of dmwatch's schema that it is about.
    pub field: Option<&'static str>,
    /// Line in the record, from 1; 0 where it has none.
    pub line: usize,
    /// Column in the record, in bytes from 1; 0 where it has none.
    pub column: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        if let Some(field) = self.field {
            write!(f, ": {field}: {}", expected(field))?;
        }
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        Ok(())
    }
}

/// What the schema has at that field.
fn expected(field: &str) -> &'static str {
    match field {
        "recipients" => "expected an array of at least one party",
        "attachments" => "expected an array of objects",
        "sender" => "expected an object",
        "messages" => "expected an array of at least one message",
        "first_contact" => "expected true or false",
        "sent_at" | "edited_at" | "reported_at" => {
            "expected an RFC 3339 time or milliseconds since 1970"
        }
        field if field.ends_with("account_age_days") => "expected a whole number of days",
        field if field.ends_with("age_band") => "expected under_13, 13_15, 16_17, adult or unknown",
        _ => "expected a string that is not empty",
    }
}

impl FieldMap {
    /// Decodes one record of `dm.messages`.
    ///
    /// Unknown fields are skipped, whatever they hold and however deep they are nested. `null` counts as absent. An unknown age
    /// band name reads as [`AgeBand::Unknown`]: a new band at the platform must not stop messages,
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

/// Which field was being read when decoding failed. serde's own messages are never used, since
/// they quote values.
#[derive(Default)]
struct FaultCell {
    at: Cell<Option<(DecodeReason, &'static str)>>,
}

impl FaultCell {
    fn fail<E: serde::de::Error>(&self, reason: DecodeReason, field: &'static str) -> E {
        self.at.set(Some((reason, field)));
        E::custom("")
    }

    fn explain(&self, error: &serde_json::Error) -> DecodeError {
        use serde_json::error::Category;
        let at = DecodeError {
            reason: DecodeReason::InvalidJson,
            field: None,
            line: error.line(),
            column: error.column(),
        };
        match (self.at.get(), error.classify()) {
            (Some((reason, field)), Category::Data) => DecodeError {
                reason,
                field: Some(field),
                ..at
            },
            (None, Category::Data) => DecodeError {
                reason: DecodeReason::WrongType,
                ..at
            },
            _ => at,
        }
    }
}

/// A party while its fields come in.
#[derive(Default)]
struct PartyDraft<'a> {
    id: Option<Cow<'a, str>>,
    age_band: Option<AgeBand>,
    region: Option<Cow<'a, str>>,
    account_age_days: Option<u32>,
}

impl<'a> PartyDraft<'a> {
    fn finish(self) -> Option<Party<'a>> {
        Some(Party {
            id: self.id.filter(|id| !id.is_empty())?,
            age_band: self.age_band.unwrap_or(AgeBand::Unknown),
            region: self.region.unwrap_or_default(),
            account_age_days: self.account_age_days,
        })
    }
}

/// An attachment while its fields come in.
#[derive(Default)]
struct AttachmentDraft<'a> {
    kind: Option<Cow<'a, str>>,
    hash: Option<Cow<'a, str>>,
    known: Option<Cow<'a, str>>,
}

/// A message while its fields come in.
#[derive(Default)]
struct Draft<'a> {
    seen: u32,
    message_id: Option<Cow<'a, str>>,
    conversation_id: Option<Cow<'a, str>>,
    sent_at: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    sender: PartyDraft<'a>,
    recipients: SmallVec<[Party<'a>; 1]>,
    first_contact: Option<bool>,
    lang: Option<Cow<'a, str>>,
    edited_at: Option<Cow<'a, str>>,
    attachments: SmallVec<[Attachment<'a>; 1]>,
    // The array object that is being read.
    party: PartyDraft<'a>,
    attachment: AttachmentDraft<'a>,
}

impl<'a> Draft<'a> {
    fn finish<E: serde::de::Error>(self, fault: &FaultCell) -> Result<Message<'a>, E> {
        let missing = |field: Field| fault.fail(DecodeReason::MissingField, field.name());
        let required = |value: Option<Cow<'a, str>>, field: Field| {
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| missing(field))
        };
        if self.recipients.is_empty() {
            return Err(missing(Field::Recipients));
        }
        Ok(Message {
            message_id: required(self.message_id, Field::MessageId)?,
            conversation_id: required(self.conversation_id, Field::ConversationId)?,
            sent_at: required(self.sent_at, Field::SentAt)?,
            // An empty text is a message (a lone attachment); a missing one is not.
            text: MessageText::new(self.text.ok_or_else(|| missing(Field::Text))?),
            sender: self
                .sender
                .finish()
                .ok_or_else(|| missing(Field::SenderId))?,
            recipients: self.recipients,
            first_contact: self.first_contact,
            lang: self.lang,
            edited_at: self.edited_at,
            attachments: self.attachments,
        })
    }
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

/// Reads one object of the tree into the draft.
struct ObjectSeed<'m, 'd, 'de> {
    object: &'m Object,
    draft: &'d mut Draft<'de>,
    fault: &'m FaultCell,
    name: &'static str,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Producers write keys in a fixed order, so the next key is nearly always the next one of
        // the tree: one comparison instead of a search.
        let mut next = 0;
        while let Some(found) = map.next_key_seed(KeySeed {
            object: self.object,
            next,
        })? {
            let Some(at) = found else {
                let _skipped: IgnoredAny = map.next_value()?;
                continue;
            };
            next = at + 1;
            match &self.object.keys[at].1 {
                Target::Field(field) => {
                    map.next_value_seed(ScalarSeed {
                        field: *field,
                        draft: &mut *self.draft,
                        fault: self.fault,
                    })?;
                }
                Target::Object(object) => {
                    map.next_value_seed(ObjectSeed {
                        object,
                        draft: &mut *self.draft,
                        fault: self.fault,
                        name: "sender",
                    })?;
                }
                Target::Array(field, object) => {
                    map.next_value_seed(ArraySeed {
                        array: *field,
                        object,
                        draft: &mut *self.draft,
                        fault: self.fault,
                    })?;
                }
            }
        }
        Ok(())
    }

    // `null` is an absent object.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.fault.fail(DecodeReason::WrongType, self.name))
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.fault.fail(DecodeReason::WrongType, self.name))
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.fault.fail(DecodeReason::WrongType, self.name))
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.fault.fail(DecodeReason::WrongType, self.name))
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.fault.fail(DecodeReason::WrongType, self.name))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.fault.fail(DecodeReason::WrongType, self.name))
    }
}

/// Finds a key in an object of the tree without copying it.
struct KeySeed<'m> {
    object: &'m Object,
    next: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        let keys = &self.object.keys;
        if keys.get(self.next).is_some_and(|(have, _)| &**have == key) {
            return Ok(Some(self.next));
        }
        Ok(keys.iter().position(|(have, _)| &**have == key))
    }
}

/// Reads an array of parties or attachments.
struct ArraySeed<'m, 'd, 'de> {
    array: Field,
    object: &'m Object,
    draft: &'d mut Draft<'de>,
    fault: &'m FaultCell,
}

impl<'de> ArraySeed<'_, '_, 'de> {
    fn wrong<E: serde::de::Error>(&self) -> E {
        self.fault.fail(DecodeReason::WrongType, self.array.name())
    }

    /// Moves the array object that was just read into its list.
    fn push<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.array == Field::Recipients {
            let party = std::mem::take(&mut self.draft.party).finish();
            let party = party.ok_or_else(|| {
                self.fault
                    .fail(DecodeReason::MissingField, Field::RecipientId.name())
            })?;
            self.draft.recipients.push(party);
        } else {
            let draft = std::mem::take(&mut self.draft.attachment);
            let kind = draft.kind.ok_or_else(|| {
                self.fault
                    .fail(DecodeReason::MissingField, Field::AttachmentKind.name())
            })?;
            self.draft.attachments.push(Attachment {
                kind,
                hash: draft.hash,
                known: draft.known,
            });
        }
        self.draft.seen &= !array_bits(self.array);
        Ok(())
    }

    fn element(&mut self) -> ObjectSeed<'_, '_, 'de> {
        ObjectSeed {
            object: self.object,
            draft: &mut *self.draft,
            fault: self.fault,
            name: self.array.name(),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ArraySeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        if self.draft.seen & (1 << self.array as u32) != 0 {
            return Err(self
                .fault
                .fail(DecodeReason::DuplicateField, self.array.name()));
        }
        self.draft.seen |= 1 << self.array as u32;
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ArraySeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.element())?.is_some() {
            self.push()?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        self.element().visit_map(map)?;
        self.push()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.wrong())
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.wrong())
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.wrong())
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.wrong())
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.wrong())
    }
}

/// The bits of the fields inside an array's objects: they may come again in the next object.
fn array_bits(array: Field) -> u32 {
    let members: &[Field] = match array {
        Field::Recipients => &[
            Field::RecipientId,
            Field::RecipientAgeBand,
            Field::RecipientRegion,
            Field::RecipientAccountAge,
        ],
        _ => &[
            Field::AttachmentKind,
            Field::AttachmentHash,
            Field::AttachmentMatch,
        ],
    };
    members
        .iter()
        .fold(0, |bits, &field| bits | 1 << field as u32)
}

/// Reads one scalar field into the draft.
struct ScalarSeed<'m, 'd, 'de> {
    field: Field,
    draft: &'d mut Draft<'de>,
    fault: &'m FaultCell,
}

impl<'de> ScalarSeed<'_, '_, 'de> {
    fn wrong<E: serde::de::Error>(&self) -> E {
        self.fault.fail(DecodeReason::WrongType, self.field.name())
    }

    fn text<E: serde::de::Error>(self, value: Cow<'de, str>) -> Result<(), E> {
        let draft = self.draft;
        match self.field {
            Field::MessageId => draft.message_id = Some(value),
            Field::ConversationId => draft.conversation_id = Some(value),
            Field::SentAt => draft.sent_at = Some(value),
            Field::Text => draft.text = Some(value),
            Field::Lang => draft.lang = Some(value),
            Field::EditedAt => draft.edited_at = Some(value),
            Field::SenderId => draft.sender.id = Some(value),
            Field::SenderAgeBand => draft.sender.age_band = AgeBand::from_name(&value),
            Field::SenderRegion => draft.sender.region = Some(value),
            Field::RecipientId => draft.party.id = Some(value),
            Field::RecipientAgeBand => draft.party.age_band = AgeBand::from_name(&value),
            Field::RecipientRegion => draft.party.region = Some(value),
            Field::AttachmentKind => draft.attachment.kind = Some(value),
            Field::AttachmentHash => draft.attachment.hash = Some(value),
            Field::AttachmentMatch => draft.attachment.known = Some(value),
            Field::FirstContact
            | Field::SenderAccountAge
            | Field::RecipientAccountAge
            | Field::Recipients
            | Field::Attachments => {
                return Err(self.fault.fail(DecodeReason::WrongType, self.field.name()));
            }
        }
        Ok(())
    }

    fn number<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        match self.field {
            Field::SenderAccountAge | Field::RecipientAccountAge => {
                // An account older than u32 days is as old as that.
                let Ok(days) = u32::try_from(value.min(i128::from(u32::MAX))) else {
                    return Err(self.wrong());
                };
                if self.field == Field::SenderAccountAge {
                    self.draft.sender.account_age_days = Some(days);
                } else {
                    self.draft.party.account_age_days = Some(days);
                }
                Ok(())
            }
            // Times as milliseconds, and ids that a platform keeps as numbers.
            Field::SentAt
            | Field::EditedAt
            | Field::MessageId
            | Field::ConversationId
            | Field::SenderId
            | Field::RecipientId => self.text(Cow::Owned(value.to_string())),
            _ => Err(self.wrong()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ScalarSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        let bit = 1 << self.field as u32;
        if self.draft.seen & bit != 0 {
            return Err(self
                .fault
                .fail(DecodeReason::DuplicateField, self.field.name()));
        }
        self.draft.seen |= bit;
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<(), E> {
        self.text(Cow::Borrowed(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.text(Cow::Owned(value.to_owned()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.number(i128::from(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.number(i128::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.wrong())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        if self.field != Field::FirstContact {
            return Err(self.wrong());
        }
        self.draft.first_contact = Some(value);
        Ok(())
    }

    // `null` is an absent field.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.wrong())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.wrong())
    }
}

mod report;
use report::ReportSeed;

#[cfg(test)]
mod tests;
