//! The access log: one JSON line a reveal, each with the hash of the line before it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{Access, AccessRecord};
use crate::canonical::{hex, sha256};

/// A record is about half a kilobyte: the last one is found in this much of the file's end.
const WINDOW: u64 = 128 * 1024;

/// Why an access could not be written down. The text then stays closed.
#[derive(Debug, thiserror::Error)]
#[error("access log {}: {fault}", path.display())]
pub struct AccessLogError {
    /// The log.
    pub path: PathBuf,
    /// What failed.
    pub fault: Fault,
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Opening, reading, writing or syncing.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file ends with something else than a record.
    #[error("its last line is not an access record; it was changed, or is another file")]
    NotALog,
}

/// The log, open for appending.
#[derive(Debug)]
pub struct AccessLog {
    path: PathBuf,
    file: File,
}

impl AccessLog {
    /// Opens the log, or makes it with mode 0600.
    ///
    /// # Errors
    /// [`AccessLogError`].
    pub fn open(path: &Path) -> Result<Self, AccessLogError> {
        let open = || -> Result<File, Fault> {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)?;
            if file.metadata()?.len() == 0 {
                // The name itself must survive a power cut, or the log is lost with its records.
                let folder = path
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            }
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                file,
            }),
            Err(fault) => Err(AccessLogError {
                path: path.to_owned(),
                fault,
            }),
        }
    }

    /// Writes an access down. When this returns, the record is on the disk.
    ///
    /// Several processes may write to one log: each record is appended under a lock.
    ///
    /// # Errors
    /// [`AccessLogError`]: then nothing may be shown.
    pub fn record(&mut self, access: &Access<'_>) -> Result<(), AccessLogError> {
        let written = self.locked(access);
        written.map_err(|fault| AccessLogError {
            path: self.path.clone(),
            fault,
        })
    }

    fn locked(&mut self, access: &Access<'_>) -> Result<(), Fault> {
        self.file.lock()?;
        let written = self.append(access);
        // Also released when the file is closed; an error here loses no record.
        let _ = self.file.unlock();
        written
    }

    fn append(&mut self, access: &Access<'_>) -> Result<(), Fault> {
        let end = self.end()?;
        let record = AccessRecord {
            v: 1,
            seq: end.seq + 1,
            at: jiff::Timestamp::now().to_string(),
            actor: access.actor.clone(),
            item_id: access.item_id.to_owned(),
            region: access.region.to_owned(),
            kind: access.kind,
            purpose: access.purpose,
            reference: access.reference.to_owned(),
            key_id: access.key_id.to_owned(),
            prev: end.hash,
        };
        let mut line = Vec::with_capacity(512);
        if end.is_cut_off {
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, &record).map_err(io::Error::from)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_all()?;
        Ok(())
    }

    fn end(&mut self) -> Result<End, Fault> {
        let length = self.file.metadata()?.len();
        let from = length.saturating_sub(WINDOW);
        let _at = self.file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        let _read = (&self.file).take(WINDOW).read_to_end(&mut tail)?;
        if tail.is_empty() {
            return Ok(End {
                seq: 0,
                hash: FIRST.to_owned(),
                is_cut_off: false,
            });
        }
        let is_cut_off = !tail.ends_with(b"\n");
        let mut end = tail.len();
        // Backwards to the last record. What is behind it was cut off.
        for line in tail.rsplit(|byte| *byte == b'\n') {
            let start = end - line.len();
            if let Some(record) = parse(line) {
                return Ok(End {
                    seq: record.seq,
                    hash: hash_of(&tail[start..]),
                    is_cut_off,
                });
            }
            end = start.saturating_sub(1);
        }
        // No record at all: the very first write was cut off, or it is some other file.
        if from == 0 && is_cut_off && tail.starts_with(b"{\"v\":1,") && !tail.contains(&b'\n') {
            return Ok(End {
                seq: 0,
                hash: hash_of(&tail),
                is_cut_off,
            });
        }
        Err(Fault::NotALog)
    }
}

/// How a log ends.
struct End {
    /// Number of the last record.
    seq: u64,
    /// What the next record has to carry.
    hash: String,
    /// Whether the last line has no line feed: a write was cut off, so its reveal never happened.
    /// The line stays where it is, and the chain goes over it.
    is_cut_off: bool,
}

/// The `prev` of a log's first record.
const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The link of the chain: the last record, and whatever was cut off behind it.
fn hash_of(block: &[u8]) -> String {
    hex(&sha256(block.strip_suffix(b"\n").unwrap_or(block)))
}

fn parse(line: &[u8]) -> Option<AccessRecord> {
    serde_json::from_slice(line).ok()
}

/// Where a log is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ChainError {
    /// The first line that does not fit, from 1.
    pub line: usize,
    /// Why not.
    pub what: &'static str,
}

/// A log whose chain holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chain {
    /// Records.
    pub records: u64,
    /// Lines that are no records: writes that were cut off. Never followed by a reveal.
    pub cut_off: usize,
}

/// Checks the chain of a log.
///
/// A chain alone does not show that lines are missing at its end: for that its length and last hash
/// have to be kept elsewhere.
///
/// # Errors
/// The first record that was changed, inserted, or comes after one that was removed.
pub fn verify(log: &[u8]) -> Result<Chain, ChainError> {
    let mut chain = Chain::default();
    let (mut block, mut at) = (0, 0);
    for (line, bytes) in (1..).zip(log.split_inclusive(|byte| *byte == b'\n')) {
        let start = at;
        at += bytes.len();
        let Some(record) = parse(bytes) else {
            chain.cut_off += 1;
            continue;
        };
        let expected = match start {
            0 => FIRST.to_owned(),
            _ => hash_of(&log[block..start]),
        };
        if record.prev != expected {
            let what = "does not follow what stands before it";
            return Err(ChainError { line, what });
        }
        if record.seq != chain.records + 1 {
            let what = "is not the next record";
            return Err(ChainError { line, what });
        }
        chain.records += 1;
        block = start;
    }
    Ok(chain)
}
