//! Settings: layers merged once into types that cannot be wrong.
//!
//! ```text
//! defaults < file (YAML) < environment (DMWATCH__KAFKA__GROUP_ID=…) < flags (--set kafka.group_id=…)
//! ```

pub mod secret;
mod types;

pub use self::secret::Secret;
pub use self::types::{
    Context, DeadLetters, FirstOffset, Http, Input, Kafka, Keys, Log, LogFormat, LogLevel, Output,
    Protocol, Rules, Sasl, Security, Settings, Start, Stream, Topics,
};
