//! Every header that dmwatch writes or reads, in one place. Values are UTF-8; numbers are decimal
//! ASCII (binary ones are a known trap for readers of other clients). No value is ever message
//! text or an error message: both can quote what somebody wrote.

use rdkafka::message::Headers;

/// Id of a review item.
pub const ITEM_ID: &str = "dmwatch-item-id";
/// Name and version of the schema of a record's value, as `review-item.v1`.
pub const SCHEMA: &str = "dmwatch-schema";
/// Owning region of a review item, or `unassigned`.
pub const REGION: &str = "dmwatch-region";
/// Kind of a review item: `flag`, `report` or `pattern`.
pub const KIND: &str = "dmwatch-kind";

/// Topic of the record that a dead letter is about.
pub const DLQ_SOURCE_TOPIC: &str = "x-dlq-source-topic";
/// Partition of that record.
pub const DLQ_SOURCE_PARTITION: &str = "x-dlq-source-partition";
/// Offset of that record.
pub const DLQ_SOURCE_OFFSET: &str = "x-dlq-source-offset";
/// Timestamp of that record, in milliseconds since the epoch.
pub const DLQ_SOURCE_TIMESTAMP: &str = "x-dlq-source-timestamp";
/// Where it failed: a name of [`crate::dead_letter::Stage`].
pub const DLQ_STAGE: &str = "x-dlq-stage";
/// Why it failed: a name of [`crate::dead_letter::Reason`].
pub const DLQ_REASON: &str = "x-dlq-reason";
/// How often the record had been replayed when it failed.
pub const DLQ_ATTEMPT: &str = "x-dlq-attempt";
/// Version of the worker.
pub const DLQ_WORKER_VERSION: &str = "x-dlq-worker-version";
/// Consumer group of the worker.
pub const DLQ_GROUP: &str = "x-dlq-group";
/// On the record of a gap that a person accepted: the offset after the last one missing. The
/// first is the source offset.
pub const DLQ_LOST_UNTIL: &str = "x-dlq-lost-until";
/// On the marker that a replay leaves: `topic/partition/offset` of the source, and after `@` the
/// partition and offset of the dead letter.
pub const DLQ_REPLAYED: &str = "x-dlq-replayed";

/// Original topic of a replayed record.
pub const REPLAY_SOURCE_TOPIC: &str = "x-replay-source-topic";
/// Original partition of a replayed record.
pub const REPLAY_SOURCE_PARTITION: &str = "x-replay-source-partition";
/// Original offset of a replayed record.
pub const REPLAY_SOURCE_OFFSET: &str = "x-replay-source-offset";
/// Original timestamp of a replayed record, in milliseconds since the epoch.
pub const REPLAY_SOURCE_TIMESTAMP: &str = "x-replay-source-timestamp";
/// Which replay of that record it is, from 1.
pub const REPLAY_ATTEMPT: &str = "x-replay-attempt";
/// Ed25519 signature over the above, key and value, in base64 (URL alphabet, no padding).
pub const REPLAY_SIGNATURE: &str = "x-replay-signature";

/// All of them.
pub const ALL: [&str; 21] = [
    ITEM_ID,
    SCHEMA,
    REGION,
    KIND,
    DLQ_SOURCE_TOPIC,
    DLQ_SOURCE_PARTITION,
    DLQ_SOURCE_OFFSET,
    DLQ_SOURCE_TIMESTAMP,
    DLQ_STAGE,
    DLQ_REASON,
    DLQ_ATTEMPT,
    DLQ_WORKER_VERSION,
    DLQ_GROUP,
    DLQ_LOST_UNTIL,
    DLQ_REPLAYED,
    REPLAY_SOURCE_TOPIC,
    REPLAY_SOURCE_PARTITION,
    REPLAY_SOURCE_OFFSET,
    REPLAY_SOURCE_TIMESTAMP,
    REPLAY_ATTEMPT,
    REPLAY_SIGNATURE,
];

/// Calls `each` with the name and value of every header that is text.
///
/// A header's name may be any bytes on the wire, and rdkafka panics on one that is not UTF-8
/// (`BorrowedHeaders::try_get`). Somebody else's odd header must not stop the worker: such a
/// header is passed over, like one whose value is not UTF-8.
pub fn for_each_text<H: Headers>(headers: &H, mut each: impl FnMut(&str, &str)) {
    for index in 0..headers.count() {
        let read = std::panic::AssertUnwindSafe(|| headers.try_get(index));
        let Ok(Some(header)) = std::panic::catch_unwind(read) else {
            continue;
        };
        if let Some(Ok(value)) = header.value.map(std::str::from_utf8) {
            each(header.key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names = ALL.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
