//! `dmwatch worker`: reads messages, judges them, hands the few to the review topics.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use dmwatch_core::document::{Fault, FaultSeverity, render};
use dmwatch_core::rules::Ruleset;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Global;
use super::exit::{Failure, Kind};
use crate::app::{Options, StartError, Worker};
use crate::settings::{Needs, Settings};
use crate::stream::event::StreamError;
use crate::stream::isolation::Launch;
use crate::telemetry::health::{Health, Limits};
use crate::telemetry::http::{Endpoint, Server};
use crate::telemetry::logging;
use crate::telemetry::metrics::Metrics;

/// Arguments of `dmwatch worker`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Go on where messages are missing from the log (their retention ended before they were
    /// judged). Who decided so, and why: it is logged and written to the dead-letter topic
    #[arg(long, value_name = "WHO AND WHY")]
    pub accept_loss: Option<String>,
}

/// A suspect message that takes longer to judge is a killer.
const SUSPECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the worker is asked whether it has ended by itself.
const WATCH: Duration = Duration::from_millis(100);

/// Runs the worker until it is told to stop.
///
/// # Errors
/// Wrong settings or rules, brokers that cannot be reached, or what made the worker stop by itself.
pub fn run(args: &Args, global: &Global) -> Result<(), Failure> {
    let (settings, explained) = global.explained(Needs::ALL)?;
    logging::init(settings.log).map_err(failed)?;
    let ruleset = Arc::new(rules(&settings)?);
    super::check::require_online(&settings, &ruleset)?;

    let metrics = Arc::new(Metrics::new().map_err(failed)?);
    metrics.set_settings(&explained.hash());
    let health = Arc::new(Health::new(&metrics, limits(&settings)));
    let server = Server::start(
        settings.http.listen,
        Endpoint {
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            token: settings.http.token.clone(),
        },
    )
    .map_err(|error| {
        let listen = settings.http.listen;
        Failure::new(
            Kind::Unavailable,
            format!("http.listen: cannot listen on {listen}: {error}"),
        )
    })?;
    let options = Options {
        accept_loss: args.accept_loss.clone(),
        isolation: isolation(global)?,
    };
    let worker = Worker::start(&settings, &ruleset, &metrics, &health, options).map_err(start)?;
    tracing::info!(
        group = settings.kafka.group_id,
        ruleset = %ruleset.hash,
        rules = ruleset.rules.len(),
        shards = settings.stream.shards,
        metrics = %server.address(),
        "worker started"
    );
    wait(worker)?;
    drop(server);
    tracing::info!("worker ended");
    Ok(())
}

/// The rules, checked against the settings.
fn rules(settings: &Settings) -> Result<Ruleset, Failure> {
    let ruleset = super::rules::load(&settings.rules.dir)?;
    let faults = settings.check_rules(&ruleset);
    let wrong = |fault: &Fault| fault.severity == FaultSeverity::Error;
    if faults.iter().any(wrong) {
        return Err(Failure::bad_data(render(&faults, super::color())));
    }
    Ok(ruleset)
}

/// Waits for a signal or for the worker's own end. The first signal lets work in flight finish;
/// the second ends the process at once, and the messages in flight come again.
fn wait(worker: Worker) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let stopper = worker.stopper();
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut asked = false;
        while !worker.has_ended() {
            tokio::select! {
                () = tokio::time::sleep(WATCH) => {}
                name = next(&mut terminate, &mut interrupt) => {
                    if asked {
                        tracing::warn!(signal = name, "second signal: ended at once; messages in flight come again");
                        std::process::exit(SECOND_SIGNAL);
                    }
                    asked = true;
                    tracing::info!(signal = name, "stopping: work in flight finishes first; a second signal ends at once");
                    stopper.stop();
                }
            }
        }
        Ok::<(), Failure>(())
    })?;
    worker.join().map_err(stopped)
}

/// 128 + SIGTERM, as shells report a killed process.
const SECOND_SIGNAL: i32 = 143;

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// The poll thread may be in a revoke or in the start of an assignment for this long.
fn limits(settings: &Settings) -> Limits {
    Limits {
        poll: settings.stream.drain_timeout + Duration::from_secs(65),
        progress: Duration::from_secs(300),
    }
}

/// A child with the same settings: the same file and flags, and the environment that it inherits.
fn isolation(global: &Global) -> Result<Launch, Failure> {
    let program: PathBuf = std::env::current_exe().map_err(failed)?;
    let mut arguments = vec!["judge-isolated".into()];
    if let Some(config) = &global.config {
        arguments.extend(["--config".into(), config.into()]);
    }
    for set in &global.sets {
        arguments.extend(["--set".into(), set.into()]);
    }
    Ok(Launch {
        program,
        arguments,
        timeout: SUSPECT_TIMEOUT,
    })
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, error.to_string())
}

fn start(error: StartError) -> Failure {
    let kind = match error {
        StartError::Rules(_) => Kind::BadData,
        StartError::Seal(_) | StartError::NoDeadLetterKey | StartError::Kafka(_) => {
            Kind::BadSettings
        }
        StartError::Thread(_) => Kind::Failed,
    };
    Failure::new(kind, error.to_string())
}

fn stopped(error: StreamError) -> Failure {
    let kind = match error {
        StreamError::Fatal { .. } | StreamError::Start { .. } => Kind::Unavailable,
        StreamError::TooManyDeadLetters { .. } => Kind::BadData,
        StreamError::ReferenceTooLarge { .. } | StreamError::Session => Kind::BadSettings,
        StreamError::Isolation(_) | StreamError::Thread(_) => Kind::Failed,
    };
    Failure::new(kind, error.to_string())
}
