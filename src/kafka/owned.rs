//! Properties of librdkafka that may not be set by hand, and why.

/// A property that the pass-through refuses.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    /// The property, or the start of several with a `*` at the end.
    pub name: &'static str,
    /// Why, or which setting is meant for it.
    pub reason: &'static str,
}

const fn owned(name: &'static str, reason: &'static str) -> Owned {
    Owned { name, reason }
}

/// Every property that is owned by the delivery contract or by a setting of its own. The first
/// that matches counts.
pub const OWNED: &[Owned] = &[
    owned(
        "enable.auto.commit",
        "the worker commits, when every record that a message caused is acknowledged",
    ),
    owned(
        "enable.auto.offset.store",
        "the worker stores offsets, at the low watermark of what is done",
    ),
    owned(
        "auto.commit.*",
        "the worker commits: set `stream.commit_interval`",
    ),
    owned(
        "auto.offset.reset",
        "an offset outside of the log stops the partition instead of skipping messages: set `start.first_offset`",
    ),
    owned("offset.store.*", "offsets are kept by the brokers"),
    owned(
        "enable.idempotence",
        "the producer is idempotent, so that its retries repeat and reorder nothing",
    ),
    owned(
        "enable.gapless.guarantee",
        "a record that fails is sent again, never skipped and never fatal",
    ),
    owned(
        "acks",
        "a record is delivered when all in-sync replicas have it",
    ),
    owned(
        "request.required.acks",
        "a record is delivered when all in-sync replicas have it",
    ),
    owned(
        "max.in.flight*",
        "more than five requests in flight would break the idempotent producer's order",
    ),
    owned(
        "retries",
        "retriable failures are back-pressure without limit",
    ),
    owned(
        "message.send.max.retries",
        "retriable failures are back-pressure without limit",
    ),
    owned(
        "message.timeout.ms",
        "a record waits for its broker without limit; giving up would lose it",
    ),
    owned(
        "delivery.timeout.ms",
        "a record waits for its broker without limit; giving up would lose it",
    ),
    owned(
        "queue.buffering.max.messages",
        "set `stream.max_in_flight`: a queue that is too small for one record would stop delivery",
    ),
    owned(
        "queue.buffering.max.kbytes",
        "set `stream.max_in_flight_bytes`: a queue that is too small for one record would stop delivery",
    ),
    owned("queuing.strategy", "records of a partition go out in order"),
    owned(
        "partitioner",
        "the key decides the partition, as for Java clients",
    ),
    owned(
        "statistics.interval.ms",
        "lag, liveness and readiness come from the statistics of every second",
    ),
    owned(
        "transactional.id",
        "deterministic ids make repeats harmless; there are no transactions",
    ),
    owned(
        "transaction.timeout.ms",
        "deterministic ids make repeats harmless; there are no transactions",
    ),
    owned(
        "isolation.level",
        "messages of a producer's aborted transaction are never judged",
    ),
    owned(
        "partition.assignment.strategy",
        "the rebalance protocol is cooperative-sticky: work of partitions that stay goes on",
    ),
    owned(
        "group.protocol",
        "the rebalance protocol is cooperative-sticky",
    ),
    owned(
        "group.protocol.type",
        "the rebalance protocol is cooperative-sticky",
    ),
    owned(
        "group.remote.assignor",
        "the rebalance protocol is cooperative-sticky",
    ),
    owned("check.crcs", "a damaged record is an error, not a message"),
    owned(
        "enable.partition.eof",
        "the reader of conversation state needs it, the others must not have it",
    ),
    owned("enable.random.seed", "the seed belongs to the process"),
    owned(
        "dr_*",
        "delivery reports are how a record is known to be delivered",
    ),
    owned(
        "delivery.report.only.error",
        "delivery reports are how a record is known to be delivered",
    ),
    owned(
        "produce.offset.report",
        "delivery reports are how a record is known to be delivered",
    ),
    owned("*_cb", "callbacks belong to the process"),
    owned("enabled_events", "callbacks belong to the process"),
    owned("opaque", "callbacks belong to the process"),
    owned("default_topic_conf", "topics have no settings of their own"),
    owned(
        "builtin.features",
        "it says what the library was built with",
    ),
    owned(
        "plugin.library.paths",
        "no code is loaded into the process that reads messages",
    ),
    owned("test.mock.*", "a worker speaks to real brokers"),
    owned(
        "allow.auto.create.topics",
        "a topic that is missing is an error: `dmwatch check --online` names it",
    ),
    owned("bootstrap.servers", "set `kafka.bootstrap_servers`"),
    owned("metadata.broker.list", "set `kafka.bootstrap_servers`"),
    owned("group.id", "set `kafka.group_id`"),
    owned("group.instance.id", "set `kafka.group_instance_id`"),
    owned("client.id", "set `kafka.client_id`"),
    owned("message.max.bytes", "set `output.max_bytes`"),
    owned("max.request.size", "set `output.max_bytes`"),
    owned("security.protocol", "set `kafka.security.protocol`"),
    owned("sasl.mechanism*", "set `kafka.security.sasl.mechanism`"),
    owned("sasl.username", "set `kafka.security.sasl.username`"),
    owned(
        "sasl.password",
        "secrets come from files: set `kafka.security.sasl.password_file`",
    ),
    owned(
        "sasl.oauthbearer.client.secret",
        "secrets come from files: set `kafka.security.sasl.oauth.client_secret_file`",
    ),
    owned(
        "sasl.oauthbearer.client.id",
        "set `kafka.security.sasl.oauth.client_id`",
    ),
    owned(
        "sasl.oauthbearer.token.endpoint.url",
        "set `kafka.security.sasl.oauth.token_endpoint_url`",
    ),
    owned(
        "sasl.oauthbearer.scope",
        "set `kafka.security.sasl.oauth.scope`",
    ),
    owned("sasl.oauthbearer.method", "set `kafka.security.sasl.oauth`"),
    owned(
        "sasl.oauthbearer.config",
        "it may hold a secret: set `kafka.security.sasl.oauth`",
    ),
    owned(
        "enable.sasl.oauthbearer.unsecure.jwt",
        "an unsigned token proves nothing",
    ),
    owned("ssl.ca.location", "set `kafka.security.ca_file`"),
    owned(
        "ssl.certificate.location",
        "set `kafka.security.certificate_file`",
    ),
    owned("ssl.key.location", "set `kafka.security.key_file`"),
    owned(
        "ssl.key.password",
        "secrets come from files: set `kafka.security.key_password_file`",
    ),
    owned(
        "ssl.keystore.password",
        "secrets come from files: set `kafka.security.key_file`",
    ),
    owned("ssl.*.pem", "keys and certificates come from files"),
    owned("ssl_*", "keys and certificates come from files"),
    owned(
        "enable.ssl.certificate.verification",
        "a broker that cannot prove who it is gets no messages",
    ),
    owned(
        "ssl.endpoint.identification.algorithm",
        "a broker that cannot prove who it is gets no messages",
    ),
];

/// The entry that owns a property, if any does.
#[must_use]
pub fn owner(property: &str) -> Option<&'static Owned> {
    OWNED.iter().find(|owned| matches(owned.name, property))
}

fn matches(pattern: &str, property: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == property,
        Some((start, end)) => {
            property.len() >= start.len() + end.len()
                && property.starts_with(start)
                && property.ends_with(end)
        }
    }
}
