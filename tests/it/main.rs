//! Tests with real parts: the `dmwatch` binary as a process, a real Apache Kafka, messages written and
//! read by programs that are not ours. One oracle judges every fault test; see `support/oracle.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should fail"
)]
#![allow(
    unreachable_pub,
    reason = "`pub` tells what the tests may use from what is a detail of the kit"
)]

mod check;
mod delivery;
mod demo;
mod dlq;
mod fatal;
mod faults;
mod injected;
mod judge;
mod kit;
mod poison;
mod privacy;
mod readme;
mod rebalance;
mod reports;
mod retention;
mod security;
mod seeded;
mod soak;
mod state;
mod support;
