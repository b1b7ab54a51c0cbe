//! `dmwatch dlq`: looks at dead letters, metadata only, and brings them back.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use dmwatch_core::document::parse_duration;
use dmwatch_core::message::Millis;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::exit::{Failure, Kind};
use super::format::Format;
use super::{Global, keys};
use crate::dead_letter::Reason;
use crate::dlq::replay::{Outcome, Replayer};
use crate::dlq::{Contents, DlqError, Filter, Position, State, Topic};
use crate::seal::{Opener, PrivateKey, Purpose, key_file};
use crate::settings::{Needs, Settings};

mod print;

/// Arguments of `dmwatch dlq`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters: where each came from, why it failed, what can be done with it
    List {
        #[command(flatten)]
        choice: Choice,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Everything about single dead letters but their content
    Show {
        /// Partition and offset in the dead-letter topic, as `list` prints them
        #[arg(required = true, value_name = "PARTITION/OFFSET")]
        positions: Vec<Position>,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Write dead letters back to the topics that they came from, each once
    Replay(Replay),
}

#[derive(Debug, ClapArgs)]
struct Replay {
    #[command(flatten)]
    choice: Choice,
    /// Only those at these places in the dead-letter topic, as `list` prints them
    #[arg(long = "at", value_name = "PARTITION/OFFSET")]
    positions: Vec<Position>,
    /// Everything that is pending
    #[arg(long)]
    all: bool,
    /// Private key file of the dead letters
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
    key: Option<PathBuf>,
    /// Say what would be replayed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// How --dry-run prints it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, ClapArgs)]
struct Choice {
    /// Only those that failed for this reason; may be given several times
    #[arg(long = "reason", value_parser = reason)]
    reasons: Vec<Reason>,
    /// Only those from this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only those from this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Only those written at or after this time (RFC 3339), or so long ago (`2h`)
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Millis>,
    /// Only those written before this time (RFC 3339), or so long ago (`15m`)
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Millis>,
}

impl Choice {
    fn filter(&self, positions: &[Position]) -> Filter {
        Filter {
            reasons: self.reasons.clone(),
            topic: self.topic.clone(),
            partition: self.partition,
            since: self.since,
            until: self.until,
            positions: positions.to_vec(),
        }
    }
}

fn reason(name: &str) -> Result<Reason, String> {
    Reason::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("expected one of: {}", names.join(", "))
    })
}

fn time(text: &str) -> Result<Millis, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Millis(time.as_millisecond()));
    }
    let ago = parse_duration(text).ok_or("expected a time like 2026-11-24T08:00:00Z, or 15m")?;
    let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Ok(Millis(
        Timestamp::now().as_millisecond().saturating_sub(ago),
    ))
}

/// Runs `dmwatch dlq`.
///
/// # Errors
/// Settings (78), brokers or topic (69), a dead letter that is not there or does not open (65).
pub fn run(args: &Args, global: &Global) -> Result<(), Failure> {
    match &args.command {
        Command::List { choice, format } => {
            let settings = global.settings(Needs::KAFKA)?;
            let contents = contents(&settings, &choice.filter(&[]))?;
            print::list(&contents.entries, *format, &mut io::stdout().lock())?;
            Ok(())
        }
        Command::Show { positions, format } => {
            let settings = global.settings(Needs::KAFKA)?;
            let filter = Filter {
                positions: positions.clone(),
                ..Filter::default()
            };
            let contents = contents(&settings, &filter)?;
            print::show(&contents.entries, *format, &mut io::stdout().lock())?;
            all_found(&contents, positions)
        }
        Command::Replay(args) => replay(args, global),
    }
}

fn contents(settings: &Settings, filter: &Filter) -> Result<Contents, Failure> {
    let topic = Topic::find(settings).map_err(failure)?;
    topic.contents(filter).map_err(failure)
}

fn all_found(contents: &Contents, positions: &[Position]) -> Result<(), Failure> {
    let is_there = |position| {
        let mut entries = contents.entries.iter();
        entries.any(|entry| entry.position == position)
    };
    match positions.iter().find(|position| !is_there(**position)) {
        None => Ok(()),
        Some(position) => Err(Failure::bad_data(format!(
            "no dead letter at {position}: retention has deleted it, or it never was one"
        ))),
    }
}

fn replay(args: &Replay, global: &Global) -> Result<(), Failure> {
    let filter = args.choice.filter(&args.positions);
    if filter.is_empty() && !args.all {
        return Err(Failure::usage(
            "say which dead letters (--reason, --topic, --partition, --since, --until, --at), or --all",
        ));
    }
    let settings = global.settings(Needs::KAFKA)?;
    if args.dry_run {
        let mut contents = contents(&settings, &filter)?;
        let found = summary(&contents);
        let found_all = all_found(&contents, &args.positions);
        contents
            .entries
            .retain(|entry| entry.state == State::Pending);
        print::list(&contents.entries, args.format, &mut io::stdout().lock())?;
        writeln!(io::stderr().lock(), "dry run: {found}; nothing was changed")?;
        return found_all;
    }
    let path = args
        .key
        .as_ref()
        .ok_or_else(|| Failure::usage("--key is missing"))?;
    let key = key_file::read_private(path).map_err(|error| keys::failure(&error))?;
    let key = dead_letter_key(key)?;

    let topic = Topic::find(&settings).map_err(failure)?;
    // In this order: see `crate::dlq`.
    let mut replayer = Replayer::start(&settings, Opener::new(key)).map_err(failure)?;
    let contents = topic.contents(&filter).map_err(failure)?;
    all_found(&contents, &args.positions)?;
    writeln!(io::stderr().lock(), "found {}", summary(&contents))?;
    let pending = count(&contents, State::Pending);
    let progress = Progress::new(pending, io::stderr().is_terminal());
    let replayed = replayer.replay(&topic, &contents, |done| progress.at(done));
    progress.finish();
    let outcome = replayed.map_err(failure)?;
    report(&outcome, &mut io::stdout().lock())?;
    match outcome.failed.len() {
        0 => Ok(()),
        failed => Err(Failure::bad_data(format!(
            "{failed} of {pending} were not replayed"
        ))),
    }
}

fn dead_letter_key(key: PrivateKey) -> Result<PrivateKey, Failure> {
    match key.public().purpose() {
        Purpose::DeadLetter => Ok(key),
        other @ Purpose::Evidence { .. } => Err(Failure::usage(format!(
            "--key: expected the key for dead letters, found the key for {other}"
        ))),
    }
}

fn count(contents: &Contents, state: State) -> usize {
    let entries = contents.entries.iter();
    entries.filter(|entry| entry.state == state).count()
}

/// `3 pending, 2 replayed`, most useful first.
fn summary(contents: &Contents) -> String {
    let parts: Vec<String> = [
        State::Pending,
        State::Replayed,
        State::Repeat,
        State::Reference,
        State::Gone,
        State::OtherGroup,
        State::Unreadable,
    ]
    .into_iter()
    .map(|state| (state, count(contents, state)))
    .filter(|(state, count)| *count > 0 || *state == State::Pending)
    .map(|(state, count)| format!("{count} {}", state.as_str()))
    .collect();
    parts.join(", ")
}

fn report(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} replayed", outcome.replayed)?;
    for (position, fault) in &outcome.failed {
        writeln!(out, "{position} not replayed: {fault}")?;
    }
    Ok(())
}

fn failure(error: DlqError) -> Failure {
    let kind = match &error {
        DlqError::Brokers(cause) if cause.is_settings() => Kind::BadSettings,
        DlqError::Fenced => Kind::Failed,
        _ => Kind::Unavailable,
    };
    Failure::new(kind, error.to_string())
}

/// A bar on a terminal, a line for each transaction anywhere else.
enum Progress {
    Bar(ProgressBar),
    Lines { total: usize },
}

impl Progress {
    fn new(total: usize, on_terminal: bool) -> Self {
        if !on_terminal {
            return Progress::Lines { total };
        }
        let bar = ProgressBar::with_draw_target(
            Some(total as u64),
            ProgressDrawTarget::stderr_with_hz(10),
        );
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress::Bar(bar)
    }

    fn at(&self, done: usize) {
        match self {
            Progress::Bar(bar) => bar.set_position(done as u64),
            // A terminal that is gone must not stop a replay half-way.
            Progress::Lines { total } => {
                let _ = writeln!(io::stderr().lock(), "replayed {done} of {total}");
            }
        }
    }

    fn finish(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests;
