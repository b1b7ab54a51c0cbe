//! What a command needs of the settings.

use super::table::Presence;

/// What a command needs of the settings: what it does not need may be missing, and its files are
/// not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// It speaks to Kafka, or serves HTTP: brokers and secrets.
    pub kafka: bool,
    /// It seals: public keys.
    pub keys: bool,
}

impl Needs {
    /// Everything: the worker.
    pub const ALL: Self = Self {
        kafka: true,
        keys: true,
    };
    /// Kafka, but no key to seal with.
    pub const KAFKA: Self = Self {
        kafka: true,
        keys: false,
    };
    /// Neither: judging without Kafka.
    pub const NOTHING: Self = Self {
        kafka: false,
        keys: false,
    };

    /// Whether a setting of that presence has to be there.
    #[must_use]
    pub const fn requires(self, presence: Presence) -> bool {
        match presence {
            Presence::Required => true,
            Presence::ForKafka => self.kafka,
            Presence::ForSealing => self.keys,
            Presence::Default(_) | Presence::Optional => false,
        }
    }
}
