//! The one table of settings: path, type, default and meaning of each.
//!
//! Checking, reading of environment and flags, and `docs/settings.md` are all made from it.

use std::ops::RangeInclusive;

mod list;
mod sections;

pub use self::list::SETTINGS;
pub use self::sections::SECTIONS;

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Text that is not empty.
    Text,
    /// A list of texts. At least so many.
    TextList(usize),
    /// `true` or `false`.
    Boolean,
    /// A whole number in a range.
    Integer(i64, i64),
    /// A number in a range.
    Number(f64, f64),
    /// A duration in a range.
    Duration(&'static str, &'static str),
    /// A size in a range.
    Size(&'static str, &'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of these words.
    ListOf(&'static [&'static str]),
    /// A path. One that is not absolute counts from the settings file's directory, or from the
    /// working directory where it comes from elsewhere.
    Path,
    /// The path of a file that holds a secret.
    SecretPath,
    /// Text, a number, or `true`/`false`, taken as text.
    Scalar,
    /// The steps of the region precedence.
    Precedence,
}

/// Whether a setting has to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There is a default, written in YAML.
    Default(&'static str),
    /// Nothing by default; what that means is said in the meaning.
    Optional,
    /// Must be given wherever its mapping is.
    Required,
    /// Must be given by commands that speak to Kafka.
    ForKafka,
    /// Must be given by commands that seal.
    ForSealing,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its path: `stream.shards`. `<name>` stands for a name of the user's choice, `[]` for each
    /// item of a list.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it has to be given.
    pub presence: Presence,
    /// What it means, for `docs/settings.md`.
    pub meaning: &'static str,
}

impl Setting {
    /// The default, in YAML.
    #[must_use]
    pub const fn default(&self) -> Option<&'static str> {
        match self.presence {
            Presence::Default(yaml) => Some(yaml),
            _ => None,
        }
    }
}

/// Age bands, as [`dmwatch_core::message::AgeBand::as_str`] names them.
pub const AGE_BANDS: &[&str] = &["under_13", "13_15", "16_17", "adult", "unknown"];

/// Severities, as [`dmwatch_core::verdict::Severity::as_str`] names them.
pub const SEVERITIES: &[&str] = &["low", "medium", "high", "critical"];

/// Mechanisms of login.
pub const MECHANISMS: &[&str] = &["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"];

/// Any whole number from one up that fits in memory counts.
pub const COUNT: RangeInclusive<i64> = 1..=1_000_000_000;

const fn count() -> Kind {
    Kind::Integer(*COUNT.start(), *COUNT.end())
}

const fn setting(
    path: &'static str,
    kind: Kind,
    presence: Presence,
    meaning: &'static str,
) -> Setting {
    Setting {
        path,
        kind,
        presence,
        meaning,
    }
}
