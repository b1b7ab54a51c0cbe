//! The serde visitors that walk a record along the tree of field paths.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::draft::Draft;
use super::error::{DecodeReason, FaultCell};
use crate::message::fields::{Object, Target};
use crate::message::{AgeBand, Attachment, Field};

/// Reads one object of the tree into the draft.
pub(super) struct ObjectSeed<'m, 'd, 'de> {
    pub(super) object: &'m Object,
    pub(super) draft: &'d mut Draft<'de>,
    pub(super) fault: &'m FaultCell,
    pub(super) name: &'static str,
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
