//! Logs, panics and core files: everything that could carry text out of the process by accident.
//!
//! - Events go to standard error as JSON lines or as text, by `tracing`. The type that holds
//!   message text cannot be formatted, so it cannot be a field.
//! - The panic hook prints thread and place, never the payload: a payload can quote a value.
//! - No core file is written: it would hold every message in flight.

use std::io;
use std::panic::PanicHookInfo;

use rdkafka::config::RDKafkaLogLevel;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::settings::{Log, LogFormat, LogLevel};

mod limit;
#[cfg(test)]
mod tests;

pub use limit::Limit;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The level is not one.
    #[error(
        "expected a log level such as `info` or `warn,dmwatch=debug`, found `{found}`: {cause}"
    )]
    Filter {
        /// What was given.
        found: String,
        /// What is wrong with it.
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Logging was set up before.
    #[error("logging is set up already: {0}")]
    Again(Box<dyn std::error::Error + Send + Sync>),
    /// The operating system refuses to forbid core files.
    #[error("core files cannot be switched off: {0}")]
    CoreFiles(io::Error),
}

/// Sets up logging for the process: events to standard error, the panic hook, and no core files.
///
/// # Errors
/// Logging was set up before, or core files cannot be switched off.
pub fn init(log: Log) -> Result<(), Error> {
    init_to(log, io::stderr)
}

/// The same, with the events going to `writer`: for a command that needs the terminal for itself.
///
/// # Errors
/// As [`init`].
pub fn init_to<W>(log: Log, writer: W) -> Result<(), Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(writer);
    let set = match log.format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
    };
    set.map_err(Error::Again)?;
    std::panic::set_hook(Box::new(report_panic));
    forbid_core_files().map_err(Error::CoreFiles)
}

/// Sets `RLIMIT_CORE` to zero, for this process and its children.
///
/// A kernel whose `core_pattern` pipes to a program calls it all the same; those in use
/// (systemd-coredump, apport) honour the limit.
///
/// # Errors
/// The operating system refuses.
pub fn forbid_core_files() -> io::Result<()> {
    rlimit::Resource::CORE.set(0, 0)
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = panic.location().map(ToString::to_string);
    let place = place.as_deref().unwrap_or("unknown");
    // Function names and places only; there if RUST_BACKTRACE asks for it.
    let backtrace = std::backtrace::Backtrace::capture();
    match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => {
            tracing::error!(thread, place, %backtrace, "panic");
        }
        _ => tracing::error!(thread, place, "panic"),
    }
}

/// Logs a line of librdkafka: call it from `ClientContext::log`.
///
/// librdkafka repeats itself once a second and broker while one is down; a line that differs from
/// an earlier one in numbers only is logged at most once in ten seconds.
pub fn kafka(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    static LIMIT: Limit = Limit::new();
    let shape: String = message.chars().filter(|c| !c.is_ascii_digit()).collect();
    let Some(repeats) = LIMIT.admit(&(client, facility, shape)) else {
        return;
    };
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", client, facility, repeats, "{message}");
        }
        RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", client, facility, repeats, "{message}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", client, facility, repeats, "{message}");
        }
        RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "librdkafka", client, facility, repeats, "{message}");
        }
    }
}

/// Logs a warning at most once in ten seconds for each value of `key`; the field `repeats` says
/// how many were left out since.
///
/// ```
/// # let (topic, partition) = ("dm.messages", 3);
/// dmwatch::warn_limited!(key: (topic, partition), topic, partition, "partition is held back");
/// ```
#[macro_export]
macro_rules! warn_limited {
    (key: $key:expr, $($event:tt)+) => {{
        static LIMIT: $crate::telemetry::logging::Limit =
            $crate::telemetry::logging::Limit::new();
        if let Some(repeats) = LIMIT.admit(&$key) {
            tracing::warn!(repeats, $($event)+);
        }
    }};
}
