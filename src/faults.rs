//! Bugs that the tests seed on purpose, to prove that their oracle finds them.
//!
//! Compiled in only with the feature `fault-injection`, which no release has; then the environment
//! variable `DMWATCH_FAULT` picks one. Without the feature every function is the plain truth.

use rdkafka::client::{Client, ClientContext};

use crate::stream::ledger::Ledger;

/// Name of the environment variable.
#[cfg(feature = "fault-injection")]
pub const VARIABLE: &str = "DMWATCH_FAULT";

#[cfg(feature = "fault-injection")]
fn seeded() -> &'static str {
    static SEEDED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    SEEDED.get_or_init(|| std::env::var(VARIABLE).unwrap_or_default())
}

#[cfg(feature = "fault-injection")]
fn is(fault: &str) -> bool {
    seeded() == fault
}

#[cfg(not(feature = "fault-injection"))]
#[expect(
    clippy::missing_const_for_fn,
    reason = "the other build's is not const"
)]
fn is(_fault: &str) -> bool {
    false
}

/// The offset to commit. `store_early`: everything that arrived, done or not.
#[must_use]
pub fn committable(ledger: &Ledger) -> i64 {
    if is("store_early") {
        return ledger.next_offset();
    }
    ledger.watermark()
}

/// `skip_rejected`: a record that the broker rejected counts as delivered.
#[must_use]
pub fn skips_rejected() -> bool {
    is("skip_rejected")
}

/// `late_ack`: work of a revoked partition is not waited for, and what it acknowledges later is
/// committed although the partition has another owner.
#[must_use]
pub fn acks_late() -> bool {
    is("late_ack")
}

/// `abort_on:MARKER` kills the process, and `panic_on:MARKER` panics, while a message is judged
/// whose bytes hold the marker.
pub fn judge(value: &[u8]) {
    #[cfg(feature = "fault-injection")]
    {
        let holds = |marker: &str| {
            let marker = marker.as_bytes();
            value.windows(marker.len()).any(|bytes| bytes == marker)
        };
        match seeded().split_once(':') {
            Some(("abort_on", marker)) if holds(marker) => std::process::abort(),
            Some(("panic_on", marker)) if holds(marker) => {
                panic!("seeded: {}", String::from_utf8_lossy(value))
            }
            _ => {}
        }
    }
    #[cfg(not(feature = "fault-injection"))]
    let _ = value;
}

/// `fatal_producer:N` makes librdkafka declare the producer unusable after N delivered records.
pub fn delivered<C: ClientContext>(producer: &Client<C>) {
    #[cfg(feature = "fault-injection")]
    {
        use std::sync::atomic::{AtomicU64, Ordering};

        use rdkafka::bindings::{rd_kafka_resp_err_t, rd_kafka_test_fatal_error};

        static DELIVERED: AtomicU64 = AtomicU64::new(0);
        let Some(("fatal_producer", limit)) = seeded().split_once(':') else {
            return;
        };
        let delivered = DELIVERED.fetch_add(1, Ordering::Relaxed) + 1;
        if limit.parse() != Ok(delivered) {
            return;
        }
        let error = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the client lives as long as the reference to it, the reason ends with a zero, and
        // librdkafka copies it.
        unsafe { rd_kafka_test_fatal_error(producer.native_ptr(), error, c"seeded".as_ptr()) };
    }
    #[cfg(not(feature = "fault-injection"))]
    let _ = producer;
}
