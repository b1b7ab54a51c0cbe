//! dmwatch watches a stream of direct messages and hands the few that need a human to the right
//! review queue, with the evidence and the reason, and with nothing lost.

pub mod access;
pub mod app;
mod canonical;
pub mod cli;
pub mod dead_letter;
pub mod demo;
pub mod dlq;
pub mod faults;
pub mod headers;
pub mod item;
pub mod kafka;
pub mod record;
pub mod seal;
pub mod settings;
pub mod source;
pub mod stream;
pub mod telemetry;

#[cfg(test)]
#[path = "../tests/it/support/schema.rs"]
mod schema_check;
