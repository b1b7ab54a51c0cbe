//! A message while its fields come in, and what makes it complete.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::error::{DecodeReason, FaultCell};
use crate::message::{AgeBand, Attachment, Field, Message, MessageText, Party};

/// A party while its fields come in.
#[derive(Default)]
pub(super) struct PartyDraft<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) age_band: Option<AgeBand>,
    pub(super) region: Option<Cow<'a, str>>,
    pub(super) account_age_days: Option<u32>,
}

impl<'a> PartyDraft<'a> {
    pub(super) fn finish(self) -> Option<Party<'a>> {
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
pub(super) struct AttachmentDraft<'a> {
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) hash: Option<Cow<'a, str>>,
    pub(super) known: Option<Cow<'a, str>>,
}

/// A message while its fields come in.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) seen: u32,
    pub(super) message_id: Option<Cow<'a, str>>,
    pub(super) conversation_id: Option<Cow<'a, str>>,
    pub(super) sent_at: Option<Cow<'a, str>>,
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) sender: PartyDraft<'a>,
    pub(super) recipients: SmallVec<[Party<'a>; 1]>,
    pub(super) first_contact: Option<bool>,
    pub(super) lang: Option<Cow<'a, str>>,
    pub(super) edited_at: Option<Cow<'a, str>>,
    pub(super) attachments: SmallVec<[Attachment<'a>; 1]>,
    // The array object that is being read.
    pub(super) party: PartyDraft<'a>,
    pub(super) attachment: AttachmentDraft<'a>,
}

impl<'a> Draft<'a> {
    pub(super) fn finish<E: serde::de::Error>(self, fault: &FaultCell) -> Result<Message<'a>, E> {
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
