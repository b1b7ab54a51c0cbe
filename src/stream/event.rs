//! What the other threads tell the poll thread.

use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;
use thiserror::Error;

use super::assignment::AssignmentId;
use super::ledger::Seq;

/// Names one message's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The assignment that the message came in.
    pub assignment: AssignmentId,
    /// Its slot.
    pub seq: Seq,
}

/// What a shard made of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Clean or not scanned, and nothing to be written: complete.
    Complete,
    /// Handed to delivery; completes when every record that it caused is acknowledged.
    Delivering,
    /// As [`Fate::Delivering`], but what is delivered is a dead letter, for this reason.
    DeadLetter(&'static str),
    /// Not started, because its partition is being revoked.
    Dropped,
}

/// What the other threads tell the poll thread.
#[derive(Debug)]
pub enum Event {
    /// A shard is through with a batch.
    Judged(Vec<(Ticket, Fate)>),
    /// Every record that these messages caused is acknowledged.
    Delivered(Vec<Ticket>),
    /// The conversation state of this assignment is with the shards.
    Restored(AssignmentId),
    /// The commit thread is done with these offsets.
    Committed(TopicPartitionList, KafkaResult<()>),
    /// Something that only a restart, or a person, can mend.
    Failed(StreamError),
}

/// Why the stream stopped by itself.
#[derive(Debug, Error)]
pub enum StreamError {
    /// librdkafka declared a client unusable.
    #[error(
        "the Kafka {client} cannot go on: {message}; restart the worker: it goes on at the last committed offset"
    )]
    Fatal {
        /// `consumer` or `producer`.
        client: &'static str,
        /// librdkafka's words.
        message: String,
    },
    /// Too many messages of a partition were undecodable.
    #[error(
        "{partition}: {found}, the limit is {limit}; the last reason was `{reason}`. \
         Stopped before the topic drains into the dead-letter topic. Compare the producer's format with \
         input.fields, or raise stream.dead_letters"
    )]
    TooManyDeadLetters {
        /// Topic and partition.
        partition: String,
        /// What was counted.
        found: String,
        /// What is allowed.
        limit: String,
        /// Why the last one was undecodable.
        reason: &'static str,
    },
    /// The group takes no member with this session time-out.
    #[error(
        "the broker refuses the session time-out, so the worker cannot join its group; set \
         session.timeout.ms in kafka.consumer_properties to a value between the broker's \
         group.min.session.timeout.ms and group.max.session.timeout.ms"
    )]
    Session,
    /// A record that even as a reference is larger than the broker takes.
    #[error(
        "{topic}: the broker refuses a reference of {bytes} bytes as too large; raise the topic's max.message.bytes"
    )]
    ReferenceTooLarge {
        /// Output topic.
        topic: String,
        /// Size of the record.
        bytes: usize,
    },
    /// Reading where a partition begins failed for too long.
    #[error("cannot read the committed offsets and the range of {partition}: {message}")]
    Start {
        /// Topic and partition.
        partition: String,
        /// librdkafka's words.
        message: String,
    },
    /// The child process for suspect messages does not work.
    #[error("{0}")]
    Isolation(String),
    /// A thread is gone.
    #[error("the {0} thread ended unexpectedly")]
    Thread(&'static str),
}
