//! The table: every metric of dmwatch, with its name, its labels and its help text.
//!
//! `docs/metrics.md` is generated from it, and a test compares a real scrape against it. Rules of
//! the table: prefix `dmwatch_` (the `process_*` names are Prometheus' own convention, which
//! ready-made dashboards expect), base units in the name, counters end in `_total`, 8 to 14
//! buckets, and no label whose values are not a closed list or named in the settings.

use super::declare::{Kind, Metric, build, first, handle, kind, sampled, written};

/// Record timestamp to acknowledged delivery: fine around the aims of 25 ms and 100 ms.
const LATENCY: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0,
];
/// Work inside one shard: from one short message to a pathological batch.
const WORK: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0,
];
/// Messages in a batch.
const BATCH: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0,
];
/// Restoring a partition's state.
const RESTORE: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

written! {
    "Messages" {
        counters consumed_messages "dmwatch_consumed_messages_total" ["topic"]
            "Records read from an input topic, redeliveries included.";
        counters consumed_bytes "dmwatch_consumed_bytes_total" ["topic"]
            "Bytes of key and value read from an input topic.";
        counters verdicts "dmwatch_verdicts_total" ["verdict"]
            "Messages by verdict. Those dead-lettered have none; a user's report becomes an item of kind report without one.";
        counters not_scanned "dmwatch_not_scanned_messages_total" ["region", "policy"]
            "Messages that a policy did not look at, because their region has no legal basis for it or has it switched off.";
        counters rule_hits "dmwatch_rule_hits_total" ["rule", "status"]
            "Messages on which a rule fired. Only live and canary hits are routed.";
        counters items "dmwatch_items_total" ["queue", "region", "kind"]
            "Review items sent to a review topic and acknowledged.";
        counters items_shed "dmwatch_items_shed_total" ["shed"]
            "Review items that were too large for the output limit and went out with less evidence.";
        counters dead_letters "dmwatch_dead_letters_total" ["reason", "stage"]
            "Records acknowledged by the dead-letter topic.";
        counters lost_messages "dmwatch_lost_messages_total" ["topic"]
            "Messages that the broker's retention removed before the group had read them. Any value but zero is an incident.";
        counters isolations "dmwatch_isolations_total" ["outcome"]
            "Messages judged alone in a child process, because the worker had died several times at the same place.";
        counters panics "dmwatch_panics_total" ["stage"]
            "Panics that were caught; the message that caused one is dead-lettered.";
        counters replays "dmwatch_replays_total" ["outcome"]
            "Records replayed from the dead-letter topic, by whether their origin was authentic.";
    }
    "Latency" {
        histogram end_to_end_seconds "dmwatch_end_to_end_seconds" [] buckets LATENCY
            "Seconds from a flagged message's record timestamp to the acknowledged delivery of the last record that it caused.";
        histogram judge_seconds "dmwatch_judge_batch_seconds" [] buckets WORK
            "Seconds that a shard took to judge one batch.";
        histogram batch_messages "dmwatch_batch_messages" [] buckets BATCH
            "Messages in a batch handed to a shard.";
        seconds loop_seconds "dmwatch_loop_seconds_total" ["part"]
            "Seconds spent per part of the work. Poll, wait and commit are the poll thread's, judge is the shards' and deliver the producer thread's.";
    }
    "Saturation" {
        gauge in_flight_messages "dmwatch_in_flight_messages" []
            "Messages read and not yet complete.";
        gauge in_flight_bytes "dmwatch_in_flight_bytes" []
            "Bytes of the messages read and not yet complete.";
        gauge state_entries "dmwatch_state_entries" []
            "Entries of conversation state in memory.";
        gauge context_messages "dmwatch_context_window_messages" []
            "Messages held in memory as context of active conversations.";
        gauge context_bytes "dmwatch_context_window_bytes" []
            "Bytes of the messages held in memory as context of active conversations.";
        histogram restore_seconds "dmwatch_restore_seconds" [] buckets RESTORE
            "Seconds from the assignment of a partition until its conversation state was restored.";
        counter restored_entries "dmwatch_restored_entries_total" []
            "Entries of conversation state read back after an assignment.";
    }
    "Delivery" {
        gauge deliver_queue "dmwatch_deliver_queue_records" []
            "Records that wait for a place in the producer.";
        gauge producer_in_flight "dmwatch_producer_in_flight_records" []
            "Records handed to the producer and not yet acknowledged.";
        counters delivered_records "dmwatch_delivered_records_total" ["topic"]
            "Records that the brokers acknowledged, by output topic.";
        counters delivered_bytes "dmwatch_delivered_bytes_total" ["topic"]
            "Bytes of key, value and headers that the brokers acknowledged, by output topic.";
        counters producer_errors "dmwatch_producer_errors_total" ["kind"]
            "Failed deliveries, by librdkafka's error.";
        counter producer_retries "dmwatch_producer_retries_total" []
            "Records sent again by dmwatch after a failed delivery (librdkafka's own retries are in dmwatch_kafka_retries_total).";
    }
    "Consumer group" {
        counter commits "dmwatch_commits_total" []
            "Offset commits that the broker accepted.";
        counters commit_failures "dmwatch_commit_failures_total" ["kind"]
            "Offset commits that failed, by librdkafka's error.";
        counters rebalances "dmwatch_rebalances_total" ["event"]
            "Rebalance callbacks.";
    }
    "Settings and rules" {
        gauges build_info "dmwatch_build_info" ["version", "librdkafka"]
            "Always 1; the labels name the versions.";
        gauges settings_info "dmwatch_settings_info" ["hash"]
            "Always 1; the label is the hash of the resolved settings without secrets.";
        gauges ruleset_info "dmwatch_ruleset_info" ["hash"]
            "Always 1; the label is the hash of the ruleset in use, as on every item.";
        gauges rules "dmwatch_rules" ["status"]
            "Rules in the ruleset in use, by status.";
    }
}

sampled! {
    "Partitions" {
        gauge PARTITIONS_ASSIGNED "dmwatch_partitions_assigned" []
            "Partitions assigned to this worker.";
        gauge CONSUMER_LAG "dmwatch_consumer_lag_messages" ["topic", "partition"]
            "Messages between the committed offset and the end of the partition.";
        gauge BACKLOG "dmwatch_partition_backlog_messages" ["topic", "partition"]
            "Messages that are not complete: in flight, or not yet read. Unlike the lag it does not wait for a commit.";
        gauge PROGRESS_AGE "dmwatch_partition_progress_age_seconds" ["topic", "partition"]
            "Seconds since the partition's watermark last moved; 0 while there is nothing to do.";
        gauge WATERMARK "dmwatch_partition_watermark_offset" ["topic", "partition"]
            "Offset of the first message that is not complete; everything before it is done.";
        gauge WATERMARK_TIMESTAMP "dmwatch_partition_watermark_timestamp_seconds" ["topic", "partition"]
            "Record time of the newest message before the watermark.";
        gauge LEDGER_MESSAGES "dmwatch_ledger_span_messages" ["topic", "partition"]
            "Messages between the watermark and the newest one read.";
        gauge LEDGER_BYTES "dmwatch_ledger_span_bytes" ["topic", "partition"]
            "Bytes of the messages between the watermark and the newest one read.";
        gauge PARTITION_STATE "dmwatch_partition_state" ["topic", "partition", "state"]
            "1 while the partition is in that state, else 0. In none of them it flows.";
        gauge FETCH_QUEUE "dmwatch_kafka_fetch_queue_messages" ["topic", "partition"]
            "Messages that librdkafka has fetched ahead.";
    }
    "librdkafka" {
        counter KAFKA_RX_BYTES "dmwatch_kafka_received_bytes_total" ["client"]
            "Bytes received from the brokers.";
        counter KAFKA_TX_BYTES "dmwatch_kafka_sent_bytes_total" ["client"]
            "Bytes sent to the brokers.";
        gauge KAFKA_QUEUED "dmwatch_kafka_queued_messages" []
            "Messages in librdkafka's producer queues, those in flight included.";
        counter KAFKA_GROUP_REBALANCES "dmwatch_kafka_group_rebalances_total" []
            "Rebalances of the consumer group that this worker took part in.";
        gauge KAFKA_RTT_P99 "dmwatch_kafka_broker_rtt_p99_seconds" ["client", "broker"]
            "99th percentile of the brokers' response times in the last statistics window.";
        gauge KAFKA_THROTTLE_P99 "dmwatch_kafka_broker_throttle_p99_seconds" ["client", "broker"]
            "99th percentile of the time for which a broker's quota held requests back, in the last statistics window.";
        counter KAFKA_RETRIES "dmwatch_kafka_retries_total" ["client", "broker"]
            "Requests that librdkafka sent again.";
        counter KAFKA_ERRORS "dmwatch_kafka_transmit_errors_total" ["client", "broker"]
            "Requests that could not be sent.";
        counter KAFKA_TIMEOUTS "dmwatch_kafka_request_timeouts_total" ["client", "broker"]
            "Requests that timed out.";
        counter KAFKA_CONNECTS "dmwatch_kafka_connects_total" ["client", "broker"]
            "Attempts to connect to a broker.";
        counter KAFKA_DISCONNECTS "dmwatch_kafka_disconnects_total" ["client", "broker"]
            "Connections to a broker that ended, for whatever reason.";
    }
    "Process" {
        counter PROCESS_CPU "process_cpu_seconds_total" []
            "User and system CPU time spent, in seconds.";
        gauge PROCESS_RSS "process_resident_memory_bytes" []
            "Resident memory size, in bytes.";
        gauge PROCESS_FDS "process_open_fds" []
            "Open file descriptors.";
        gauge PROCESS_START "process_start_time_seconds" []
            "Start time of the process, in seconds since the Unix epoch.";
        gauge PROCESS_THREADS "process_threads" []
            "Threads of the process.";
    }
}

impl Families {
    /// Makes series whose labels are known beforehand, so that an alert sees their first increase.
    pub(super) fn begin_at_zero(&self) {
        let series: [(&prometheus::IntCounterVec, &[&str]); 5] = [
            (&self.isolations, &["killer", "survived"]),
            (&self.items_shed, &["context", "text"]),
            (&self.panics, &["judge"]),
            (&self.rebalances, &["assign", "revoke", "lost", "error"]),
            (&self.replays, &["accepted", "refused"]),
        ];
        for (counters, values) in series {
            for value in values {
                let _at_zero = counters.with_label_values(&[*value]);
            }
        }
    }
}

/// What each label may hold, for the documentation.
pub static LABELS: &[(&str, &str)] = &[
    (
        "broker",
        "broker id; `bootstrap` for connections made before the id is known, `coordinator` for the group coordinator's",
    ),
    ("client", "`consumer`, `producer`"),
    (
        "event",
        "`assign`, `revoke`, `lost` (revoked without warning), `error`",
    ),
    ("hash", "content hash"),
    (
        "kind",
        "of an item: `flag`, `report`; of an error: librdkafka's name for it",
    ),
    ("librdkafka", "version of librdkafka"),
    (
        "outcome",
        "of an isolation: `killer`, `survived`; of a replay: `accepted`, `refused`",
    ),
    ("part", "`poll`, `wait`, `judge`, `deliver`, `commit`"),
    (
        "partition",
        "partition number; its series end when the partition is revoked",
    ),
    ("policy", "policy named in the rules and the settings"),
    ("queue", "review queue named in the settings"),
    (
        "reason",
        "why it was dead-lettered, from the closed list of the dead-letter headers",
    ),
    ("region", "region named in the settings, or `unassigned`"),
    ("rule", "rule id"),
    (
        "shed",
        "what was left out: `context`, `text` (the item is then a reference only)",
    ),
    ("stage", "stage of the pipeline"),
    ("state", "`restoring`, `back_pressured`, `stopped`"),
    (
        "status",
        "of a hit: `live`, `canary`, `shadow`; of a rule: as in the rule file",
    ),
    ("topic", "topic named in the settings"),
    ("verdict", "`clean`, `flagged`, `not_scanned`"),
    ("version", "version of dmwatch"),
];
