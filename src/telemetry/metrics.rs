//! Every metric, and the one place that writes them out.
//!
//! ```text
//! table.rs ──written!──▶ Families (handles: poll thread, shards, producer)      ┐
//!          └─sampled!──▶ partitions.rs, librdkafka.rs, process.rs (at scrape)   ┴▶ Metrics::render ─▶ /metrics
//!          └───────────▶ page.rs ─▶ docs/metrics.md
//! ```
//!
//! What happens per message is counted per batch on handles that were looked up once. What belongs
//! to a partition lives in its [`PartitionMetrics`] and is read off at scrape time, so a revoked
//! partition cannot leave a series behind.

mod declare;
mod handles;
mod librdkafka;
mod page;
mod partitions;
mod process;
mod sample;
mod table;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::{Atomic, GenericCounter};
use prometheus::{Registry, TextEncoder};
use serde::Serialize;

pub use declare::{Kind, Metric};
pub use handles::{HitStatus, LoopTime, RuleHits, TopicMetrics, Verdicts};
pub use librdkafka::KafkaClient;
pub use page::markdown;
pub use partitions::{PartitionMetrics, PartitionSnapshot, PartitionState, Partitions};
pub use table::{Families, LABELS, SAMPLED, WRITTEN};

/// All metrics of one worker. Cheap to share (`Arc`), and no global state: tests make their own.
#[allow(missing_debug_implementations)]
pub struct Metrics {
    families: Families,
    registry: Registry,
    partitions: Arc<Partitions>,
    kafka: librdkafka::Snapshots,
    info: Mutex<Info>,
}

/// What runs: the answer of `/-/info`.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// Version of dmwatch.
    pub version: &'static str,
    /// Version of librdkafka.
    pub librdkafka: String,
    /// Hash of the ruleset in use.
    pub ruleset: Option<String>,
    /// Hash of the resolved settings without secrets.
    pub settings: Option<String>,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// Two declarations of the table clash; the tests rule it out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let families = Families::register(&registry)?;
        let partitions = Arc::new(Partitions::new());
        let kafka = librdkafka::Snapshots::default();
        registry.register(Box::new(sample::Sampler::new(
            partitions.clone(),
            kafka.clone(),
        )?))?;
        let info = Info {
            version: env!("CARGO_PKG_VERSION"),
            librdkafka: rdkafka::util::get_rdkafka_version().1,
            ruleset: None,
            settings: None,
        };
        families
            .build_info
            .with_label_values(&[info.version, &info.librdkafka])
            .set(1);
        families.begin_at_zero();
        Ok(Self {
            families,
            registry,
            partitions,
            kafka,
            info: Mutex::new(info),
        })
    }

    /// The handles of one input topic.
    #[must_use]
    pub fn topic(&self, topic: &str) -> TopicMetrics {
        let _from_zero = self.lost_messages.with_label_values(&[topic]);
        TopicMetrics {
            messages: self.consumed_messages.with_label_values(&[topic]),
            bytes: self.consumed_bytes.with_label_values(&[topic]),
        }
    }

    /// Starts the series of a partition that was just assigned. They end when the returned value
    /// is dropped, which is the revoke.
    #[must_use]
    pub fn partition(&self, topic: &str, partition: i32) -> PartitionMetrics {
        self.partitions.assign(topic, partition)
    }

    /// The partitions that are assigned now; [`crate::telemetry::Health`] looks at them too.
    #[must_use]
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// The counters of the three verdicts.
    #[must_use]
    pub fn verdict_counters(&self) -> Verdicts {
        Verdicts::new(self)
    }

    /// The counters of the parts of the loop.
    #[must_use]
    pub fn loop_time(&self) -> LoopTime {
        LoopTime::new(self)
    }

    /// Whether that client was connected to a broker when librdkafka last reported.
    #[must_use]
    pub fn is_connected(&self, client: KafkaClient) -> bool {
        self.kafka.is_connected(client)
    }

    /// Takes librdkafka's statistics: call it from `ClientContext::stats`.
    pub fn kafka_statistics(&self, client: KafkaClient, statistics: &rdkafka::Statistics) {
        self.kafka.put(client, statistics);
        if client == KafkaClient::Consumer {
            self.partitions.take_statistics(statistics);
        }
    }

    /// Names the ruleset in use and counts its rules by status; the series of the one before end.
    pub fn set_ruleset<'a>(&self, hash: &str, rules: impl IntoIterator<Item = (&'a str, usize)>) {
        self.ruleset_info.reset();
        self.ruleset_info.with_label_values(&[hash]).set(1);
        self.rules.reset();
        for (status, count) in rules {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.rules.with_label_values(&[status]).set(count);
        }
        self.lock_info().ruleset = Some(hash.to_owned());
    }

    /// Names the settings in use.
    pub fn set_settings(&self, hash: &str) {
        self.settings_info.reset();
        self.settings_info.with_label_values(&[hash]).set(1);
        self.lock_info().settings = Some(hash.to_owned());
    }

    /// What runs.
    #[must_use]
    pub fn info(&self) -> Info {
        self.lock_info().clone()
    }

    fn lock_info(&self) -> MutexGuard<'_, Info> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exposition text that Prometheus scrapes.
    ///
    /// # Errors
    /// A family has no series to show, which the encoder refuses.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.families
    }
}

/// Adds a duration to a counter of seconds.
pub fn add_seconds<P: Atomic<T = f64>>(counter: &GenericCounter<P>, duration: Duration) {
    counter.inc_by(duration.as_secs_f64());
}
