//! Dead letters as text and as JSON: metadata only.

use std::io::{self, Write};

use dmwatch_core::document::format_size;
use dmwatch_core::message::Millis;
use jiff::Timestamp;
use serde::Serialize;

use super::Format;
use crate::dlq::Entry;

/// A dead letter as JSON. What an unreadable one does not have is null.
#[derive(Serialize)]
struct Shown<'a> {
    position: String,
    at: String,
    state: &'static str,
    topic: Option<&'a str>,
    partition: Option<i32>,
    offset: Option<i64>,
    source_at: Option<String>,
    stage: Option<&'static str>,
    reason: Option<&'static str>,
    attempt: Option<u32>,
    worker_version: Option<&'a str>,
    group: Option<&'a str>,
    key_bytes: Option<u64>,
    value_bytes: Option<u64>,
    stored_bytes: usize,
    stored_sha256: &'a str,
    fault: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(entry: &'a Entry) -> Self {
        let letter = entry.letter.as_ref().ok();
        Self {
            position: entry.position.to_string(),
            at: time(entry.at),
            state: entry.state.as_str(),
            topic: letter.map(|letter| letter.topic.as_str()),
            partition: letter.map(|letter| letter.partition),
            offset: letter.map(|letter| letter.offset),
            source_at: letter.map(|letter| time(letter.at)),
            stage: letter.map(|letter| letter.stage.as_str()),
            reason: letter.map(|letter| letter.reason.as_str()),
            attempt: letter.map(|letter| letter.attempt),
            worker_version: letter.map(|letter| letter.worker_version.as_str()),
            group: letter.map(|letter| letter.group.as_str()),
            key_bytes: entry.key_bytes,
            value_bytes: entry.value_bytes,
            stored_bytes: entry.stored_bytes,
            stored_sha256: &entry.digest,
            fault: entry.letter.as_ref().err().map(ToString::to_string),
        }
    }
}

/// One line each.
pub(super) fn list(entries: &[Entry], format: Format, out: &mut impl Write) -> io::Result<()> {
    if format == Format::Json {
        return lines(entries, out);
    }
    let mut rows = vec![["AT", "WRITTEN", "STATE", "REASON", "SOURCE", "SIZE"].map(str::to_owned)];
    for entry in entries {
        let (reason, source) = match &entry.letter {
            Ok(letter) => (letter.reason.as_str(), letter.source().to_string()),
            Err(_) => ("-", "-".to_owned()),
        };
        rows.push([
            entry.position.to_string(),
            time(entry.at),
            entry.state.as_str().to_owned(),
            reason.to_owned(),
            clean(&source),
            entry
                .value_bytes
                .map_or_else(|| "-".to_owned(), format_size),
        ]);
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

/// One field a line.
pub(super) fn show(entries: &[Entry], format: Format, out: &mut impl Write) -> io::Result<()> {
    if format == Format::Json {
        return lines(entries, out);
    }
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let shown = serde_json::to_value(Shown::of(entry))?;
        let Some(fields) = shown.as_object() else {
            continue;
        };
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), clean);
            writeln!(out, "{name:16} {value}")?;
        }
    }
    Ok(())
}

fn lines(entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    for entry in entries {
        serde_json::to_writer(&mut *out, &Shown::of(entry))?;
        writeln!(out)?;
    }
    Ok(())
}

/// Headers are anybody's to write, so nothing in them may steer the terminal.
fn clean(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(printable).collect()
}

fn time(at: Millis) -> String {
    let time = Timestamp::from_millisecond(at.0);
    time.map_or_else(|_| at.0.to_string(), |time| time.to_string())
}
