//! The records as the platform writes them.

use dmwatch_core::message::Millis;
use serde::Serialize;

use super::Sent;
use crate::demo::people::{Account, Conversation};

#[derive(Serialize)]
pub(super) struct Message<'a> {
    message_id: &'a str,
    conversation_id: &'a str,
    sent_at: String,
    text: &'a str,
    sender: Sender<'a>,
    recipients: Vec<Party<'a>>,
    first_contact: bool,
    lang: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<String>,
    attachments: Vec<Attachment>,
    // Not in the schema: a platform's own fields, which are to be skipped.
    client: Client,
}

#[derive(Serialize)]
pub(super) struct Sender<'a> {
    id: &'a str,
    age_band: &'a str,
    region: &'a str,
    account_age_days: u32,
}

#[derive(Serialize)]
pub(super) struct Party<'a> {
    id: &'a str,
    age_band: &'a str,
    region: &'a str,
}

#[derive(Serialize)]
pub(super) struct Attachment {
    kind: &'static str,
    hash: String,
}

#[derive(Serialize)]
pub(super) struct Client {
    pub(super) app: &'static str,
    pub(super) version: &'static str,
    pub(super) session: String,
}

#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) report_id: String,
    pub(super) reporter_id: &'a str,
    pub(super) reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
    pub(super) reported_at: String,
    pub(super) messages: Vec<Message<'a>>,
}

pub(super) fn message<'a>(
    conversation: &'a Conversation,
    sent: &'a Sent,
    edited: Option<Millis>,
    extras: Extras,
) -> Message<'a> {
    let sender = &conversation.members[sent.speaker];
    let is_other = |member: &&Account| member.id != sender.id;
    let party = |member: &'a Account| Party {
        id: &member.id,
        age_band: member.age_band.as_str(),
        region: member.country,
    };
    let attachment = |hash| Attachment {
        kind: "image",
        hash,
    };
    Message {
        message_id: &sent.message_id,
        conversation_id: &conversation.id,
        sent_at: rfc3339(sent.at),
        text: sent.text,
        sender: Sender {
            id: &sender.id,
            age_band: sender.age_band.as_str(),
            region: sender.country,
            account_age_days: sender.age_days,
        },
        recipients: conversation
            .members
            .iter()
            .filter(is_other)
            .map(party)
            .collect(),
        first_contact: sent.first_contact,
        lang: "en",
        edited_at: edited.map(rfc3339),
        attachments: extras.attached.into_iter().map(attachment).collect(),
        client: extras.client,
    }
}

pub(super) fn rfc3339(at: Millis) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(at.0);
    timestamp.map_or_else(|_| at.0.to_string(), |timestamp| timestamp.to_string())
}

/// What has nothing to do with the conversation.
pub(super) struct Extras {
    /// Hash of an attached image.
    pub(super) attached: Option<String>,
    pub(super) client: Client,
}

/// Plain structs of strings and numbers: serialising them cannot fail.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
