//! The resolved settings: types that cannot be wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dmwatch_core::document::Fault;
use dmwatch_core::message::FieldMap;
use dmwatch_core::region::{Owner, Regions};
use dmwatch_core::routing::Routing;

use super::explain::Places;
use super::secret::Secret;
use crate::seal::PublicKey;

/// Everything that can be set, checked as a whole.
#[derive(Clone)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: Kafka,
    /// What is read and written.
    pub topics: Topics,
    /// What a message looks like.
    pub input: Input,
    /// Limits on what is written.
    pub output: Output,
    /// Where a new group begins.
    pub start: Start,
    /// How the stream is worked through.
    pub stream: Stream,
    /// The context window.
    pub context: Context,
    /// Owning regions, precedence, legal bases.
    pub regions: Arc<Regions>,
    /// Public keys to seal with.
    pub keys: Keys,
    /// Queues and rows.
    pub routing: Arc<Routing>,
    /// The rule files.
    pub rules: Rules,
    /// The HTTP listener.
    pub http: Http,
    /// Logs.
    pub log: Log,
    /// Where each setting was written, to point at it later.
    pub places: Places,
    /// What somebody should look at, though it can be used.
    pub warnings: Vec<Fault>,
}

/// How to reach Kafka.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port` of brokers to start from. Empty only where the command needs no Kafka.
    pub bootstrap_servers: Vec<String>,
    /// Consumer group.
    pub group_id: String,
    /// Client id: in the brokers' logs and metrics.
    pub client_id: String,
    /// For static membership.
    pub group_instance_id: Option<String>,
    /// Encryption and login.
    pub security: Security,
    /// Properties of librdkafka, passed through to consumer and producer.
    pub properties: BTreeMap<String, String>,
    /// The same, to the consumers only.
    pub consumer_properties: BTreeMap<String, String>,
    /// The same, to the producer only.
    pub producer_properties: BTreeMap<String, String>,
}

/// Encryption and login.
#[derive(Clone)]
pub struct Security {
    /// How to speak to the brokers.
    pub protocol: Protocol,
    /// Certificate authorities to trust (PEM); the system's where not set.
    pub ca_file: Option<PathBuf>,
    /// Client certificate (PEM).
    pub certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub key_file: Option<PathBuf>,
    /// Password of that private key.
    pub key_password: Option<Secret>,
    /// Login; set exactly if the protocol has one.
    pub sasl: Option<Sasl>,
}

/// How to speak to the brokers, as in `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Neither encryption nor login.
    Plaintext,
    /// TLS.
    Ssl,
    /// Login without encryption.
    SaslPlaintext,
    /// Login over TLS.
    SaslSsl,
}

impl Protocol {
    /// The name in librdkafka and in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Plaintext => "plaintext",
            Protocol::Ssl => "ssl",
            Protocol::SaslPlaintext => "sasl_plaintext",
            Protocol::SaslSsl => "sasl_ssl",
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Protocol::Ssl | Protocol::SaslSsl)
    }

    /// Whether there is a login.
    #[must_use]
    pub const fn has_login(self) -> bool {
        matches!(self, Protocol::SaslPlaintext | Protocol::SaslSsl)
    }
}

/// Login to the brokers.
#[derive(Clone)]
pub enum Sasl {
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`.
    Password {
        /// As in `sasl.mechanism`.
        mechanism: &'static str,
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// `OAUTHBEARER` with OpenID Connect's client credentials.
    OAuth {
        /// Where to get tokens.
        token_endpoint_url: String,
        /// Client id.
        client_id: String,
        /// Client secret.
        client_secret: Secret,
        /// Scope, where the issuer wants one.
        scope: Option<String>,
    },
}

/// Topics by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Messages to judge. At least one.
    pub messages: Vec<String>,
    /// Users' reports. May be empty.
    pub reports: Vec<String>,
    /// What comes before the region's name in the review topics.
    pub review_prefix: String,
    /// Dead letters.
    pub dead_letter: String,
    /// Conversation state (compacted, with a retention).
    pub state: String,
}

impl Topics {
    /// The review topic of a region, by name.
    #[must_use]
    pub fn review(&self, region: &str) -> String {
        format!("{}{region}", self.review_prefix)
    }

    /// Every topic that is read: messages, then reports.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        let topics = self.messages.iter().chain(&self.reports);
        topics.map(String::as_str)
    }
}

/// What a message looks like.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where its fields are.
    pub fields: FieldMap,
    /// A larger record value is a dead letter, unread. Bytes.
    pub max_bytes: usize,
}

/// Limits on what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// A larger record (key, value and headers) sheds context, then text. Bytes.
    pub max_bytes: usize,
}

/// Where a new group begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Where a group without a committed offset begins.
    pub first_offset: FirstOffset,
    /// The stream's epoch: part of every item id. Changed when a topic is made anew and its
    /// offsets begin again.
    pub epoch: String,
}

/// Where a group without a committed offset begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstOffset {
    /// With the oldest message that is kept.
    Earliest,
    /// With the next message to come.
    Latest,
}

/// How the stream is worked through.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Threads that judge; already resolved where the settings say 0 (one a core).
    pub shards: usize,
    /// Messages in flight at most, over all partitions.
    pub max_in_flight: usize,
    /// Bytes in flight at most, over all partitions.
    pub max_in_flight_bytes: usize,
    /// Offsets between watermark and newest in flight of a partition at most.
    pub partition_span: usize,
    /// Bytes between watermark and newest in flight of a partition at most.
    pub partition_span_bytes: usize,
    /// How long a revoke waits for work that was started.
    pub drain_timeout: Duration,
    /// How long a shutdown may take in all.
    pub shutdown_grace: Duration,
    /// How often offsets are committed.
    pub commit_interval: Duration,
    /// When dead letters stop the process.
    pub dead_letters: DeadLetters,
    /// Deaths at the same watermark after which the suspects are judged in a child process.
    pub deaths_before_isolation: u32,
}

/// When dead letters stop the process, instead of draining a topic into the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeadLetters {
    /// Share of dead letters at most.
    pub max_ratio: f64,
    /// Over how many messages.
    pub ratio_over: u64,
    /// Dead letters in a row at most.
    pub max_consecutive: u64,
}

/// The context window: the last messages of recently active conversations, in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Messages a conversation at most.
    pub messages: usize,
    /// No message older than this (by record time).
    pub max_age: Duration,
    /// Bytes over all shards.
    pub max_bytes: usize,
}

/// Public keys to seal with. Empty where the command seals nothing.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// One for each region, by [`dmwatch_core::region::RegionIndex`].
    pub regions: Vec<PublicKey>,
    /// For dead letters.
    pub dead_letter: Option<PublicKey>,
}

impl Keys {
    /// The key that the owner's evidence is sealed with. Nothing is sealed for nobody.
    #[must_use]
    pub fn of(&self, owner: Owner) -> Option<&PublicKey> {
        match owner {
            Owner::Region(index) => self.regions.get(usize::from(index.0)),
            Owner::Unassigned => None,
        }
    }
}

/// The rule files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Where they are.
    pub dir: PathBuf,
}

/// The HTTP listener: metrics, health, and what changes state.
#[derive(Clone)]
pub struct Http {
    /// Address.
    pub listen: SocketAddr,
    /// Token for what changes state. Needed off loopback: without one, such requests are refused
    /// there.
    pub token: Option<Secret>,
}

/// Logs, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// What is logged: `error`, `warn`, `info`, `debug` or `trace`, and what is worse.
    pub level: LogLevel,
    /// How.
    pub format: LogFormat,
}

/// What is logged: this, and what is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the usual five")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The name, also as a directive of `tracing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
