//! The one table of settings: path, type, default and meaning of each.
//!
//! Checking, reading of environment and flags, and `docs/settings.md` are all made from it.

use std::ops::RangeInclusive;

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

/// Sections in the order in which they are documented, with what they are about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("kafka", "How to reach Kafka."),
    ("topics", "What is read and written."),
    ("input", "What a message looks like."),
    ("output", "Limits on what is written."),
    ("start", "Where a new consumer group begins."),
    (
        "stream",
        "How the stream is worked through: bounds, time-outs, when to stop.",
    ),
    (
        "context",
        "The context window: the last messages of recently active conversations, kept in memory and written only inside a flagged item.",
    ),
    (
        "regions",
        "Regions by name, a jurisdiction each. A name becomes part of topic names (`review.<region>`): `a`-`z`, `0`-`9` and `-`.",
    ),
    (
        "unassigned",
        "Messages that no region owns. Their items hold metadata only, whatever is set here.",
    ),
    (
        "region_precedence",
        "Which region owns a message, over all its parties.",
    ),
    ("keys", "Public keys that belong to no region."),
    (
        "queues",
        "Review queues by name. Those that are shipped stay; a queue of the same name changes them key by key.",
    ),
    (
        "routing",
        "Rows that decide queue, deadline and priority. The first row that applies counts; a row needs all of its conditions. Setting this replaces the shipped rows.",
    ),
    ("default_queue", "Where everything else goes."),
    ("rules", "The rule files."),
    (
        "http",
        "The HTTP listener: metrics, health, and what changes state.",
    ),
    (
        "log",
        "Logs, on standard error. They never hold message text.",
    ),
];

use Kind::{
    Boolean, Duration, Integer, ListOf, Number, OneOf, Path, Scalar, SecretPath, Size, Text,
    TextList,
};
use Presence::{Default, ForKafka, ForSealing, Optional, Required};

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    setting(
        "kafka.bootstrap_servers",
        TextList(1),
        ForKafka,
        "Brokers to start from, `host:port` each.",
    ),
    setting(
        "kafka.group_id",
        Text,
        Default("dmwatch"),
        "Consumer group. Workers of one group share the partitions.",
    ),
    setting(
        "kafka.client_id",
        Text,
        Optional,
        "Client id in the brokers' logs and metrics. Not set: `dmwatch-<host>-<pid>`.",
    ),
    setting(
        "kafka.group_instance_id",
        Text,
        Optional,
        "Static membership: a name of its own for each worker, so that a restart within the session time-out moves no partition.",
    ),
    setting(
        "kafka.security.protocol",
        OneOf(&["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]),
        Default("plaintext"),
        "Encryption and login.",
    ),
    setting(
        "kafka.security.allow_plaintext_off_loopback",
        Boolean,
        Default("false"),
        "Allows a protocol without encryption to a broker that is not on loopback. Messages then cross the network readable.",
    ),
    setting(
        "kafka.security.ca_file",
        Path,
        Optional,
        "Certificate authorities to trust (PEM). Not set: those of the system.",
    ),
    setting(
        "kafka.security.certificate_file",
        Path,
        Optional,
        "Client certificate (PEM), with its chain.",
    ),
    setting(
        "kafka.security.key_file",
        Path,
        Optional,
        "Private key of the client certificate (PEM).",
    ),
    setting(
        "kafka.security.key_password_file",
        SecretPath,
        Optional,
        "Password of that private key.",
    ),
    setting(
        "kafka.security.sasl.mechanism",
        OneOf(MECHANISMS),
        Default("SCRAM-SHA-512"),
        "Mechanism of the login.",
    ),
    setting(
        "kafka.security.sasl.username",
        Text,
        Optional,
        "User, for every mechanism but `OAUTHBEARER`.",
    ),
    setting(
        "kafka.security.sasl.password_file",
        SecretPath,
        Optional,
        "The user's password.",
    ),
    setting(
        "kafka.security.sasl.oauth.token_endpoint_url",
        Text,
        Optional,
        "Where `OAUTHBEARER` gets its tokens (OpenID Connect, client credentials).",
    ),
    setting(
        "kafka.security.sasl.oauth.client_id",
        Text,
        Optional,
        "Client id at the issuer of tokens.",
    ),
    setting(
        "kafka.security.sasl.oauth.client_secret_file",
        SecretPath,
        Optional,
        "Client secret at the issuer of tokens.",
    ),
    setting(
        "kafka.security.sasl.oauth.scope",
        Text,
        Optional,
        "Scope to ask for.",
    ),
    setting(
        "kafka.properties.<property>",
        Scalar,
        Optional,
        "Any other property of librdkafka, for consumer and producer. Those that the delivery contract or another setting owns are refused, with the reason.",
    ),
    setting(
        "kafka.consumer_properties.<property>",
        Scalar,
        Optional,
        "The same, for consumers only.",
    ),
    setting(
        "kafka.producer_properties.<property>",
        Scalar,
        Optional,
        "The same, for the producer only.",
    ),
    setting(
        "topics.messages",
        TextList(1),
        Default("[dm.messages]"),
        "Topics with messages to judge.",
    ),
    setting(
        "topics.reports",
        TextList(0),
        Default("[dm.reports]"),
        "Topics with users' reports. May be empty.",
    ),
    setting(
        "topics.review_prefix",
        Text,
        Default("review."),
        "What comes before the region's name in the review topics.",
    ),
    setting(
        "topics.dead_letter",
        Text,
        Default("dm.dead-letter"),
        "Topic of dead letters.",
    ),
    setting(
        "topics.state",
        Text,
        Default("dmwatch.state"),
        "Topic of conversation state, with at least as many partitions as each input topic. Entries leave it by retention only: `cleanup.policy=compact,delete`, and `retention.ms` an hour above the longest `within` of a rule.",
    ),
    setting(
        "input.fields.<field>",
        Text,
        Optional,
        "Path of a field in the input JSON, where it is not that of dmwatch's own schema (`text: body.content`). Paths of `recipients.*` and `attachments.*` count from the objects of those arrays.",
    ),
    setting(
        "input.max_bytes",
        Size("1KiB", "64MiB"),
        Default("1MiB"),
        "A larger record value becomes a dead letter, unread.",
    ),
    setting(
        "output.max_bytes",
        Size("16KiB", "64MiB"),
        Default("1000KiB"),
        "A larger record (key, value and headers) sheds context, then text, and goes out as a reference. Keep it at least 1KiB under the topics' `max.message.bytes`, for what Kafka adds.",
    ),
    setting(
        "start.first_offset",
        OneOf(&["earliest", "latest"]),
        Default("earliest"),
        "Where a group without committed offsets begins. Later, an offset outside of the log stops that partition.",
    ),
    setting(
        "start.epoch",
        Text,
        Default("'1'"),
        "Epoch of the stream, part of every item id. Change it when a topic was made anew and its offsets begin again.",
    ),
    setting(
        "stream.shards",
        Integer(0, 1024),
        Default("0"),
        "Threads that judge. 0: one for each core.",
    ),
    setting(
        "stream.max_in_flight",
        count(),
        Default("50000"),
        "Messages in flight at most; beyond, reading pauses.",
    ),
    setting(
        "stream.max_in_flight_bytes",
        Size("1MiB", "64GiB"),
        Default("64MiB"),
        "Bytes in flight at most; beyond, reading pauses.",
    ),
    setting(
        "stream.partition_span",
        count(),
        Default("20000"),
        "Messages of one partition between the committed offset and the newest in flight at most; beyond, that partition pauses.",
    ),
    setting(
        "stream.partition_span_bytes",
        Size("1MiB", "64GiB"),
        Default("32MiB"),
        "The same, in bytes.",
    ),
    setting(
        "stream.drain_timeout",
        Duration("100ms", "10m"),
        Default("5s"),
        "How long a partition that is taken away waits for work that was started.",
    ),
    setting(
        "stream.shutdown_grace",
        Duration("1s", "1h"),
        Default("25s"),
        "How long a shutdown may take in all. Keep it under the service manager's own limit.",
    ),
    setting(
        "stream.commit_interval",
        Duration("50ms", "5m"),
        Default("1s"),
        "How often offsets are committed. What a crash repeats at most.",
    ),
    setting(
        "stream.dead_letters.max_ratio",
        Number(0.0, 1.0),
        Default("0.5"),
        "Share of dead letters over the last `ratio_over` messages above which the process stops: a producer has changed its format, and nothing is gained by draining the topic.",
    ),
    setting(
        "stream.dead_letters.ratio_over",
        count(),
        Default("1000"),
        "Over how many messages the share is taken.",
    ),
    setting(
        "stream.dead_letters.max_consecutive",
        count(),
        Default("100"),
        "Dead letters in a row after which the process stops.",
    ),
    setting(
        "stream.deaths_before_isolation",
        Integer(1, 100),
        Default("3"),
        "Deaths at the same committed offset after which the messages behind it are judged one by one in a child process.",
    ),
    setting(
        "context.messages",
        Integer(0, 1000),
        Default("10"),
        "Messages before the flagged one at most. 0: no context.",
    ),
    setting(
        "context.max_age",
        Duration("1s", "30d"),
        Default("24h"),
        "No message older than this.",
    ),
    setting(
        "context.max_bytes",
        Size("64KiB", "64GiB"),
        Default("16MiB"),
        "Memory for all conversations together.",
    ),
    setting(
        "regions.<region>.members",
        TextList(1),
        Required,
        "The platform's region codes that belong to it (`[US, PR]`), compared exactly.",
    ),
    setting(
        "regions.<region>.public_key_file",
        Path,
        ForSealing,
        "The region's public key, made by `dmwatch keys generate`.",
    ),
    setting(
        "regions.<region>.policies.<policy>.scan",
        Boolean,
        Default("true"),
        "Whether this policy's rules run there. `*` stands for every policy that is not named; a policy under neither is not scanned.",
    ),
    setting(
        "regions.<region>.policies.<policy>.legal_basis",
        Text,
        Optional,
        "The legal basis for scanning. Without one nothing is matched, scored or remembered, and messages are counted as not scanned.",
    ),
    setting(
        "regions.<region>.policies.<policy>.flag_is_purpose",
        Boolean,
        Default("true"),
        "Whether a flag is a purpose for a reviewer to read the message.",
    ),
    setting(
        "unassigned.policies.<policy>.scan",
        Boolean,
        Default("true"),
        "As for a region.",
    ),
    setting(
        "unassigned.policies.<policy>.legal_basis",
        Text,
        Optional,
        "As for a region.",
    ),
    setting(
        "region_precedence",
        Kind::Precedence,
        Default("[{any_party: us}, minor, recipient]"),
        "Steps, in order: `any_party: <region>` (that region, if any party is in it), `minor` (the youngest minor's), `recipient` (the first recipient's), `sender`. Parties of no region are passed over. Where no step applies the message is unassigned. The shipped `any_party: us` counts only where a region `us` is declared.",
    ),
    setting(
        "keys.dead_letter_public_key_file",
        Path,
        ForSealing,
        "Public key that dead letters are sealed with, made by `dmwatch keys generate`.",
    ),
    setting(
        "queues.<queue>.due",
        Duration("1m", "365d"),
        Required,
        "How long after the message an item should be decided.",
    ),
    setting(
        "queues.<queue>.due_by_age_band.<age_band>",
        Duration("1m", "365d"),
        Optional,
        "The same where a party is of that age band. A minor with an adult or somebody of unknown age gets the shortest deadline of all queues.",
    ),
    setting(
        "queues.<queue>.priority",
        Integer(0, 100),
        Default("50"),
        "Priority, unless a row says otherwise or a reason's severity is higher (low 25, medium 50, high 75, critical 100).",
    ),
    setting(
        "routing[].when.policy",
        TextList(1),
        Optional,
        "A reason's policy is one of these.",
    ),
    setting(
        "routing[].when.severity_at_least",
        OneOf(SEVERITIES),
        Optional,
        "That reason is at least that severe.",
    ),
    setting(
        "routing[].when.rule",
        TextList(1),
        Optional,
        "That reason's rule id is one of these; `*` stands for any run of characters (`grooming.*`).",
    ),
    setting(
        "routing[].when.pair",
        OneOf(&["minor_adult", "other"]),
        Optional,
        "`minor_adult`: a minor with an adult or somebody of unknown age.",
    ),
    setting(
        "routing[].when.recipient_age_band",
        ListOf(AGE_BANDS),
        Optional,
        "A recipient is of one of these age bands.",
    ),
    setting(
        "routing[].when.kind",
        OneOf(&["flag", "report"]),
        Optional,
        "Flagged by rules, or reported by a user.",
    ),
    setting(
        "routing[].when.report_reason",
        TextList(1),
        Optional,
        "The reason that the reporting user picked is one of these.",
    ),
    setting("routing[].queue", Text, Required, "The queue."),
    setting(
        "routing[].due",
        Duration("1m", "365d"),
        Optional,
        "A deadline that counts if it is shorter than the queue's.",
    ),
    setting(
        "routing[].priority",
        Integer(0, 100),
        Optional,
        "A priority in place of the queue's.",
    ),
    setting(
        "default_queue",
        Text,
        Default("general"),
        "The queue where neither a row nor a rule says one.",
    ),
    setting(
        "rules.dir",
        Path,
        Default("rules"),
        "Directory of the rule files.",
    ),
    setting(
        "http.listen",
        Text,
        Default("127.0.0.1:9464"),
        "Address and port.",
    ),
    setting(
        "http.token_file",
        SecretPath,
        Optional,
        "Token for requests that change state. Off loopback they are refused without one.",
    ),
    setting(
        "log.level",
        OneOf(&["error", "warn", "info", "debug", "trace"]),
        Default("info"),
        "What is logged: this, and what is worse.",
    ),
    setting(
        "log.format",
        OneOf(&["json", "text"]),
        Default("json"),
        "One JSON object a line, or text for people.",
    ),
];
