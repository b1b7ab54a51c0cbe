//! One run of the demo, from the first key to the last count.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use dmwatch_core::rules::Ruleset;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::collect::Collector;
use super::feed::Feed;
use super::items;
use super::screen::{Screen, thousands};
use super::setup::{Broker, Folder, METRICS, PARTITIONS};
use super::summary::{Recent, Summary, sum};
use crate::app::{self, Worker};
use crate::cli::exit::Failure;
use crate::settings::{Explained, LoadOptions, Settings};
use crate::stream::isolation::Launch;
use crate::telemetry::health::Limits;
use crate::telemetry::http::{Endpoint, Server};
use crate::telemetry::{Health, Metrics, logging};

/// What the demo is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long messages are generated.
    pub seconds: u64,
    /// Go on until Ctrl-C.
    pub keep: bool,
    /// Messages a second.
    pub rate: f64,
    /// Seed of the stream.
    pub seed: u64,
    /// Brokers to use instead of the embedded one.
    pub bootstrap_servers: Option<String>,
    /// Folder of the rules.
    pub rules: PathBuf,
    /// Settings over the demo's own, as `key=value`.
    pub sets: Vec<String>,
}

/// Between two looks at the worker.
const TICK: Duration = Duration::from_millis(500);
/// The first join of a group takes a few seconds; on a busy machine longer.
const START: Duration = Duration::from_secs(60);
/// How long after the last message everything has to be accounted for.
const DRAIN: Duration = Duration::from_secs(30);
/// A suspect message that takes longer to judge is a killer.
const SUSPECT: Duration = Duration::from_secs(20);

/// Runs the demo.
///
/// # Errors
/// Anything that it needs is missing, the worker stopped, or a message is not accounted for.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = Folder::new()?;
    let result = runtime.block_on(demo(options, &folder));
    if result.is_err() {
        folder.show_log();
    }
    result
}

async fn demo(options: &Options, folder: &Folder) -> anyhow::Result<()> {
    let mut screen = Screen::new();
    let broker = Broker::new(options.bootstrap_servers.as_deref())?;
    let file = folder.write_settings(&broker, &options.rules)?;
    let (settings, explained) = load(&file, &options.sets)?;
    logging::init_to(settings.log, Arc::new(File::create(folder.log())?))?;
    let ruleset = Ruleset::load(&settings.rules.dir);
    let ruleset = ruleset.map_err(|faults| {
        let faults = dmwatch_core::document::render(&faults, false);
        Failure::bad_data(format!("the rules cannot be used:\n{faults}"))
    })?;
    broker.create_topics(&settings).await?;
    let metrics = Arc::new(Metrics::new()?);
    metrics.set_settings(&explained.hash());
    let run = Run::start(options, &file, &settings, Arc::new(ruleset), metrics)?;
    screen.say(&run.headline(&broker, &settings))?;
    let outcome = run.show(options, &settings, &mut screen, folder).await;
    let deleted = broker.delete_topics(&settings).await;
    outcome.and(deleted)
}

fn load(file: &Path, sets: &[String]) -> anyhow::Result<(Settings, Explained)> {
    let options = LoadOptions {
        file: Some(file.to_owned()),
        sets: sets.to_vec(),
        ..LoadOptions::default()
    };
    let loaded = Settings::load_explained(&options);
    Ok(loaded.map_err(|error| Failure::bad_settings(error.render(false)))?)
}

/// The worker of the demo, with everything around it.
struct Run {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    server: Server,
    worker: Worker,
    collector: Collector,
    ruleset: Arc<Ruleset>,
}

impl Run {
    fn start(
        options: &Options,
        file: &Path,
        settings: &Settings,
        ruleset: Arc<Ruleset>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let limits = Limits {
            poll: Duration::from_secs(60),
            progress: Duration::from_secs(300),
        };
        let health = Arc::new(Health::new(&metrics, limits));
        let endpoint = Endpoint {
            metrics: metrics.clone(),
            health: health.clone(),
            token: None,
        };
        let listen = settings.http.listen;
        let server = match Server::start(listen, endpoint.clone()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && listen == METRICS => {
                Server::start((listen.ip(), 0).into(), endpoint)
            }
            started => started,
        };
        let server = server.with_context(|| format!("cannot listen on {listen}"))?;
        let mut arguments = vec!["judge-isolated".into(), "--config".into(), file.into()];
        for set in &options.sets {
            arguments.extend(["--set".into(), set.into()]);
        }
        let isolation = Launch {
            program: std::env::current_exe()?,
            arguments,
            timeout: SUSPECT,
        };
        let start = app::Options {
            accept_loss: None,
            isolation,
        };
        let worker = Worker::start(settings, &ruleset, &metrics, &health, start)?;
        Ok(Self {
            metrics,
            health,
            server,
            worker,
            collector: Collector::start(settings)?,
            ruleset,
        })
    }

    fn headline(&self, broker: &Broker, settings: &Settings) -> String {
        let kind = match broker {
            Broker::Embedded(_) => "embedded broker",
            Broker::Existing { .. } => "brokers",
        };
        format!(
            "dmwatch demo: {kind} {}, {} partitions a topic, input {}\n\
             {} rules, {} regions, {} shards, metrics on http://{}/metrics\n",
            settings.kafka.bootstrap_servers.join(","),
            PARTITIONS,
            settings.topics.messages.join(","),
            self.ruleset.rules.len(),
            settings.regions.iter().count(),
            settings.stream.shards,
            self.server.address(),
        )
    }

    async fn show(
        self,
        options: &Options,
        settings: &Settings,
        screen: &mut Screen,
        folder: &Folder,
    ) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        self.until_ready(&mut signals).await?;
        let consumed = self.metrics.clone();
        let feed = Feed::start(settings, options.rate, options.seed, move || {
            sum(&consumed.consumed_messages)
        })?;
        let mut look = Look::new();
        let end = (!options.keep).then(|| Instant::now() + Duration::from_secs(options.seconds));
        while end.is_none_or(|end| Instant::now() < end) && !feed.has_ended() {
            if signals.within(TICK).await || self.worker.has_ended() {
                break;
            }
            screen.draw(&look.at(&self, feed.produced()))?;
        }
        let produced = feed.finish()?;
        let total = produced.acknowledged.load(Ordering::Acquire);
        let deadline = Instant::now() + DRAIN;
        let summary = loop {
            let summary = look.at(&self, &produced);
            screen.draw(&summary)?;
            let done = summary.accounted() >= total;
            if done || Instant::now() > deadline || self.worker.has_ended() {
                break summary;
            }
            // A signal now means that nobody wants to wait.
            if signals.within(TICK).await {
                break summary;
            }
        };
        let samples = self.collector.with(|tally| tally.samples.clone());
        let unreadable = self.collector.with(|tally| tally.unreadable);
        let lost = sum(&self.metrics.lost_messages);
        self.stop()?;
        screen.say("")?;
        let program = std::env::current_exe()?;
        let cards = items::open(&samples, folder, program, screen.is_terminal())?;
        for card in &cards {
            screen.say(&format!("{card}\n"))?;
        }
        screen.say(&format!(
            "These {} items were opened by `dmwatch open` with the regions' private keys, each access recorded before its text was shown.",
            cards.len()
        ))?;
        screen.say(&account(&summary, total))?;
        if summary.accounted() != total || unreadable > 0 || lost > 0 {
            bail!(
                "{} of {total} records are accounted for; {unreadable} records of the review topics are no items; {lost} messages were lost",
                summary.accounted(),
            );
        }
        Ok(())
    }

    async fn until_ready(&self, signals: &mut Signals) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.health.readiness().is_empty() {
            if self.worker.has_ended() {
                bail!("the worker ended before it was ready");
            }
            if start.elapsed() > START {
                let reasons = serde_json::to_string(&self.health.readiness())?;
                bail!(
                    "the worker was not ready within {} s: {reasons}",
                    START.as_secs()
                );
            }
            if signals.within(TICK).await {
                bail!("stopped before the worker was ready");
            }
        }
        Ok(())
    }

    fn stop(self) -> anyhow::Result<()> {
        self.worker.stopper().stop();
        let ended = self.worker.join().context("the worker stopped");
        self.collector.finish()?;
        ended
    }
}

/// One look after the other, for rate and latency.
struct Look {
    start: Instant,
    latency: Recent,
    before: (Instant, u64),
}

impl Look {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            latency: Recent::default(),
            before: (now, 0),
        }
    }

    fn at(&mut self, run: &Run, produced: &super::feed::Produced) -> Summary {
        let mut summary = Summary::of_metrics(&run.metrics);
        run.collector.with(|tally| {
            summary.flagged = tally.flagged;
            summary.reports = tally.reports;
            summary.dead_letters = tally.dead_letters;
            summary.queues.clone_from(&tally.queues);
        });
        let now = Instant::now();
        let latency = self.latency.observe(&run.metrics.end_to_end_seconds, now);
        summary.p50 = latency.quantile(0.5);
        summary.p99 = latency.quantile(0.99);
        let (then, consumed) = self.before;
        let seconds = now.duration_since(then).as_secs_f64().max(1e-3);
        summary.rate = summary.consumed.saturating_sub(consumed) as f64 / seconds;
        summary.produced = produced.acknowledged.load(Ordering::Relaxed);
        summary.elapsed = now.duration_since(self.start);
        self.before = (now, summary.consumed);
        summary
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits so long; whether a signal came.
    async fn within(&mut self, duration: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => false,
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
        }
    }
}

fn account(summary: &Summary, produced: u64) -> String {
    format!(
        "produced {} = clean {} + flagged {} + reports {} + not scanned {} + dead letters {}{}",
        thousands(produced),
        thousands(summary.clean),
        thousands(summary.flagged),
        thousands(summary.reports),
        thousands(summary.not_scanned),
        thousands(summary.dead_letters),
        if summary.accounted() == produced {
            ": every message is accounted for"
        } else {
            ""
        },
    )
}
