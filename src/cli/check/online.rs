//! What the brokers say: can they be reached, are the topics there and fit for their use.

use std::collections::BTreeMap;
use std::time::Duration;

use dmwatch_core::document::{Fault, Faults, format_size};
use dmwatch_core::message::Millis;
use dmwatch_core::region::UNASSIGNED;

use crate::kafka::RECORD_OVERHEAD;
use crate::kafka::probe::{Config, Probe, ProbeError, Topic};
use crate::settings::Settings;

mod session;
mod state;

/// How long to wait for a broker.
const LIMIT: Duration = Duration::from_secs(15);

/// What was found.
pub(super) struct Found {
    /// What is wrong, each at the setting that it is about.
    pub(super) faults: Vec<Fault>,
    /// What is good, a line each.
    pub(super) good: Vec<String>,
    /// Whether the settings have to be mended, rather than something started or made.
    pub(super) is_settings: bool,
}

/// Asks the brokers. `window` is the longest one of any rule.
pub(super) fn check(settings: &Settings, window: Millis) -> Found {
    let mut checker = Checker {
        settings,
        window,
        faults: Faults::new(),
        good: Vec::new(),
        refuses_session: false,
    };
    let error = checker.ask().err();
    if let Some(error) = &error {
        checker.refused(error);
    }
    Found {
        faults: checker.faults.into_vec(),
        good: checker.good,
        is_settings: checker.refuses_session || error.is_some_and(|error| error.is_settings()),
    }
}

/// A topic that is written, and the setting that names it.
struct Output {
    topic: String,
    setting: &'static str,
}

struct Checker<'a> {
    settings: &'a Settings,
    window: Millis,
    faults: Faults,
    good: Vec<String>,
    refuses_session: bool,
}

impl Checker<'_> {
    fn ask(&mut self) -> Result<(), ProbeError> {
        let probe = Probe::new(self.settings)?;
        let topics = probe.topics(LIMIT)?;
        let servers = self.settings.kafka.bootstrap_servers.join(", ");
        self.good
            .push(format!("brokers: reached through {servers}"));
        self.session(probe.broker_configs());

        let outputs = self.outputs();
        let inputs = self.settings.topics.inputs().map(str::to_owned);
        let inputs: Vec<String> = inputs.collect();
        self.inputs(&topics);
        for output in &outputs {
            self.exists(&topics, &output.topic, output.setting);
        }
        self.state_partitions(&topics, &inputs);

        let written = outputs.iter().map(|output| output.topic.as_str());
        let present: Vec<&str> = inputs
            .iter()
            .map(String::as_str)
            .chain(written)
            .filter(|topic| topics.contains_key(*topic))
            .collect();
        if present.is_empty() {
            return Ok(());
        }
        match probe.topic_configs(&present) {
            Ok(configs) => self.configs(&configs, &outputs),
            Err(error) => {
                let message = format!("the topics' configuration was not checked: {error}");
                let place = self.settings.places.place("topics");
                let fault = Fault::warning("topic-config", message, &place);
                self.faults.push(fault.help(
                    "allow `DescribeConfigs` on the topics, or check `cleanup.policy` and `max.message.bytes` yourself",
                ));
            }
        }
        Ok(())
    }

    fn outputs(&self) -> Vec<Output> {
        let topics = &self.settings.topics;
        let regions = self.settings.regions.iter();
        let names = regions.map(|(_, region)| region.name.to_string());
        let review = names
            .chain([UNASSIGNED.to_owned()])
            .map(|name| (topics.review(&name), "topics.review_prefix"));
        let others = [
            (topics.dead_letter.clone(), "topics.dead_letter"),
            (topics.state.clone(), "topics.state"),
        ];
        let all = review.chain(others);
        all.map(|(topic, setting)| Output { topic, setting })
            .collect()
    }

    fn inputs(&mut self, topics: &BTreeMap<String, Topic>) {
        let names = &self.settings.topics;
        for (section, list) in [("messages", &names.messages), ("reports", &names.reports)] {
            for (index, topic) in list.iter().enumerate() {
                self.exists(topics, topic, &format!("topics.{section}[{index}]"));
            }
        }
    }

    fn exists(&mut self, topics: &BTreeMap<String, Topic>, topic: &str, setting: &str) {
        if let Some(found) = topics.get(topic) {
            let replicas = match found.replicas {
                1 => "1 replica".to_owned(),
                replicas => format!("{replicas} replicas"),
            };
            let partitions = found.partitions;
            self.good.push(format!(
                "topic {topic}: {partitions} partitions, {replicas}"
            ));
            return;
        }
        let message =
            format!("topic `{topic}` does not exist, or may not be described by this login");
        let fault = Fault::error(
            "missing-topic",
            message,
            &self.settings.places.place(setting),
        );
        let more = if topic == self.settings.topics.state {
            let partitions = self.input_partitions(topics).max(1);
            let configs = state::configs(self.window)
                .map(|(name, value)| format!(" --config {name}={value}"));
            format!(" --partitions {partitions}{}", configs.concat())
        } else {
            String::new()
        };
        self.faults.push(fault.help(format!(
            "make it: `kafka-topics.sh --create --topic {topic}{more}`"
        )));
    }

    fn input_partitions(&self, topics: &BTreeMap<String, Topic>) -> usize {
        let inputs = self.settings.topics.inputs();
        let counts = inputs.filter_map(|topic| topics.get(topic));
        counts.map(|topic| topic.partitions).max().unwrap_or(0)
    }

    fn state_partitions(&mut self, topics: &BTreeMap<String, Topic>, inputs: &[String]) {
        let state = &self.settings.topics.state;
        let (needed, found) = (self.input_partitions(topics), topics.get(state));
        if let Some(found) = found.filter(|found| found.partitions < needed) {
            let widest = inputs
                .iter()
                .find(|topic| topics.get(*topic).is_some_and(|t| t.partitions == needed));
            let message = format!(
                "topic `{state}` has {} partitions: expected at least {needed}, as many as `{}`",
                found.partitions,
                widest.map_or("", String::as_str)
            );
            let place = self.settings.places.place("topics.state");
            self.faults.push(
                Fault::error("state-partitions", message, &place).help(format!(
                    "add partitions: `kafka-topics.sh --alter --topic {state} --partitions {needed}`"
                )),
            );
        }
    }

    fn configs(&mut self, configs: &BTreeMap<String, Config>, outputs: &[Output]) {
        let needed = self.settings.output.max_bytes + RECORD_OVERHEAD;
        for output in outputs {
            let Some(config) = configs.get(&output.topic) else {
                continue;
            };
            if let Some(limit) = limit(config).filter(|limit| *limit < needed as u64) {
                let message = format!(
                    "topic `{}` takes records of at most {limit} bytes (`max.message.bytes`): `output.max_bytes` needs {needed}",
                    output.topic
                );
                let place = self.settings.places.place("output.max_bytes");
                let fault = Fault::error("record-limit", message, &place);
                self.faults.push(fault.help(format!(
                    "raise the topic's `max.message.bytes` to {needed}, or lower `output.max_bytes`"
                )));
            }
        }
        if let Some(config) = configs.get(&self.settings.topics.state) {
            self.state_config(config);
        }
        let inputs = self.settings.topics.inputs();
        let most = inputs.filter_map(|topic| limit(configs.get(topic)?)).max();
        let ours = self.settings.input.max_bytes as u64;
        // What Kafka adds to a record counts for it, not for us.
        if let Some(most) = most.filter(|most| *most > ours + RECORD_OVERHEAD as u64) {
            let message = format!(
                "input topics take records of up to {most} bytes: those above `input.max_bytes` ({}) become dead letters",
                format_size(ours)
            );
            let place = self.settings.places.place("input.max_bytes");
            self.faults
                .push(Fault::warning("record-limit", message, &place));
        }
    }

    fn refused(&mut self, error: &ProbeError) {
        let places = &self.settings.places;
        let (code, setting, help) = match error {
            ProbeError::Settings(_) => (
                "kafka-settings",
                "kafka.security",
                "the files are named in `kafka.security`: each has to be PEM, and the key has to belong to the certificate",
            ),
            ProbeError::Login(_) => (
                "kafka-login",
                "kafka.security.sasl",
                "check `kafka.security.sasl`: user, password file and mechanism as the broker has them",
            ),
            ProbeError::Tls(_) => (
                "kafka-tls",
                "kafka.security",
                "check `kafka.security.ca_file` (who signed the broker's certificate), the client certificate, and that this port speaks TLS",
            ),
            ProbeError::NotAllowed(_) => (
                "kafka-not-allowed",
                "kafka.security",
                "allow this login to describe, read and write the topics",
            ),
            ProbeError::Unreachable(_) => (
                "kafka-unreachable",
                "kafka.bootstrap_servers",
                "is the broker running, and is the port open from here?",
            ),
        };
        let fault = Fault::error(code, error.to_string(), &places.place(setting));
        self.faults.push(fault.help(help));
    }
}

fn limit(config: &Config) -> Option<u64> {
    config.get("max.message.bytes")?.parse().ok()
}
