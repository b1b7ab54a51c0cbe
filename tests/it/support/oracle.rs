//! The oracle: whether every record that went in came out as it must, judged from the topics alone.
//!
//! It reads the input topic and every topic that dmwatch writes through a foreign client, opens what
//! is sealed with the test's own private keys, and compares it with what the generator planned. It
//! never asks the worker. [`judge`] is pure, so the oracle itself is tested: it must fail on a lost,
//! an invented, a changed and a doubled record.

mod judge;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;

pub use judge::judge;
pub use read::{gaps, read};

use super::generate::Expected;

/// Where an input record stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// An input record as the foreign client reads it back, and what must become of it.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub source: Source,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub expected: Expected,
}

/// A review item, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub source: Source,
    pub item_id: String,
    pub message_id: String,
    pub conversation_id: String,
    /// The region whose topic it came on.
    pub region: String,
    pub queue: String,
    /// Ids of the rules in its reasons, sorted.
    pub rules: Vec<String>,
    pub evidence: Evidence,
    /// Id of the report that it is, if a user asked for it.
    pub report: Option<String>,
}

/// What an item says of the words: the message's text, or everything that a report holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Sealed, and opened with the region's private key.
    Text(String),
    /// Left out: the record would have been larger than the output limit, or the region is unassigned.
    Absent,
}

/// A dead letter, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub source: Source,
    pub reason: String,
    /// The input's key and value; `None` where it was too large to be carried.
    pub content: Option<Content>,
}

/// Key and value of an input record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Evidences {
    pub arrived: Vec<Arrived>,
    pub items: Vec<Item>,
    pub dead_letters: Vec<DeadLetter>,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Should have come out and did not.
    Lost(Source),
    /// Came out although it should not, or has no input record at all.
    Invented(Source),
    /// Came out, but not as it must; says what differs.
    Changed(Source, &'static str),
    /// Came out more than once under different ids, or two records came out under the same.
    Identity(Source),
}

/// The judgement.
#[derive(Debug, Default)]
pub struct Report {
    pub faults: Vec<Fault>,
    /// Distinct messages that came out flagged.
    pub flagged: usize,
    /// Distinct reports that came out.
    pub reported: usize,
    /// Distinct records that came out as dead letters.
    pub dead_lettered: usize,
    /// Deliveries beyond the first: allowed, and counted.
    pub repeats: usize,
}

impl Report {
    /// Fails the test where anything is wrong.
    pub fn assert_faultless(&self) {
        assert!(self.faults.is_empty(), "{self}");
    }

    pub fn lost(&self) -> usize {
        self.faults
            .iter()
            .filter(|fault| matches!(fault, Fault::Lost(_)))
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{} faults; {} flagged, {} reported, {} dead-lettered, {} repeats",
            self.faults.len(),
            self.flagged,
            self.reported,
            self.dead_lettered,
            self.repeats,
        )?;
        for fault in self.faults.iter().take(20) {
            writeln!(out, "  {fault:?}")?;
        }
        Ok(())
    }
}
