//! Reads the sampled metrics off their sources when Prometheus scrapes.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, GaugeVec};

use super::declare::{Kind, Metric};
use super::table::{
    BACKLOG, CONSUMER_LAG, FETCH_QUEUE, LEDGER_BYTES, LEDGER_MESSAGES, PARTITION_STATE,
    PARTITIONS_ASSIGNED, PROGRESS_AGE, SAMPLED, WATERMARK, WATERMARK_TIMESTAMP,
};
use super::{PartitionState, Partitions, librdkafka, process};

/// The registered source of every metric of [`SAMPLED`].
pub(super) struct Sampler {
    descriptions: Vec<Desc>,
    partitions: Arc<Partitions>,
    kafka: librdkafka::Snapshots,
}

impl Sampler {
    pub(super) fn new(
        partitions: Arc<Partitions>,
        kafka: librdkafka::Snapshots,
    ) -> Result<Self, prometheus::Error> {
        let describe = |metric: &&Metric| {
            let labels = metric.labels.iter().map(|label| (*label).to_owned());
            Desc::new(
                metric.name.to_owned(),
                metric.help.to_owned(),
                labels.collect(),
                std::collections::HashMap::new(),
            )
        };
        Ok(Self {
            descriptions: SAMPLED.iter().map(describe).collect::<Result<_, _>>()?,
            partitions,
            kafka,
        })
    }
}

impl Collector for Sampler {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut samples = Samples::default();
        partitions(&self.partitions, &mut samples);
        self.kafka.sample(&mut samples);
        process::sample(&mut samples);
        samples.families()
    }
}

fn partitions(partitions: &Partitions, samples: &mut Samples) {
    let assigned = partitions.snapshot();
    samples.put(&PARTITIONS_ASSIGNED, &[], assigned.len() as f64);
    for seen in assigned {
        let number = seen.partition.to_string();
        let labels = [seen.topic.as_ref(), number.as_str()];
        let mut known = |metric, value: Option<f64>| {
            if let Some(value) = value {
                samples.put(metric, &labels, value);
            }
        };
        let idle = seen.is_idle();
        let age = if idle {
            0.0
        } else {
            seen.since_progress.as_secs_f64()
        };
        known(&PROGRESS_AGE, Some(age));
        known(&CONSUMER_LAG, seen.lag.map(|lag| lag as f64));
        known(&BACKLOG, seen.backlog().map(|count| count as f64));
        known(&WATERMARK, seen.watermark.map(|offset| offset as f64));
        let timestamp = seen.watermark_timestamp.map(|millis| millis as f64 / 1e3);
        known(&WATERMARK_TIMESTAMP, timestamp);
        known(&LEDGER_MESSAGES, Some(seen.span_messages as f64));
        known(&LEDGER_BYTES, Some(seen.span_bytes as f64));
        known(&FETCH_QUEUE, seen.fetch_queue.map(|count| count as f64));
        for state in PartitionState::ALL {
            let labels = [labels[0], labels[1], state.as_str()];
            let holds = if seen.is(state) { 1.0 } else { 0.0 };
            samples.put(&PARTITION_STATE, &labels, holds);
        }
    }
}

/// Values of one scrape.
#[derive(Default)]
pub(super) struct Samples(BTreeMap<&'static str, Family>);

enum Family {
    Counter(CounterVec),
    Gauge(GaugeVec),
    /// The table names a metric that the crate refuses; `Sampler::new` reports it at start.
    Refused,
}

impl Samples {
    /// Puts one value of a declared metric. The number of labels is the declaration's.
    pub(super) fn put(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        let family = self
            .0
            .entry(metric.name)
            .or_insert_with(|| match metric.kind {
                Kind::Counter => CounterVec::new(metric.opts(), metric.labels)
                    .map_or(Family::Refused, Family::Counter),
                Kind::Gauge | Kind::Histogram => GaugeVec::new(metric.opts(), metric.labels)
                    .map_or(Family::Refused, Family::Gauge),
            });
        match family {
            Family::Counter(counters) => {
                if let Ok(counter) = counters.get_metric_with_label_values(labels) {
                    counter.inc_by(value);
                }
            }
            Family::Gauge(gauges) => {
                if let Ok(gauge) = gauges.get_metric_with_label_values(labels) {
                    gauge.set(value);
                }
            }
            Family::Refused => {}
        }
    }

    fn families(self) -> Vec<MetricFamily> {
        let collect = |family| match family {
            Family::Counter(counters) => counters.collect(),
            Family::Gauge(gauges) => gauges.collect(),
            Family::Refused => Vec::new(),
        };
        self.0.into_values().flat_map(collect).collect()
    }
}
