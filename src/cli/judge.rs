//! `dmwatch judge`: the worker without Kafka.
//!
//! Messages of the input schema as JSON lines in, one JSON line a message out. The same code judges
//! them; a line's number stands for its offset, and `sent_at` for the record's time.

mod lines;
mod output;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use dmwatch_core::conversation::Store;
use dmwatch_core::judge::{Judge, Plan, Position, route};
use dmwatch_core::message::{FieldMap, Message, Millis};
use dmwatch_core::region::Regions;
use dmwatch_core::routing::{Queue, Routing};
use dmwatch_core::rules::Ruleset;
use dmwatch_core::verdict::{Outcome, Verdict};

use self::lines::{Line, Lines};
use self::output::{BadLine, Judgement};
use super::Global;
use super::exit::Failure;
use crate::settings::Needs;

/// Arguments of `dmwatch judge`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Messages as JSON lines; standard input if it is missing or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Folder with the rule files [default: that of the settings]
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

/// How many lines go by between two clean-ups of conversation state.
const SWEEP: u64 = 4096;
/// How far the times of messages may be out of order, in milliseconds, on top of the longest window.
const DISORDER: i64 = 3_600_000;
/// Where a rule goes that asks for no queue.
const DEFAULT_QUEUE: &str = "general";
const DEFAULT_DUE: Duration = Duration::from_secs(24 * 3600);

/// Judges every line.
///
/// # Errors
/// Rules that cannot be used, a file that cannot be read, or lines that could not be judged (all
/// others were).
pub fn run(args: &Args, global: &Global) -> Result<(), Failure> {
    let settings = global.settings(Needs::NOTHING)?;
    let dir = args.rules.as_ref().unwrap_or(&settings.rules.dir);
    let ruleset = Arc::new(super::rules::load(dir)?);
    let output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    // Without regions in the settings there is nobody to ask for a legal basis: who runs this has
    // the messages in a file.
    let mut bench = if settings.regions.is_empty() {
        Bench::new(&ruleset, None, own_routes(&ruleset)?, output)
    } else {
        let plan = Plan::new(Arc::clone(&ruleset), &settings.regions)
            .map_err(|error| Failure::bad_data(error.to_string()))?;
        let regions = Some((plan, settings.regions));
        Bench::new(&ruleset, regions, Routing::clone(&settings.routing), output)
    };
    bench.fields = settings.input.fields;
    let (name, input) = open(args.file.as_deref())?;
    bench.judge_all(Lines::new(input), &name)?;
    bench.output.flush()?;
    match bench.bad {
        0 => Ok(()),
        bad => Err(Failure::bad_data(format!(
            "{bad} of {} lines of {name} could not be judged",
            bench.seen
        ))),
    }
}

fn open(file: Option<&Path>) -> Result<(String, Box<dyn Read>), Failure> {
    match file {
        Some(path) if path != Path::new("-") => {
            let name = path.display().to_string();
            let file = File::open(path)
                .map_err(|error| Failure::unavailable(format!("cannot read {name}: {error}")))?;
            Ok((name, Box::new(file)))
        }
        _ => Ok(("standard input".to_owned(), Box::new(io::stdin()))),
    }
}

struct Bench<W: Write> {
    fields: FieldMap,
    ruleset: Arc<Ruleset>,
    /// One for each ruleset of the plan; without a plan, one.
    judges: Vec<Judge>,
    regions: Option<(Plan, Arc<Regions>)>,
    routing: Routing,
    store: Store,
    newest: Millis,
    output: W,
    seen: u64,
    bad: u64,
}

impl<W: Write> Bench<W> {
    fn new(
        ruleset: &Arc<Ruleset>,
        regions: Option<(Plan, Arc<Regions>)>,
        routing: Routing,
        output: W,
    ) -> Self {
        let rulesets = match &regions {
            Some((plan, _)) => plan.rulesets.clone(),
            None => vec![Arc::clone(ruleset)],
        };
        Self {
            fields: FieldMap::default(),
            ruleset: Arc::clone(ruleset),
            judges: rulesets.into_iter().map(Judge::new).collect(),
            regions,
            routing,
            store: Store::default(),
            newest: Millis(i64::MIN),
            output,
            seen: 0,
            bad: 0,
        }
    }

    /// The verdict, of the rules that may look at the message.
    fn verdict(&mut self, message: &Message<'_>, position: Position) -> Verdict {
        let allowed = match &self.regions {
            Some((plan, regions)) => plan.scan(regions.owner(message)).ruleset,
            None => Some(0),
        };
        match allowed.and_then(|index| self.judges.get_mut(index)) {
            Some(judge) => judge.judge(message, position, &mut self.store),
            None => Verdict {
                outcome: Outcome::NotScanned,
                reasons: Vec::new(),
                shadow: Vec::new(),
                state: Vec::new(),
                ruleset: Arc::clone(&self.ruleset.hash),
            },
        }
    }

    fn judge_all(&mut self, mut lines: Lines, file: &str) -> Result<(), Failure> {
        while let Some((number, line)) = lines.next()? {
            self.seen += 1;
            if let Err(bad) = self.line(number, &line, file)? {
                self.bad += 1;
                // In order with what was judged before.
                self.output.flush()?;
                print(&mut io::stderr().lock(), &bad)?;
            }
            if self.seen.is_multiple_of(SWEEP) {
                self.sweep();
            }
            // Somebody may be typing, or waiting at the other end of a pipe.
            if !lines.has_more() {
                self.output.flush()?;
            }
        }
        Ok(())
    }

    /// Judges one line: a line of output, or what is wrong with it.
    fn line<'f>(
        &mut self,
        number: u64,
        line: &Line<'_>,
        file: &'f str,
    ) -> io::Result<Result<(), BadLine<'f>>> {
        let bytes = match line {
            Line::Bytes(bytes) => bytes,
            Line::TooLong => return Ok(Err(BadLine::too_long(file, number))),
        };
        let message = match self.fields.decode(bytes) {
            Ok(message) => message,
            Err(error) => return Ok(Err(BadLine::undecodable(file, number, &error))),
        };
        let Some(at) = message.sent_at_millis() else {
            return Ok(Err(BadLine::no_time(file, number)));
        };
        self.newest = self.newest.max(at);
        let position = Position {
            offset: i64::try_from(number).unwrap_or(i64::MAX),
            at,
        };
        let verdict = self.verdict(&message, position);
        let ruleset = &self.ruleset;
        let route = (verdict.outcome == Outcome::Flagged)
            .then(|| route(&self.routing, ruleset, &message, &verdict));
        let judgement = Judgement::new(&message, &verdict, route.as_ref(), ruleset);
        print(&mut self.output, &judgement)?;
        Ok(Ok(()))
    }

    fn sweep(&mut self) {
        let window = self.ruleset.longest_window().0;
        let before = self
            .newest
            .0
            .saturating_sub(window)
            .saturating_sub(DISORDER);
        drop(self.store.expire(Millis(before)));
    }
}

fn print(output: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, line)?;
    output.write_all(b"\n")
}

/// Routing without settings: each rule's own queue.
fn own_routes(ruleset: &Ruleset) -> Result<Routing, Failure> {
    let mut queues = vec![Queue {
        name: DEFAULT_QUEUE.into(),
        due: DEFAULT_DUE,
        due_by_age_band: Vec::new(),
        priority: 0,
    }];
    for route in ruleset.rules.iter().filter_map(|rule| rule.route.as_ref()) {
        if !queues.iter().any(|queue| queue.name == route.queue) {
            queues.push(Queue {
                name: Arc::clone(&route.queue),
                due: DEFAULT_DUE,
                due_by_age_band: Vec::new(),
                priority: 0,
            });
        }
    }
    // Every name is declared once, so this cannot fail; but a command must not panic.
    Routing::new(queues, Vec::new(), DEFAULT_QUEUE).map_err(|errors| {
        Failure::bad_data(
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        )
    })
}
