//! One look at the running worker, as numbers.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use prometheus::core::{Collector as _, Metric as _};
use prometheus::{Histogram, IntCounterVec};

use crate::telemetry::Metrics;
use crate::telemetry::metrics::PartitionSnapshot;

/// What the screen shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) elapsed: Duration,
    /// Consumed a second since the look before.
    pub(super) rate: f64,
    pub(super) produced: u64,
    pub(super) consumed: u64,
    pub(super) lag: i64,
    pub(super) in_flight: i64,
    /// End to end over the last seconds, in seconds.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) clean: u64,
    pub(super) not_scanned: u64,
    pub(super) flagged: u64,
    pub(super) reports: u64,
    pub(super) dead_letters: u64,
    /// Delivered items by queue.
    pub(super) queues: BTreeMap<String, u64>,
}

impl Summary {
    /// Takes what the worker's metrics say.
    pub(super) fn of_metrics(metrics: &Metrics) -> Self {
        let verdicts = metrics.verdict_counters();
        let partitions = metrics.partitions().snapshot();
        Self {
            consumed: sum(&metrics.consumed_messages),
            lag: partitions
                .iter()
                .filter_map(PartitionSnapshot::backlog)
                .sum(),
            in_flight: metrics.in_flight_messages.get(),
            clean: verdicts.clean.get(),
            not_scanned: verdicts.not_scanned.get(),
            ..Self::default()
        }
    }

    /// Records of which it is known what became of them.
    pub(super) const fn accounted(&self) -> u64 {
        self.clean + self.not_scanned + self.flagged + self.reports + self.dead_letters
    }
}

/// The sum over all labels.
pub(super) fn sum(counters: &IntCounterVec) -> u64 {
    let families = counters.collect();
    let series = families.iter().flat_map(|family| family.get_metric());
    series
        .map(|series| series.get_counter().get_value() as u64)
        .sum()
}

/// How far back latency is looked at.
const WINDOW: Duration = Duration::from_secs(5);

/// A histogram over the last seconds, as `rate` over a range shows it.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, Buckets)>);

impl Recent {
    /// What was observed within the window before `now`.
    pub(super) fn observe(&mut self, histogram: &Histogram, now: Instant) -> Buckets {
        let latest = Buckets::of(histogram);
        while self.0.len() > 1 && self.0.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            let _too_old = self.0.pop_front();
        }
        let recent = match self.0.front() {
            Some((_, oldest)) => latest.since(oldest),
            None => latest.clone(),
        };
        self.0.push_back((now, latest));
        recent
    }
}

/// Cumulative counts by upper bound, the last of which is infinite.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets(Vec<(f64, u64)>);

impl Buckets {
    fn of(histogram: &Histogram) -> Self {
        let metric = histogram.metric();
        let histogram = metric.get_histogram();
        let bounded = histogram.get_bucket().iter();
        let bounded = bounded.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        let all = (f64::INFINITY, histogram.get_sample_count());
        Self(bounded.chain([all]).collect())
    }

    fn since(&self, older: &Self) -> Self {
        let pairs = self.0.iter().zip(&older.0);
        let less = |((bound, count), (_, before)): (&(f64, u64), &(f64, u64))| {
            (*bound, count.saturating_sub(*before))
        };
        Self(pairs.map(less).collect())
    }

    /// The quantile as Prometheus' `histogram_quantile` computes it: within a bucket, evenly
    /// spread; beyond the last bound nothing better is known than that bound.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let total = self
            .0
            .last()
            .map(|(_, total)| *total)
            .filter(|total| *total > 0)?;
        let rank = quantile * total as f64;
        let (mut below, mut lower) = (0_u64, 0.0);
        for (upper, cumulative) in &self.0 {
            if *cumulative as f64 >= rank && upper.is_finite() {
                let inside = (rank - below as f64) / cumulative.saturating_sub(below).max(1) as f64;
                return Some(lower + (upper - lower) * inside);
            }
            if upper.is_finite() {
                (below, lower) = (*cumulative, *upper);
            }
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    fn histogram() -> Histogram {
        let options = HistogramOpts::new("h", "h").buckets(vec![0.01, 0.02, 0.04]);
        Histogram::with_opts(options).unwrap()
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let histogram = histogram();
        let quantile = |quantile| Buckets::of(&histogram).quantile(quantile);
        assert_eq!(quantile(0.5), None);
        for _ in 0..50 {
            histogram.observe(0.005);
        }
        for _ in 0..50 {
            histogram.observe(0.03);
        }
        assert_eq!(quantile(0.5), Some(0.01));
        assert_eq!(quantile(0.25), Some(0.005));
        assert!((quantile(0.75).unwrap() - 0.03).abs() < 1e-9);
        for _ in 0..900 {
            histogram.observe(5.0);
        }
        assert_eq!(quantile(0.99), Some(0.04));
    }

    #[test]
    fn only_the_last_seconds_count() {
        let histogram = histogram();
        let start = Instant::now();
        let mut recent = Recent::default();
        histogram.observe(0.03);
        assert!(recent.observe(&histogram, start).quantile(0.5) > Some(0.02));
        histogram.observe(0.005);
        let later = start + Duration::from_secs(4);
        assert!(recent.observe(&histogram, later).quantile(0.99) <= Some(0.01));
        let much_later = start + Duration::from_secs(20);
        assert_eq!(recent.observe(&histogram, much_later).quantile(0.5), None);
    }

    #[test]
    fn every_outcome_counts_once() {
        let metrics = Metrics::new().unwrap();
        metrics.topic("dm.messages").messages.inc_by(10);
        metrics.topic("dm.reports").messages.inc_by(2);
        metrics.verdict_counters().clean.inc_by(5);
        metrics.verdict_counters().not_scanned.inc_by(2);
        let mut summary = Summary::of_metrics(&metrics);
        assert_eq!(summary.consumed, 12);
        summary.flagged = 2;
        summary.reports = 2;
        summary.dead_letters = 1;
        assert_eq!(summary.accounted(), 12);
    }
}
