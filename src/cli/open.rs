//! `dmwatch open`: the sealed text of review items, for the holder of the region's private key.
//!
//! Every item goes through the gate of [`crate::access`]: it has to justify the purpose, and the
//! access has to be on the disk, before its envelope is opened.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::exit::Failure;
use super::keys;
use crate::access::{Access, AccessLog, Actor, Purpose, Refusal, justify};
use crate::item::{EVIDENCE_VERSION, ITEM_VERSION, ItemId, ReviewItem};
use crate::seal::{OpenError, Opener, Subject, key_file};

/// Arguments of `dmwatch open`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Review items as JSON lines, as they stand in `review.<region>`; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Private key file of the items' region
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Why the text is read; each item has to justify it
    #[arg(long, value_enum)]
    purpose: Purpose,
    /// The case, report or request that the purpose refers to
    #[arg(long, value_name = "TEXT", value_parser = reference)]
    reference: String,
    /// File that every access is written to before any text is shown
    #[arg(long, value_name = "FILE")]
    access_log: PathBuf,
}

fn reference(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=256).contains(&text.chars().count());
    if fits && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 256 characters in one line".to_owned())
    }
}

/// Runs `dmwatch open`.
///
/// # Errors
/// A key or log that cannot be used; an item that is refused or does not open (65). What could be
/// opened before is shown.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let mut complaints = io::stderr().lock();
    let input: Box<dyn BufRead> = if args.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file).map_err(|error| {
            Failure::unavailable(format!("cannot read {}: {error}", args.file.display()))
        })?;
        Box::new(BufReader::new(file))
    };
    Session::new(args, Actor::of_process())?.run(input, &mut out, &mut complaints)
}

/// Why a line stays closed.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("not a review item (fault at column {column}, of schema review-item.v{ITEM_VERSION})")]
    NotAnItem { column: usize },
    #[error("expected schema version {ITEM_VERSION}, found {found}")]
    Version { found: u16 },
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error("does not open: {0}")]
    Open(#[from] OpenError),
    #[error("does not open: what was sealed is not of schema evidence.v{EVIDENCE_VERSION}")]
    NotEvidence,
    #[error("refused: `flag_is_purpose` is not what was sealed; the item was changed")]
    Forged,
}

struct Session<'a> {
    args: &'a Args,
    actor: Actor,
    opener: Opener,
    log: AccessLog,
}

/// The part of the evidence that the gate looks at. The rest is only checked to be JSON.
#[derive(Deserialize)]
struct Sealed {
    v: u16,
    flag_is_purpose: bool,
    #[serde(rename = "messages")]
    _messages: IgnoredAny,
}

impl<'a> Session<'a> {
    fn new(args: &'a Args, actor: Actor) -> Result<Self, Failure> {
        let key = key_file::read_private(&args.key).map_err(|error| keys::failure(&error))?;
        let purpose = key.public().purpose();
        if purpose.region().is_none() {
            let found = purpose.to_string();
            let refusal = Refusal::NotARegionsKey { found };
            return Err(Failure::usage(format!("--key: {refusal}")));
        }
        let log = AccessLog::open(&args.access_log)
            .map_err(|error| Failure::unavailable(format!("nothing is shown: {error}")))?;
        Ok(Self {
            args,
            actor,
            opener: Opener::new(key),
            log,
        })
    }

    fn run(
        &mut self,
        mut input: impl BufRead,
        out: &mut impl Write,
        complaints: &mut impl Write,
    ) -> Result<(), Failure> {
        let (mut opened, mut closed) = (0_usize, 0_usize);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match self.open(&line)? {
                Ok(shown) => {
                    out.write_all(&shown)?;
                    opened += 1;
                }
                Err(why) => {
                    writeln!(complaints, "dmwatch: line {number}: {why}")?;
                    closed += 1;
                }
            }
        }
        out.flush()?;
        match closed {
            0 => Ok(()),
            _ => Err(Failure::bad_data(format!(
                "{closed} of {} items stayed closed",
                opened + closed
            ))),
        }
    }

    /// The line to show, or why there is none. An access that cannot be written down ends the
    /// command.
    fn open(
        &mut self,
        line: &[u8],
    ) -> Result<Result<zeroize::Zeroizing<Vec<u8>>, Closed>, Failure> {
        let item: ReviewItem<'_> = match serde_json::from_slice(line) {
            Ok(item) => item,
            Err(fault) => {
                let column = fault.column();
                return Ok(Err(Closed::NotAnItem { column }));
            }
        };
        if item.v != ITEM_VERSION {
            return Ok(Err(Closed::Version { found: item.v }));
        }
        if !ItemId::is_one(&item.item_id) {
            return Ok(Err(Closed::NotAnItem { column: 0 }));
        }
        let key = self.opener.key().public();
        if let Err(refusal) = justify(&item, key.purpose(), self.args.purpose) {
            return Ok(Err(refusal.into()));
        }
        let region = key.purpose().region().unwrap_or_default();
        self.log
            .record(&Access {
                actor: &self.actor,
                item_id: &item.item_id,
                region,
                kind: item.kind,
                purpose: self.args.purpose,
                reference: &self.args.reference,
                key_id: key.id().as_str(),
            })
            .map_err(|error| Failure::unavailable(format!("nothing more is shown: {error}")))?;
        Ok(reveal(&mut self.opener, item))
    }
}

fn reveal(
    opener: &mut Opener,
    mut item: ReviewItem<'_>,
) -> Result<zeroize::Zeroizing<Vec<u8>>, Closed> {
    let envelope = item.evidence.take().ok_or(Refusal::Reference)?;
    let subject = Subject {
        kind: item.kind.sealed_as(),
        id: &item.item_id,
        schema: EVIDENCE_VERSION,
    };
    let evidence = opener.open(&subject, &envelope)?;
    // Whoever may write to the topic may have sealed something, so it is not trusted to be a line.
    let sealed: Sealed = serde_json::from_slice(&evidence).map_err(|_| Closed::NotEvidence)?;
    if sealed.v != EVIDENCE_VERSION || evidence.contains(&b'\n') {
        return Err(Closed::NotEvidence);
    }
    if sealed.flag_is_purpose != item.flags.flag_is_purpose {
        return Err(Closed::Forged);
    }
    let metadata = serde_json::to_vec(&item).map_err(|_| Closed::NotEvidence)?;
    let mut line =
        zeroize::Zeroizing::new(Vec::with_capacity(metadata.len() + evidence.len() + 32));
    line.extend_from_slice(b"{\"item\":");
    line.extend_from_slice(&metadata);
    line.extend_from_slice(b",\"evidence\":");
    line.extend_from_slice(&evidence);
    line.extend_from_slice(b"}\n");
    Ok(line)
}

#[cfg(test)]
mod tests;
