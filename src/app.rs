//! The worker put together: the only place that knows all stages, and owns the order in which they
//! start and end.
//!
//! Start: delivery, state reader, shards, poll thread; nothing is consumed before everything that
//! it needs stands. End: the poll thread stops intake, waits for work in flight, commits and leaves
//! the group; then the others find their inputs closed.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use dmwatch_core::message::Millis;
use dmwatch_core::region::UNASSIGNED;
use dmwatch_core::rules::{CompileError, MAX_RATE, Ruleset, Status};
use rdkafka::error::KafkaError;
use thiserror::Error;

use crate::dead_letter::{DeadLetters, ReplayVerifier};
use crate::item::ItemBuilder;
use crate::kafka::{self, Role};
use crate::seal::{SealError, Sealer};
use crate::settings::{FirstOffset, Settings};
use crate::stream::assignment::InputKind;
use crate::stream::context::{self, ContextRing};
use crate::stream::counts::Counts;
use crate::stream::deliver::{Deliver, Delivery};
use crate::stream::event::{Event, StreamError};
use crate::stream::gap::Gaps;
use crate::stream::intake::{self, Intake};
use crate::stream::isolation::{Isolation, Launch};
use crate::stream::judging::{Judging, Shared};
use crate::stream::poison::PoisonLimits;
use crate::stream::poll::{Endings, Poll};
use crate::stream::rebalance::{Context, Policy, Wires};
use crate::stream::shard::{Input, Shard};
use crate::stream::start::FirstStart;
use crate::stream::state::Restorer;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{HitStatus, Metrics, RuleHits};
use dmwatch_core::judge::Plan;

/// What is said at the start, besides the settings.
pub struct Options {
    /// A person's decision to go on where messages are missing: who and why.
    pub accept_loss: Option<String>,
    /// How a child for suspect messages is started.
    pub isolation: Launch,
}

/// Why the worker does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The rules do not compile for some region.
    #[error("the rules do not compile: {0}")]
    Rules(#[from] CompileError),
    /// A key cannot be used.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Nothing to seal dead letters with.
    #[error("keys.dead_letter_public_key_file is not set: dead letters could not be sealed")]
    NoDeadLetterKey,
    /// librdkafka does not take the properties.
    #[error("librdkafka does not take the settings: {0}")]
    Kafka(#[from] KafkaError),
    /// No thread can be made.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// A running worker.
pub struct Worker {
    poll: JoinHandle<Result<(), StreamError>>,
    others: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    abort: Arc<AtomicBool>,
}

/// Asks a worker to stop; may be kept by a signal handler.
#[derive(Clone)]
pub struct Stopper(Arc<AtomicBool>);

impl Stopper {
    /// Asks the worker to finish its work in flight and to end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Deliveries that may wait for the delivery thread. Small: the budget that counts is in bytes.
const DELIVERIES: usize = 1_024;

/// The part of the bytes in flight that may wait for their acknowledgement as records: with sealed
/// evidence they are several times as large as the messages that they come from.
const DELIVERY_SHARE: usize = 4;

impl Worker {
    /// Starts all threads.
    ///
    /// # Errors
    /// Whatever is wrong with rules, keys or properties; then nothing was consumed.
    pub fn start(
        settings: &Settings,
        ruleset: &Arc<Ruleset>,
        metrics: &Arc<Metrics>,
        health: &Arc<Health>,
        options: Options,
    ) -> Result<Self, StartError> {
        let stop = Arc::new(AtomicBool::new(false));
        let abort = Arc::new(AtomicBool::new(false));
        let (events_in, events) = unbounded::<Event>();
        let (deliver_in, deliver_out) = bounded::<Delivery>(DELIVERIES);
        let (restore_in, restore_out) = unbounded();
        let shard_count = settings.stream.shards;
        let (shard_ins, shard_outs): (Vec<Sender<Input>>, Vec<Receiver<Input>>) =
            (0..shard_count).map(|_| unbounded()).unzip();

        let shared = Arc::new(shared(settings, ruleset)?);
        let hits = Arc::new(hits(metrics, ruleset));
        let gaps = Gaps::new(dead_letters(settings)?);
        let deliver = Deliver::new(
            &kafka::client_config(settings, Role::Producer),
            deliver_out,
            events_in.clone(),
            Arc::clone(metrics),
            Arc::clone(&abort),
            settings.stream.max_in_flight_bytes / DELIVERY_SHARE,
        )?;
        let restorer = Restorer::new(
            Arc::clone(&shared.state_topic),
            kafka::client_config(settings, Role::StateReader),
            restore_out,
            shard_ins.clone(),
            events_in.clone(),
            Arc::clone(metrics),
            Arc::clone(&abort),
        );
        let mut shards = Vec::new();
        for input in shard_outs {
            let judging = Judging::new(
                Arc::clone(&shared),
                items(settings)?,
                dead_letters(settings)?,
                ContextRing::new(ring_limits(settings)),
                Counts::new(
                    Arc::clone(metrics),
                    Arc::clone(&hits),
                    &shared.regions,
                    &shared.plan,
                ),
            );
            shards.push(Shard::new(
                input,
                events_in.clone(),
                deliver_in.clone(),
                judging,
                Isolation::new(options.isolation.clone()),
                Arc::clone(metrics),
            ));
        }
        let wires = Wires {
            events,
            shards: shard_ins,
            restorer: restore_in,
        };
        let context = Context::new(
            Intake::new(shard_count, intake_limits(settings)),
            wires,
            policy(settings, options.accept_loss),
            Arc::clone(metrics),
            gaps,
            Arc::clone(&stop),
        );
        let poll = Poll::new(
            &kafka::client_config(settings, Role::Consumer),
            context,
            events_in,
            deliver_in,
            Arc::clone(health),
            Arc::clone(&stop),
            Endings {
                grace: settings.stream.shutdown_grace,
                commit_interval: settings.stream.commit_interval,
            },
        )?;
        health.set_rules_loaded(true);

        let mut others = vec![
            thread("deliver", move || deliver.run())?,
            thread("restore", move || restorer.run())?,
        ];
        for (index, shard) in shards.into_iter().enumerate() {
            others.push(thread(&format!("shard-{index}"), move || shard.run())?);
        }
        let poll = std::thread::Builder::new()
            .name("poll".into())
            .spawn(move || poll.run())?;
        Ok(Self {
            poll,
            others,
            stop,
            abort,
        })
    }

    /// What asks this worker to stop.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Whether the worker has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.poll.is_finished()
    }

    /// Waits until the worker has ended.
    ///
    /// # Errors
    /// Why it stopped by itself.
    pub fn join(self) -> Result<(), StreamError> {
        let ended = self.poll.join();
        // What is still in flight now is past the grace period; its messages come again.
        self.abort.store(true, Ordering::Release);
        let mut all_well = true;
        for thread in self.others {
            all_well &= thread.join().is_ok();
        }
        ended.unwrap_or(Err(StreamError::Thread("poll")))?;
        if all_well {
            Ok(())
        } else {
            Err(StreamError::Thread("worker"))
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}

/// What shards share, also with the child process that judges suspects.
///
/// # Errors
/// The rules do not compile for some region.
pub fn shared(settings: &Settings, ruleset: &Arc<Ruleset>) -> Result<Shared, CompileError> {
    let topics = &settings.topics;
    let regions = settings.regions.iter().map(|(_, region)| &*region.name);
    Ok(Shared {
        fields: settings.input.fields.clone(),
        regions: Arc::clone(&settings.regions),
        plan: Plan::new(Arc::clone(ruleset), &settings.regions)?,
        routing: Arc::clone(&settings.routing),
        kept_per_key: settings.stream.partition_span
            + usize::try_from(MAX_RATE).unwrap_or(usize::MAX / 2),
        max_bytes: settings.input.max_bytes,
        review_topics: regions
            .chain([UNASSIGNED])
            .map(|region| topics.review(region).into())
            .collect(),
        state_topic: topics.state.as_str().into(),
        replays: ReplayVerifier::new(settings.keys.dead_letter.clone()),
    })
}

fn items(settings: &Settings) -> Result<ItemBuilder, StartError> {
    let keys = settings.keys.regions.iter().cloned();
    let sealers: Vec<Sealer> = keys.map(Sealer::new).collect::<Result<_, _>>()?;
    Ok(ItemBuilder::new(
        &settings.start.epoch,
        env!("CARGO_PKG_VERSION"),
        settings.output.max_bytes,
        sealers,
    ))
}

fn dead_letters(settings: &Settings) -> Result<DeadLetters, StartError> {
    let key = settings.keys.dead_letter.clone();
    let key = key.ok_or(StartError::NoDeadLetterKey)?;
    Ok(DeadLetters::new(
        settings.topics.dead_letter.as_str().into(),
        &settings.kafka.group_id,
        env!("CARGO_PKG_VERSION"),
        settings.output.max_bytes,
        Sealer::new(key)?,
    ))
}

/// One series for each status that a hit of a rule can have.
fn hits(metrics: &Metrics, ruleset: &Ruleset) -> RuleHits {
    let mut by_status: HashMap<&'static str, usize> = HashMap::new();
    for rule in &*ruleset.rules {
        *by_status.entry(rule.status.as_str()).or_default() += 1;
    }
    metrics.set_ruleset(&ruleset.hash, by_status);
    let statuses = |status: Status| -> &'static [HitStatus] {
        match status {
            Status::Stable => &[HitStatus::Live],
            Status::Canary(_) => &[HitStatus::Canary, HitStatus::Shadow],
            Status::Shadow => &[HitStatus::Shadow],
            Status::Draft | Status::Retired => &[],
        }
    };
    let rules = ruleset.rules.iter();
    RuleHits::new(
        metrics,
        rules.map(|rule| (&*rule.id, statuses(rule.status))),
    )
}

fn millis(duration: Duration) -> Millis {
    Millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn ring_limits(settings: &Settings) -> context::Limits {
    context::Limits {
        messages: settings.context.messages,
        max_age: millis(settings.context.max_age),
        max_bytes: settings.context.max_bytes / settings.stream.shards,
    }
}

fn intake_limits(settings: &Settings) -> intake::Limits {
    let stream = &settings.stream;
    let dead_letters = &stream.dead_letters;
    let count = |limit: u64| u32::try_from(limit).unwrap_or(u32::MAX);
    intake::Limits {
        span: stream.partition_span,
        span_bytes: stream.partition_span_bytes as u64,
        in_flight: stream.max_in_flight,
        in_flight_bytes: stream.max_in_flight_bytes as u64,
        poison: PoisonLimits {
            max_consecutive: count(dead_letters.max_consecutive),
            max_ratio: dead_letters.max_ratio,
            ratio_over: count(dead_letters.ratio_over),
        },
    }
}

fn policy(settings: &Settings, accept_loss: Option<String>) -> Policy {
    let messages = settings.topics.messages.iter();
    let reports = settings.topics.reports.iter();
    let topics = messages
        .map(|topic| (topic.as_str().into(), InputKind::Messages))
        .chain(reports.map(|topic| (topic.as_str().into(), InputKind::Reports)));
    Policy {
        topics: topics.collect(),
        first_start: match settings.start.first_offset {
            FirstOffset::Earliest => FirstStart::Earliest,
            FirstOffset::Latest => FirstStart::Latest,
        },
        drain: settings.stream.drain_timeout,
        deaths_before_isolation: settings.stream.deaths_before_isolation,
        suspects: i64::try_from(settings.stream.partition_span).unwrap_or(i64::MAX),
        accept_loss,
    }
}
