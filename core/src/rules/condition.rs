//! Conditions, as rules state them.
//!
//! This is the typed form that the file format is read into and that the compiler starts from. It
//! serialises, which is what a rule's version is computed over.

use std::sync::Arc;

use serde::Serialize;

use super::phrase::Phrase;
use crate::message::{AgeBand, Message, Millis, Party};
use crate::text::View;

/// What must be true of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Every one.
    All(Vec<Condition>),
    /// At least one.
    Any(Vec<Condition>),
    /// Not this one.
    Not(Box<Condition>),
    /// At least so many of these.
    Count {
        /// These.
        of: Vec<Condition>,
        /// So many.
        at_least: usize,
    },
    /// One of these phrases is in the text.
    Phrases(Phrases),
    /// The regex matches the folded text.
    Regex(Arc<str>),
    /// The message happens in a flood.
    Rate(Rate),
    /// A fact of the message that does not depend on its text's words.
    Fact(Fact),
}

/// Phrases, one of which is to be found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phrases {
    /// The name of the list file that they are from, if they are from one.
    pub list: Option<Arc<str>>,
    /// The phrases.
    pub phrases: Arc<[Phrase]>,
    /// The views that they are looked for in.
    pub views: Vec<View>,
}

/// So many messages of one sender in one conversation, of which this is one, within a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rate {
    /// What makes a message count. True of this one too.
    pub of: Box<Condition>,
    /// So many, this one included.
    pub at_least: usize,
    /// Within this time up to this message, in milliseconds of record time.
    pub within: Millis,
}

/// A fact of the message, its parties and its attachments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The sender is such.
    Sender(PartyFacts),
    /// At least one recipient is such.
    Recipient(PartyFacts),
    /// Between a minor and an adult or somebody of unknown age.
    MinorWithAdult,
    /// The platform says that it is (or is not) their first message ever. Where it does not say,
    /// neither is true.
    FirstContact(bool),
    /// The region code of at least one party is one of these.
    Region(Vec<Box<str>>),
    /// The platform says that it is in one of these languages; `en` covers `en-GB`.
    Lang(Vec<Box<str>>),
    /// At least one attachment is such.
    Attachment(AttachmentFacts),
    /// The text's length in characters lies in these bounds.
    Length {
        /// Not shorter.
        at_least: Option<usize>,
        /// Not longer.
        at_most: Option<usize>,
    },
}

/// Everything that is given must hold of one party.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartyFacts {
    /// One of these bands; empty: any.
    pub age_band: Vec<AgeBand>,
    /// One of these region codes; empty: any.
    pub region: Vec<Box<str>>,
    /// The account is younger than so many days. Not true where the platform does not say.
    pub account_age_days_less_than: Option<u32>,
}

/// Everything that is given must hold of one attachment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AttachmentFacts {
    /// One of these kinds; empty: any.
    pub kind: Vec<Box<str>>,
    /// On one of these lists of known content.
    pub known: Option<KnownList>,
}

/// Which lists of known content an attachment must be on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownList {
    /// Any.
    Any,
    /// One of these.
    OneOf(Vec<Box<str>>),
}

impl Condition {
    /// Whether it is false of every text in which no phrase and no regex is found.
    #[must_use]
    pub fn needs_a_pattern(&self) -> bool {
        match self {
            Condition::Phrases(_) | Condition::Regex(_) => true,
            Condition::Not(_) | Condition::Fact(_) => false,
            Condition::Rate(rate) => rate.of.needs_a_pattern(),
            Condition::All(of) => of.iter().any(Self::needs_a_pattern),
            Condition::Any(of) => of.iter().all(Self::needs_a_pattern),
            Condition::Count { of, at_least } => {
                of.iter().filter(|inner| !inner.needs_a_pattern()).count() < *at_least
            }
        }
    }
}

impl Fact {
    /// Whether it is true of a message.
    #[must_use]
    pub fn holds(&self, message: &Message<'_>) -> bool {
        match self {
            Fact::Sender(facts) => facts.hold(&message.sender),
            Fact::Recipient(facts) => message.recipients.iter().any(|party| facts.hold(party)),
            Fact::MinorWithAdult => message.is_minor_with_adult_or_unknown(),
            Fact::FirstContact(wanted) => message.first_contact == Some(*wanted),
            Fact::Region(codes) => message.parties().any(|party| one_of(codes, &party.region)),
            Fact::Lang(tags) => message
                .lang
                .as_deref()
                .is_some_and(|lang| tags.iter().any(|tag| covers(tag, lang))),
            Fact::Attachment(facts) => message.attachments.iter().any(|attachment| {
                (facts.kind.is_empty() || one_of(&facts.kind, &attachment.kind))
                    && match (&facts.known, attachment.known.as_deref()) {
                        (None, _) | (Some(KnownList::Any), Some(_)) => true,
                        (Some(KnownList::OneOf(lists)), Some(list)) => one_of(lists, list),
                        (Some(_), None) => false,
                    }
            }),
            Fact::Length { at_least, at_most } => {
                let text = message.text.reveal();
                // The number of bytes decides most cases without a count.
                let enough = at_least.is_none_or(|least| {
                    text.len() >= least
                        && (text.len() / 4 >= least || text.chars().count() >= least)
                });
                enough
                    && at_most.is_none_or(|most| {
                        text.len() <= most
                            || (text.len() / 4 <= most && text.chars().count() <= most)
                    })
            }
        }
    }
}

impl PartyFacts {
    fn hold(&self, party: &Party<'_>) -> bool {
        (self.age_band.is_empty() || self.age_band.contains(&party.age_band))
            && (self.region.is_empty() || one_of(&self.region, &party.region))
            && self
                .account_age_days_less_than
                .is_none_or(|days| party.account_age_days.is_some_and(|age| age < days))
    }
}

fn one_of(names: &[Box<str>], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a language range covers a tag (RFC 4647, basic filtering).
fn covers(range: &str, tag: &str) -> bool {
    match tag.get(..range.len()) {
        Some(front) if front.eq_ignore_ascii_case(range) => {
            matches!(tag.as_bytes().get(range.len()), None | Some(b'-' | b'_'))
        }
        _ => false,
    }
}
