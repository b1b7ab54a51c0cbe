//! The stream: from Kafka to Kafka, with nothing lost.
//!
//! ```text
//! poll (poll thread: consumer + intake + ledgers) ─ Batch ─▶ shard ─▶ judging ─ Delivery ─▶ deliver
//!   ▲ rebalance (callbacks, on the same thread)                │                             │
//!   ├──────────────────────── Event::Judged ◀─────────────────┘                             │
//!   ├──────────────────────── Event::Delivered ◀──── delivery reports ◀─────────────────────┘
//!   ├──────────────────────── Event::Restored ◀── state (restorer) ◀── dmwatch.state
//!   └──────────────────────── Event::Committed ◀─ commit ◀── offsets of what is done
//! ```
//!
//! The contract, and where each part of it is kept:
//! - a message is done when everything that it caused is acknowledged: [`deliver`];
//! - nothing is committed at or past a message that is not done: [`ledger`];
//! - acks of an older assignment find nothing: [`assignment`];
//! - a partition waits until its state is restored, and while too much is in flight: [`intake`];
//! - where a partition begins, and when only a person may go on: [`start`], `takeover`;
//! - a revoke drains, commits and fences: [`rebalance`];
//! - a message that kills the worker is found in a child process: [`isolation`];
//! - a wrong format stops the worker instead of draining the topic: [`poison`].

pub mod assignment;
pub mod batch;
mod commit;
pub mod context;
pub mod counts;
pub mod deliver;
pub mod event;
pub mod gap;
pub mod intake;
pub mod isolation;
pub mod judging;
pub mod ledger;
pub mod poison;
pub mod poll;
mod producer;
mod reader;
pub mod rebalance;
pub mod shard;
pub mod start;
pub mod state;
mod takeover;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What librdkafka says of a client. It goes on by itself: brokers that are away come back, and
/// what stands still shows in the metrics. Its words name brokers, topics and errors, no values.
fn client_error(client: &'static str, error: &KafkaError, reason: &str) {
    // The state reader asks to be told where a partition ends: no fault.
    if matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::PartitionEOF)
    ) {
        return;
    }
    crate::warn_limited!(key: (client, error.to_string()), client, %error, reason, "kafka");
}
