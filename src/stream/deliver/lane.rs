//! The records that wait for one topic, and how many of them librdkafka has at a time.
//!
//! Records go out in waves: the next one begins when every record of the last one is reported.
//! librdkafka has at most one request of an idempotent producer in flight for a partition, and while
//! messages that are older than `linger.ms` wait behind it, its broker thread polls without rest
//! (`rd_kafka_msgq_allow_wakeup_at`: 15 % of the worker's CPU time with everything flagged). What
//! waits here waits for free, is not copied yet, and comes out as one larger request.
//!
//! A record that the broker refused for its size goes out again alone: the limit holds for a whole
//! batch, so that only then is it known to be too large itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use crate::telemetry::metrics::Metrics;

/// One record to send: of which delivery, and which one of its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream) struct Send {
    pub(in crate::stream) delivery: u64,
    pub(in crate::stream) index: u32,
    /// Index of its topic's lane.
    pub(in crate::stream) lane: u32,
    /// Its size.
    pub(in crate::stream) bytes: u32,
    /// Whether it is in no batch with others.
    pub(in crate::stream) alone: bool,
}

/// Bytes of one wave: librdkafka's largest batch, so that a wave to one partition is one request.
const WAVE_BYTES: usize = 1_000_000;
/// A wave that takes longer than this has a partition whose broker is slow or away; the others go
/// on, up to the bytes that delivery holds.
const PATIENCE: Duration = Duration::from_millis(100);
/// The same while a record waits to go alone, or has gone: a record that joins it in librdkafka's
/// queue would be in its batch, and waves without end would never let it go.
const PATIENCE_ALONE: Duration = Duration::from_secs(5);

/// One topic's records.
pub(super) struct Lane {
    pub(super) topic: Arc<str>,
    pub(super) records: IntCounter,
    pub(super) bytes: IntCounter,
    ready: VecDeque<Send>,
    alone: VecDeque<Send>,
    in_flight: usize,
    /// The last wave was a record alone.
    alone_out: bool,
    open: bool,
    wave_bytes: usize,
    begun: Instant,
}

impl Lane {
    pub(super) fn new(topic: &Arc<str>, metrics: &Metrics, now: Instant) -> Self {
        Self {
            topic: Arc::clone(topic),
            records: metrics.delivered_records.with_label_values(&[topic]),
            bytes: metrics.delivered_bytes.with_label_values(&[topic]),
            ready: VecDeque::new(),
            alone: VecDeque::new(),
            in_flight: 0,
            alone_out: false,
            open: false,
            wave_bytes: 0,
            begun: now,
        }
    }

    /// Puts a record at the end of its queue.
    pub(super) fn push(&mut self, send: Send) {
        if send.alone {
            self.alone.push_back(send);
        } else {
            self.ready.push_back(send);
        }
    }

    /// Begins a wave if it may. What was not taken of the last one waits for the next.
    pub(super) fn begin(&mut self, now: Instant) {
        let patience = if self.alone_out || !self.alone.is_empty() {
            PATIENCE_ALONE
        } else {
            PATIENCE
        };
        self.open = self.in_flight == 0 || now.duration_since(self.begun) > patience;
        if self.open {
            self.alone_out = false;
            self.wave_bytes = 0;
            self.begun = now;
        }
    }

    /// The next record of the wave, if the wave takes one more.
    pub(super) fn next(&self) -> Option<Send> {
        if !self.open || self.wave_bytes >= WAVE_BYTES {
            return None;
        }
        let alone = self.alone.front().filter(|_| self.in_flight == 0);
        alone.or_else(|| self.ready.front()).copied()
    }

    /// The record that [`Lane::next`] gave is librdkafka's now.
    pub(super) fn sent(&mut self, send: Send) {
        self.dropped(send);
        self.in_flight += 1;
        self.wave_bytes += send.bytes as usize;
        self.alone_out = send.alone;
        self.open &= !send.alone;
    }

    /// The record that [`Lane::next`] gave is not sent.
    pub(super) fn dropped(&mut self, send: Send) {
        if send.alone {
            self.alone.pop_front();
        } else {
            self.ready.pop_front();
        }
    }

    /// A report of a record came in.
    pub(super) fn reported(&mut self) {
        self.in_flight -= 1;
    }

    /// Records that wait here.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len() + self.alone.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(now: Instant) -> Lane {
        Lane::new(&"review.us".into(), &Metrics::new().unwrap(), now)
    }

    fn send(index: u32, alone: bool) -> Send {
        Send {
            delivery: 0,
            index,
            lane: 0,
            bytes: 10,
            alone,
        }
    }

    /// Sends a whole wave.
    fn wave(lane: &mut Lane, now: Instant) -> Vec<u32> {
        lane.begin(now);
        let mut sent = Vec::new();
        while let Some(next) = lane.next() {
            lane.sent(next);
            sent.push(next.index);
        }
        sent
    }

    #[test]
    fn a_wave_waits_for_the_last_one() {
        let now = Instant::now();
        let mut lane = lane(now);
        (0..3).for_each(|index| lane.push(send(index, false)));
        assert_eq!(wave(&mut lane, now), [0, 1, 2]);
        lane.push(send(3, false));
        assert!(wave(&mut lane, now).is_empty());
        lane.reported();
        lane.reported();
        assert!(wave(&mut lane, now).is_empty());
        lane.reported();
        assert_eq!(wave(&mut lane, now), [3]);
    }

    #[test]
    fn a_wave_is_no_larger_than_a_batch() {
        let now = Instant::now();
        let mut lane = lane(now);
        let of = |index, bytes: usize| Send {
            bytes: u32::try_from(bytes).unwrap(),
            ..send(index, false)
        };
        for (index, part) in [
            (0, WAVE_BYTES / 2),
            (1, WAVE_BYTES / 2),
            (2, 2 * WAVE_BYTES),
        ] {
            lane.push(of(index, part));
        }
        assert_eq!(wave(&mut lane, now), [0, 1]);
        lane.reported();
        lane.reported();
        assert_eq!(wave(&mut lane, now), [2]);
    }

    #[test]
    fn a_slow_broker_holds_nobody_up_for_long() {
        let now = Instant::now();
        let mut lane = lane(now);
        lane.push(send(0, false));
        assert_eq!(wave(&mut lane, now), [0]);
        lane.push(send(1, false));
        assert!(wave(&mut lane, now + PATIENCE).is_empty());
        assert_eq!(wave(&mut lane, now + 2 * PATIENCE), [1]);
    }

    #[test]
    fn what_must_go_alone_goes_first_and_alone() {
        let now = Instant::now();
        let mut lane = lane(now);
        lane.push(send(0, false));
        lane.push(send(1, true));
        lane.push(send(2, true));
        for expected in [1, 2, 0] {
            assert_eq!(wave(&mut lane, now), [expected]);
            lane.reported();
        }
        assert_eq!(lane.waiting(), 0);
    }

    #[test]
    fn what_must_go_alone_lets_others_by_while_a_broker_is_slow() {
        let now = Instant::now();
        let mut lane = lane(now);
        lane.push(send(0, false));
        assert_eq!(wave(&mut lane, now), [0]);
        lane.push(send(1, true));
        lane.push(send(2, false));
        assert!(wave(&mut lane, now + 2 * PATIENCE).is_empty());
        let later = now + 2 * PATIENCE_ALONE;
        assert_eq!(wave(&mut lane, later), [2]);
        lane.reported();
        lane.reported();
        assert_eq!(wave(&mut lane, later), [1]);
        lane.push(send(3, false));
        assert!(wave(&mut lane, later + 2 * PATIENCE).is_empty());
        lane.reported();
        assert_eq!(wave(&mut lane, later + 2 * PATIENCE), [3]);
    }
}
