//! The gate in front of every reveal: who reads what, and why, is written down durably before
//! anybody sees a word. No record, no text.
//!
//! [`justify`] says whether an item may be opened for a purpose at all; [`AccessLog::record`] makes
//! the record durable. Both come before the envelope is opened.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::item::{ItemKind, ReviewItem};
use crate::seal;

mod actor;
mod log;

#[cfg(test)]
mod tests;

pub use actor::Actor;
pub use log::{AccessLog, AccessLogError, Chain, ChainError, Fault, verify};

/// Why somebody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Purpose {
    /// A rule flagged the message, and the region allows reading on that ground
    Flag,
    /// A user reported it
    UserReport,
    /// An authority's valid request names it
    LegalRequest,
}

impl Purpose {
    /// The name used in records and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::Flag => "flag",
            Purpose::UserReport => "user_report",
            Purpose::LegalRequest => "legal_request",
        }
    }
}

/// Why an item stays closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key is not a region's.
    #[error("this key is for {found}; expected the key of a region")]
    NotARegionsKey {
        /// What the key is for.
        found: String,
    },
    /// Another region owns it.
    #[error("it belongs to region `{item}`, the key to region `{key}`")]
    Region {
        /// Owning region of the item.
        item: String,
        /// Region of the key.
        key: String,
    },
    /// No region owns it, so nothing was sealed.
    #[error("no region owns it yet: there is nothing to open")]
    Unassigned,
    /// The text was too large to be carried.
    #[error("it is a reference: its text was too large and stays in the input topic")]
    Reference,
    /// A flag is no ground for reading in that region.
    #[error("purpose `flag` is not a ground for reading this item in its region")]
    FlagIsNoPurpose,
    /// Nobody reported it.
    #[error("purpose `user_report` needs a user's report, this is a `{kind}`")]
    NotAReport {
        /// What it is.
        kind: &'static str,
    },
}

/// Whether an item may be opened with that region's key for that purpose.
///
/// # Errors
/// Why not.
pub fn justify(
    item: &ReviewItem<'_>,
    key: &seal::Purpose,
    purpose: Purpose,
) -> Result<(), Refusal> {
    let Some(region) = key.region() else {
        return Err(Refusal::NotARegionsKey {
            found: key.to_string(),
        });
    };
    match item.region.as_deref() {
        None => return Err(Refusal::Unassigned),
        Some(owner) if owner != region => {
            return Err(Refusal::Region {
                item: owner.to_owned(),
                key: region.to_owned(),
            });
        }
        Some(_) => {}
    }
    match &item.evidence {
        None => return Err(Refusal::Reference),
        Some(envelope) if envelope.is_reference() => return Err(Refusal::Reference),
        Some(_) => {}
    }
    match purpose {
        Purpose::Flag if !item.flags.flag_is_purpose => Err(Refusal::FlagIsNoPurpose),
        Purpose::UserReport if item.kind != ItemKind::Report => Err(Refusal::NotAReport {
            kind: item.kind.as_str(),
        }),
        Purpose::Flag | Purpose::UserReport | Purpose::LegalRequest => Ok(()),
    }
}

/// What is written down: `schemas/access-record.v1.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRecord {
    /// Version of the schema: 1.
    pub v: u16,
    /// Position in the log, from 1.
    pub seq: u64,
    /// When (RFC 3339, UTC).
    pub at: String,
    /// Who.
    pub actor: Actor,
    /// The item that was to be opened.
    pub item_id: String,
    /// Its region.
    pub region: String,
    /// What it comes from.
    pub kind: ItemKind,
    /// Why.
    pub purpose: Purpose,
    /// The case, report or request that the purpose refers to, as the actor gave it.
    pub reference: String,
    /// The key that was used.
    pub key_id: String,
    /// SHA-256 of the record before this one, and of whatever was cut off behind it, without the
    /// last line feed; zeros for the first. Whoever changes, removes or inserts a record breaks
    /// the chain from there on.
    pub prev: String,
}

/// An access that is about to happen.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// The item.
    pub item_id: &'a str,
    /// Its region.
    pub region: &'a str,
    /// What it comes from.
    pub kind: ItemKind,
    /// Why.
    pub purpose: Purpose,
    /// The case, report or request.
    pub reference: &'a str,
    /// The key.
    pub key_id: &'a str,
}
