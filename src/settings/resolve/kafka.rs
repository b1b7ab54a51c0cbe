//! `kafka`: brokers, encryption, login, properties that are passed through.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dmwatch_core::document::{Fault, closest};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::Resolver;
use crate::kafka::owned;
use crate::settings::kind;
use crate::settings::table::MECHANISMS;
use crate::settings::types::{Kafka, Protocol, Sasl, Security};
use crate::settings::values::View;

impl Resolver<'_> {
    pub(super) fn kafka(&mut self) -> Kafka {
        let kafka = self.root.at("kafka");
        let security = self.security(&kafka.at("security"));
        let servers = kafka.at("bootstrap_servers").texts();
        let may_be_plain = kafka.at("security.allow_plaintext_off_loopback").boolean();
        for (server, node) in &servers {
            let Some(host) = host_of(server) else {
                let fault = node.expected("wrong-type", "`host:port`");
                self.faults
                    .push(fault.help("for example `broker-1.example:9093`"));
                continue;
            };
            if !security.protocol.is_encrypted() && !may_be_plain && !is_loopback(host) {
                let message = format!(
                    "refusing to send messages unencrypted to `{server}`, which is not on loopback"
                );
                let protocol = security.protocol.as_str();
                let fault = Fault::error("plaintext", message, &node.place)
                    .label("not on loopback")
                    .related(
                        &kafka.at("security.protocol").place(),
                        format!("`kafka.security.protocol` is `{protocol}`"),
                    )
                    .help("set `kafka.security.protocol` to `ssl` or `sasl_ssl`; where the network itself is private and encrypted, set `kafka.security.allow_plaintext_off_loopback: true`");
                self.faults.push(fault);
            }
        }
        Kafka {
            bootstrap_servers: servers
                .iter()
                .map(|(server, _)| (*server).to_owned())
                .collect(),
            group_id: kafka.at("group_id").text_or_empty(),
            client_id: match kafka.at("client_id").text() {
                Some(id) => id.to_owned(),
                None => format!("dmwatch-{}-{}", host_name(), std::process::id()),
            },
            group_instance_id: kafka.at("group_instance_id").text().map(str::to_owned),
            security,
            properties: self.properties(&kafka.at("properties")),
            consumer_properties: self.properties(&kafka.at("consumer_properties")),
            producer_properties: self.properties(&kafka.at("producer_properties")),
        }
    }

    fn security(&mut self, security: &View<'_>) -> Security {
        let protocol = match security.at("protocol").text() {
            Some("ssl") => Protocol::Ssl,
            Some("sasl_plaintext") => Protocol::SaslPlaintext,
            Some("sasl_ssl") => Protocol::SaslSsl,
            _ => Protocol::Plaintext,
        };
        for name in [
            "ca_file",
            "certificate_file",
            "key_file",
            "key_password_file",
        ] {
            let setting = security.at(name);
            if setting.is_set() && !protocol.is_encrypted() {
                let set = format!("`kafka.security.{name}`");
                self.has_no_effect(&set, &setting, &security.at("protocol"), protocol);
            }
        }
        self.belongs_to(security, "certificate_file", "key_file");
        self.belongs_to(security, "key_file", "certificate_file");
        self.belongs_to(security, "key_password_file", "key_file");
        let sasl = self.sasl(security, protocol);
        let key_password = security.at("key_password_file");
        Security {
            protocol,
            ca_file: self.readable(&security.at("ca_file")),
            certificate_file: self.readable(&security.at("certificate_file")),
            key_file: self.readable(&security.at("key_file")),
            key_password: self.secret(&key_password),
            sasl,
        }
    }

    /// A file that librdkafka will read itself, much later and with a worse message.
    fn readable(&mut self, view: &View<'_>) -> Option<std::path::PathBuf> {
        let path = self.path(view)?;
        if self.needs.kafka
            && let Err(error) = std::fs::File::open(&path)
        {
            let message = format!("cannot read `{}`: {error}", path.display());
            self.faults
                .push(Fault::error("unreadable", message, &view.place()));
        }
        Some(path)
    }

    fn has_no_effect(&mut self, set: &str, setting: &View<'_>, other: &View<'_>, now: Protocol) {
        let now = now.as_str();
        let message = format!("{set} is set, but `kafka.security.protocol` is `{now}`");
        let fault = Fault::error("contradiction", message, &setting.key_place())
            .label("has no effect")
            .related(&other.place(), format!("`{now}`"));
        self.faults.push(fault);
    }

    /// Two settings of which the first is useless without the second.
    fn belongs_to(&mut self, section: &View<'_>, name: &str, other: &str) {
        let setting = section.at(name);
        if setting.is_set() && !section.at(other).has_value() {
            let message = format!("`{name}` is set, but `{other}` is not");
            let fault = Fault::error("contradiction", message, &setting.key_place());
            self.faults.push(fault.label(format!("needs `{other}`")));
        }
    }

    fn sasl(&mut self, security: &View<'_>, protocol: Protocol) -> Option<Sasl> {
        let sasl = security.at("sasl");
        let is_set = sasl.place().origin != dmwatch_core::document::Origin::Default;
        if !protocol.has_login() {
            if is_set {
                let other = security.at("protocol");
                self.has_no_effect("`kafka.security.sasl`", &sasl, &other, protocol);
            }
            return None;
        }
        let written = sasl.at("mechanism").text().unwrap_or_default();
        let mechanism = MECHANISMS.iter().find(|known| **known == written)?;
        if *mechanism == "OAUTHBEARER" {
            return self.oauth(&sasl);
        }
        let username = self.needed(&sasl, "username", mechanism);
        let _reported = self.needed(&sasl, "password_file", mechanism);
        let password = sasl.at("password_file");
        Some(Sasl::Password {
            mechanism,
            username: username?,
            password: self.secret(&password)?,
        })
    }

    fn oauth(&mut self, sasl: &View<'_>) -> Option<Sasl> {
        if !has_oidc() {
            let message =
                "this build of librdkafka cannot get OAuth tokens (it was built without curl)";
            let fault = Fault::error("unsupported", message, &sasl.at("mechanism").place());
            self.faults
                .push(fault.help("use `SCRAM-SHA-512`, or a client certificate"));
            return None;
        }
        let oauth = sasl.at("oauth");
        let url = self.needed(&oauth, "token_endpoint_url", "OAUTHBEARER");
        let client_id = self.needed(&oauth, "client_id", "OAUTHBEARER");
        let _reported = self.needed(&oauth, "client_secret_file", "OAUTHBEARER");
        let client_secret = oauth.at("client_secret_file");
        Some(Sasl::OAuth {
            token_endpoint_url: url?,
            client_id: client_id?,
            client_secret: self.secret(&client_secret)?,
            scope: oauth.at("scope").text().map(str::to_owned),
        })
    }

    fn needed(&mut self, section: &View<'_>, name: &str, mechanism: &str) -> Option<String> {
        let setting = section.at(name);
        if !setting.has_value() {
            let message = format!("`{name}` is missing, which `{mechanism}` needs");
            let fault = Fault::error("missing-key", message, &section.key_place());
            self.faults
                .push(fault.label(format!("`{name}` is missing here")));
        }
        setting.text().map(str::to_owned)
    }

    fn properties(&mut self, view: &View<'_>) -> BTreeMap<String, String> {
        let mut properties = BTreeMap::new();
        for (key, entry) in view.entries("<property>") {
            let Some(value) = entry.node().and_then(kind::scalar) else {
                continue;
            };
            if let Some(owned) = owned::owner(&key.name) {
                let message = format!("`{}` cannot be set here: {}", key.name, owned.reason);
                let fault = Fault::error("owned-property", message, &key.place);
                self.faults.push(fault.label("not by hand"));
                continue;
            }
            let mut probe = ClientConfig::new();
            let _chained = probe.set(&key.name, &value);
            match probe.create_native_config() {
                Ok(_) => {
                    properties.insert(key.name.clone(), value);
                }
                Err(KafkaError::ClientConfig(_, problem, _, _)) => {
                    let message = format!("librdkafka refuses `{}`: {problem}", key.name);
                    let place = if problem.contains("No such") {
                        &key.place
                    } else {
                        &entry.place()
                    };
                    let near = closest(&key.name, COMMON.iter().copied());
                    let near = near.filter(|near| *near != key.name);
                    let fault = Fault::error("unknown-property", message, place);
                    self.faults.push(fault.did_you_mean(near));
                }
                Err(error) => {
                    let message = format!("librdkafka refuses `{}`: {error}", key.name);
                    self.faults
                        .push(Fault::error("unknown-property", message, &key.place));
                }
            }
        }
        properties
    }
}

/// Properties that people do set, to suggest from.
const COMMON: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "client.dns.lookup",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "linger.ms",
    "log.connection.close",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.sigalgs.list",
    "sticky.partitioning.linger.ms",
];

/// Whether librdkafka was built with what OpenID Connect needs.
fn has_oidc() -> bool {
    let mut probe = ClientConfig::new();
    let _chained = probe.set("sasl.oauthbearer.method", "oidc");
    probe.create_native_config().is_ok()
}

/// The host of `host:port` or `[address]:port`.
fn host_of(server: &str) -> Option<&str> {
    let (host, port) = server.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_host = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'));
    (port > 0 && is_host).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.ok().or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.unwrap_or_default();
    match name.trim() {
        "" => "host".to_owned(),
        name => name.to_owned(),
    }
}
