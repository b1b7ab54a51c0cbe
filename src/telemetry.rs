//! What an operator sees: metrics, health, logs.
//!
//! - [`metrics`]: every metric, declared in one table; `docs/metrics.md` is generated from it.
//! - [`health`]: what `/livez` and `/readyz` answer, as plain data in, plain data out.
//! - [`http`]: the endpoint that serves them, on loopback unless told otherwise.
//! - [`logging`]: JSON or text logs on standard error, the panic hook, no core files.
//!
//! Nothing here is ever given message text: labels come from closed lists or from the settings.

pub mod health;
pub mod http;
pub mod logging;
pub mod metrics;

pub use health::Health;
pub use metrics::{Metrics, PartitionMetrics};
