//! Whether the worker is alive and whether it is ready.
//!
//! *Alive* is about the worker's own progress and never about Kafka: restarting a worker does not
//! repair a broker, and a restart storm during an outage makes it worse. *Ready* is about whether
//! messages flow now. [`Health`] holds what the threads report; [`liveness`] and [`readiness`] are
//! plain functions of a [`View`] of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::metrics::{KafkaClient, Metrics, PartitionSnapshot, PartitionState};

#[cfg(test)]
mod tests;

/// How long standing still is in order.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest time between two polls.
    pub poll: Duration,
    /// Longest time for which a partition with work and a connected leader may not move.
    pub progress: Duration,
}

/// What the threads of the worker report about themselves. Every call is one atomic store.
#[allow(missing_debug_implementations)]
pub struct Health {
    started: Instant,
    limits: Limits,
    metrics: Arc<Metrics>,
    polled_at: AtomicU64,
    joined: AtomicBool,
    rules: AtomicBool,
    stopping: AtomicBool,
}

impl Health {
    /// Health of a worker that has just started, over the partitions of its metrics.
    #[must_use]
    pub fn new(metrics: &Arc<Metrics>, limits: Limits) -> Self {
        Self {
            started: Instant::now(),
            limits,
            metrics: Arc::clone(metrics),
            polled_at: AtomicU64::new(0),
            joined: AtomicBool::new(false),
            rules: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    /// The poll thread has gone round its loop once more.
    pub fn polled(&self) {
        self.polled_at.store(self.now(), Ordering::Relaxed);
    }

    /// The group has assigned partitions to this worker (perhaps none), or taken its membership.
    pub fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    /// Rules are loaded and compiled.
    pub fn set_rules_loaded(&self, loaded: bool) {
        self.rules.store(loaded, Ordering::Relaxed);
    }

    /// The worker drains and will end.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Everything as it is now.
    #[must_use]
    pub fn view(&self) -> View {
        let polled_at = self.polled_at.load(Ordering::Relaxed);
        View {
            since_poll: Duration::from_millis(self.now().saturating_sub(polled_at)),
            joined: self.joined.load(Ordering::Relaxed),
            producer_ready: self.metrics.is_connected(KafkaClient::Producer),
            rules_loaded: self.rules.load(Ordering::Relaxed),
            stopping: self.stopping.load(Ordering::Relaxed),
            partitions: self.metrics.partitions().snapshot(),
        }
    }

    /// Why the worker is not alive; nothing if it is.
    #[must_use]
    pub fn liveness(&self) -> Vec<Reason> {
        liveness(&self.view(), &self.limits)
    }

    /// Why the worker is not ready; nothing if it is.
    #[must_use]
    pub fn readiness(&self) -> Vec<Reason> {
        readiness(&self.view())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The state of a worker at one moment.
#[derive(Debug, Clone)]
pub struct View {
    /// Since the poll thread last went round its loop, or since the start.
    pub since_poll: Duration,
    /// The group has answered with an assignment.
    pub joined: bool,
    /// The producer knows the cluster and is connected to a broker of it.
    pub producer_ready: bool,
    /// Rules are loaded.
    pub rules_loaded: bool,
    /// The worker drains.
    pub stopping: bool,
    /// The assigned partitions.
    pub partitions: Vec<PartitionSnapshot>,
}

/// Why a probe fails: one per cause, as `/livez` and `/readyz` print them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The poll thread has not gone round its loop for too long.
    PollStalled {
        /// For so long.
        seconds: f64,
    },
    /// A partition has work, its leader is connected, nothing is waited for, and it does not move.
    PartitionStalled {
        /// Topic.
        topic: String,
        /// Partition number.
        partition: i32,
        /// For so long.
        seconds: f64,
    },
    /// The worker drains and will end.
    Stopping,
    /// The group has not assigned anything yet.
    NotJoined,
    /// The producer is not connected to any broker of the cluster.
    ProducerNotReady,
    /// No rules are loaded.
    RulesNotLoaded,
    /// A partition's conversation state is being read back.
    Restoring {
        /// Topic.
        topic: String,
        /// Partition number.
        partition: i32,
    },
    /// A partition is stopped until an operator decides: its committed offset is outside the log.
    PartitionStopped {
        /// Topic.
        topic: String,
        /// Partition number.
        partition: i32,
    },
}

/// Why a worker in that state should be restarted.
#[must_use]
pub fn liveness(view: &View, limits: &Limits) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if view.since_poll > limits.poll {
        let seconds = view.since_poll.as_secs_f64();
        reasons.push(Reason::PollStalled { seconds });
    }
    let stalled = |seen: &&PartitionSnapshot| {
        // Each of these is somebody else's standing still, which a restart does not cure.
        let excused = seen.is_idle()
            || !seen.leader_up
            || seen.awaiting_delivery > 0
            || seen.is(PartitionState::Restoring)
            || seen.is(PartitionState::Stopped);
        !excused && seen.since_progress > limits.progress
    };
    for seen in view.partitions.iter().filter(stalled) {
        reasons.push(Reason::PartitionStalled {
            topic: seen.topic.to_string(),
            partition: seen.partition,
            seconds: seen.since_progress.as_secs_f64(),
        });
    }
    reasons
}

/// Why messages do not flow through a worker in that state.
#[must_use]
pub fn readiness(view: &View) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut unless = |holds: bool, reason: Reason| {
        if !holds {
            reasons.push(reason);
        }
    };
    unless(!view.stopping, Reason::Stopping);
    unless(view.joined, Reason::NotJoined);
    unless(view.producer_ready, Reason::ProducerNotReady);
    unless(view.rules_loaded, Reason::RulesNotLoaded);
    for seen in &view.partitions {
        let (topic, partition) = (seen.topic.to_string(), seen.partition);
        if seen.is(PartitionState::Restoring) {
            reasons.push(Reason::Restoring { topic, partition });
        } else if seen.is(PartitionState::Stopped) {
            reasons.push(Reason::PartitionStopped { topic, partition });
        }
    }
    reasons
}
