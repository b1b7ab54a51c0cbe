//! A handful of items, opened with the demo's own keys.
//!
//! They go through `dmwatch open` itself, as a child process: the same gate and the same access log
//! as for everybody else. The demo has no way of its own to a text.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::card::card;
use super::setup::Folder;
use super::tally::Sample;
use crate::access::{self, Purpose};
use crate::item::{ItemKind, ReviewItem};

/// One line of `dmwatch open`.
#[derive(Deserialize)]
struct Opened<'a> {
    #[serde(borrow)]
    item: ReviewItem<'a>,
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Evidence {
    messages: Vec<Words>,
}

#[derive(Deserialize)]
struct Words {
    text: String,
}

/// The cards of these items, the most urgent first. The access log holds a record for each.
pub(super) fn open(
    samples: &BTreeMap<String, Sample>,
    folder: &Folder,
    program: PathBuf,
    color: bool,
) -> anyhow::Result<Vec<String>> {
    // One call for each key and purpose, as a reviewer of one region would make it.
    let mut calls: BTreeMap<(String, &'static str), Vec<u8>> = BTreeMap::new();
    for Sample { value, .. } in samples.values() {
        let item: ReviewItem<'_> = serde_json::from_slice(value)?;
        let purpose = match item.kind {
            ItemKind::Report => Purpose::UserReport,
            ItemKind::Flag | ItemKind::Pattern => Purpose::Flag,
        };
        let Some(region) = item.region else {
            continue;
        };
        let lines = calls
            .entry((region.into_owned(), purpose.as_str()))
            .or_default();
        lines.extend_from_slice(value);
        lines.push(b'\n');
    }
    let mut cards = Vec::new();
    for ((region, purpose), lines) in &calls {
        let mut command = Command::new(&program);
        command
            .arg("open")
            .arg("--key")
            .arg(folder.private_key(region))
            .args(["--purpose", purpose, "--reference", "demo", "--access-log"])
            .arg(folder.access_log());
        for line in run(&mut command, lines)?.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let opened: Opened<'_> = serde_json::from_slice(line)
                .map_err(|_| anyhow::anyhow!("`dmwatch open` wrote a line that is no item"))?;
            let text = opened.evidence.messages.first();
            let text = text.map_or("", |message| &message.text);
            cards.push((opened.item.priority, card(&opened.item, text, color)));
        }
    }
    let log = std::fs::read(folder.access_log()).context("there is no access log")?;
    let recorded = access::verify(&log)?.records;
    if usize::try_from(recorded) != Ok(cards.len()) {
        bail!(
            "{} items were opened, {recorded} accesses recorded",
            cards.len()
        );
    }
    cards.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    Ok(cards.into_iter().map(|(_, card)| card).collect())
}

/// What the command writes when it is given that.
fn run(command: &mut Command, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("`dmwatch open` cannot be started")?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Beside the reading below: it writes while it reads. If it stops reading, its exit
        // status says why.
        let _writer = scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })?;
    if !output.status.success() {
        bail!(
            "`dmwatch open` refused: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(output.stdout)
}
