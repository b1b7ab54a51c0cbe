//! The demo: a realistic stream of direct messages, and the whole pipeline run on it.
//!
//! ```text
//! generator ─ feed (paced by what the worker has accounted for) ─▶ dm.messages, dm.reports
//!                                                                     │ the real worker
//! screen ◀─ tally ◀─ collector (a client of its own) ◀─ review.*, dm.dead-letter
//! ```
//!
//! [`generator`] is used by the benches too: the same stream with a fixed share of flagged messages.

mod card;
mod collect;
mod feed;
pub mod generator;
mod items;
pub mod lines;
mod people;
mod random;
pub mod run;
mod screen;
mod setup;
mod summary;
mod tally;
#[cfg(test)]
mod tests;
