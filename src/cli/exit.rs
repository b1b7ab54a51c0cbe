//! Exit codes, and the error that carries one.

use std::io;
use std::process::ExitCode;

/// Why a command failed, as scripts and service managers see it (the codes of `sysexits.h`, so
/// that a service manager can tell "mend the settings" from "try again").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It failed for a reason that has no code of its own: 1.
    Failed,
    /// The command line is wrong: 2. `clap` uses the same.
    Usage,
    /// The data that was given is wrong (a rule, a message, an item): 65.
    BadData,
    /// Something that is needed cannot be reached (Kafka, a topic, a file): 69.
    Unavailable,
    /// The settings are wrong: 78.
    BadSettings,
    /// Whoever read our output has stopped reading (`| head`): not a failure.
    OutputClosed,
}

impl Kind {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Kind::OutputClosed => 0,
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::BadData => 65,
            Kind::Unavailable => 69,
            Kind::BadSettings => 78,
        }
    }
}

/// A command's failure: what to print on standard error, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// What to tell the person. May have several lines (rendered faults). Never holds message
    /// text or a secret.
    pub message: String,
}

impl Failure {
    /// A failure of that kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The command line is wrong.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The data is wrong.
    #[must_use]
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self::new(Kind::BadData, message)
    }

    /// Something cannot be reached.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// The settings are wrong.
    #[must_use]
    pub fn bad_settings(message: impl Into<String>) -> Self {
        Self::new(Kind::BadSettings, message)
    }

    /// Prints it on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        use io::Write;
        if self.kind != Kind::OutputClosed {
            let text = self.message.trim_end();
            // Rendered faults speak for themselves; a plain line says who speaks.
            let prefix = if text.starts_with("error") || text.contains("\nerror") {
                ""
            } else {
                "dmwatch: "
            };
            // Nothing is left to tell anybody if standard error is gone.
            let _ = writeln!(io::stderr().lock(), "{prefix}{text}");
        }
        ExitCode::from(self.kind.code())
    }
}

/// An error with context from the edge: the whole chain in one line, exit code 1.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => match error.downcast_ref::<io::Error>() {
                Some(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
                    Self::new(Kind::OutputClosed, String::new())
                }
                _ => Self::new(Kind::Failed, format!("{error:#}")),
            },
        }
    }
}

/// Writing our output failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::from(anyhow::Error::from(error))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_failure_keeps_its_code_through_anyhow() {
        let failure = Failure::from(anyhow::Error::from(Failure::unavailable("no broker")));
        assert_eq!(
            (failure.kind.code(), failure.message.as_str()),
            (69, "no broker")
        );
        let missing = std::fs::read("/nowhere").context("cannot read the rules");
        let failure = Failure::from(missing.unwrap_err());
        assert_eq!(failure.kind, Kind::Failed);
        assert!(
            failure.message.starts_with("cannot read the rules: "),
            "{failure}"
        );
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(closed).kind.code(), 0);
    }
}
