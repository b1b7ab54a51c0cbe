//! The pure core of dmwatch: plain data in, plain data out.
//!
//! No Kafka, SQL, HTTP or ONNX Runtime is linked here, so the compiler keeps the direction of
//! dependencies, fuzzing builds fast, and `rules explain`, the tests, the benches and the worker
//! all run the same code.
//!
//! ```text
//! bytes ─ message::FieldMap::decode ─▶ Message ─ region::Regions ─▶ owning region, policies with a legal basis
//!                                        │
//!                                        └─ judge::Judge ─▶ text views ─▶ rules ─▶ Verdict ─ routing::Routing ─▶ Route
//! ```
//!
//! - [`message`]: the direct message and its decoding; [`message::MessageText`] cannot be printed.
//! - [`document`]: YAML with places, so that every fault of a file is reported at once with a caret.
//! - [`region`]: which region owns a message, and on what legal basis each policy may look at it.
//! - [`text`]: normalisation with a map back to the original characters.
//! - [`rules`]: the rule files: format, diagnostics, compilation, evaluation, the rules' own tests.
//! - [`conversation`]: what is remembered of a conversation, as immutable records.
//! - [`verdict`], [`routing`]: rule hits → verdict → queue, priority and due time.

pub mod conversation;
pub mod document;
pub mod judge;
pub mod message;
pub mod region;
pub mod routing;
pub mod rules;
pub mod text;
pub mod verdict;
