//! What the demo needs to stand on: a folder with keys and settings, a broker, topics.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tempfile::TempDir;

use crate::cli::exit::Failure;
use crate::kafka::probe::Probe;
use crate::kafka::{self, Role};
use crate::seal::{PrivateKey, Purpose, key_file};
use crate::settings::Settings;

/// Partitions of every topic. The embedded broker keeps 5 MiB of each and drops the oldest
/// silently: see `feed` for what keeps the backlog within that.
pub(super) const PARTITIONS: i32 = 8;

/// Regions of the demo: name, countries, and whether there is a legal basis for scanning.
const REGIONS: &[(&str, &str, bool)] = &[
    ("us", "US", true),
    ("eu", "IE, DE, FR, ES", true),
    ("uk", "GB", true),
    ("br", "BR", false),
];

/// How long brokers may take to answer.
const REACH: Duration = Duration::from_secs(15);

/// The embedded broker answers a fetch that found nothing after this and not before, also when a
/// message comes in between; a real one answers at once.
const QUICK: &str = "  consumer_properties: {fetch.wait.max.ms: 5}\n";

/// The address that Prometheus would scrape; another port if it is taken.
pub(super) const METRICS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);

/// The demo's folder: private keys, settings, log. Gone when it is dropped.
#[derive(Debug)]
pub(super) struct Folder(TempDir);

impl Folder {
    /// Makes the folder and, in it, a key for each region and one for dead letters.
    pub(super) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("dmwatch-demo-")
            .tempdir()
            .context("cannot make a folder for the demo's keys")?;
        let keys = folder.path().join("keys");
        fs::create_dir(&keys).with_context(|| format!("cannot make {}", keys.display()))?;
        let folder = Self(folder);
        for purpose in folder.purposes() {
            let key = PrivateKey::generate(purpose)?;
            let _files = key_file::create(&keys, &key)?;
        }
        Ok(folder)
    }

    fn purposes(&self) -> impl Iterator<Item = Purpose> + use<> {
        let regions = REGIONS.iter().map(|(name, ..)| evidence(name));
        regions.chain([Purpose::DeadLetter])
    }

    /// Where the worker's log goes, so that it does not run into the screen.
    pub(super) fn log(&self) -> PathBuf {
        self.0.path().join("worker.log")
    }

    /// Shows the end of the log: the folder goes, and what the worker said of a failure is worth
    /// keeping.
    pub(super) fn show_log(&self) {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(20)..);
        let mut out = io::stderr().lock();
        for line in last.unwrap_or_default() {
            // Nothing is left to tell anybody if standard error is gone.
            let _ = writeln!(out, "{line}");
        }
    }

    /// Where the private key of a region is.
    pub(super) fn private_key(&self, region: &str) -> PathBuf {
        let purpose = evidence(region);
        key_file::paths(&self.0.path().join("keys"), &purpose).private
    }

    /// Where accesses are recorded.
    pub(super) fn access_log(&self) -> PathBuf {
        self.0.path().join("access-log.jsonl")
    }

    /// Writes the settings file of the demo's worker.
    pub(super) fn write_settings(&self, broker: &Broker, rules: &Path) -> anyhow::Result<PathBuf> {
        let rules = fs::canonicalize(rules).map_err(|error| {
            Failure::unavailable(format!(
                "cannot read the rules in {} (start the demo in the repository, or name them with --rules): {error}",
                rules.display()
            ))
        })?;
        let file = self.0.path().join("dmwatch.yaml");
        let text = self.settings(broker, &rules);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    fn settings(&self, broker: &Broker, rules: &Path) -> String {
        let keys = self.0.path().join("keys");
        let public = |purpose: &Purpose| quoted(&key_file::paths(&keys, purpose).public);
        let region = |(name, members, scans): &(&str, &str, bool)| {
            let key = public(&evidence(name));
            let policies = if *scans {
                "{\"*\": {legal_basis: \"generated messages, nobody's\", flag_is_purpose: true}}"
            } else {
                "{\"*\": {scan: false}}"
            };
            format!(
                "  {name}: {{members: [{members}], public_key_file: {key}, policies: {policies}}}\n"
            )
        };
        let regions: String = REGIONS.iter().map(region).collect();
        let servers = broker.servers();
        let servers: Vec<String> = servers
            .split(',')
            .map(|server| format!("\"{}\"", server.trim()))
            .collect();
        format!(
            "kafka:\n  bootstrap_servers: [{servers}]\n  group_id: {prefix}dmwatch-demo\n\
             {quick}\
             topics:\n  messages: [{prefix}dm.messages]\n  reports: [{prefix}dm.reports]\n  \
             review_prefix: {prefix}review.\n  dead_letter: {prefix}dm.dead-letter\n  state: {prefix}dmwatch.state\n\
             start: {{first_offset: earliest, epoch: demo}}\n\
             regions:\n{regions}\
             keys: {{dead_letter_public_key_file: {dead_letter}}}\n\
             rules: {{dir: {rules}}}\n\
             http: {{listen: \"{METRICS}\"}}\n\
             log: {{level: warn, format: text}}\n",
            servers = servers.join(", "),
            prefix = broker.prefix(),
            quick = match broker {
                Broker::Embedded(_) => QUICK,
                Broker::Existing { .. } => "",
            },
            dead_letter = public(&Purpose::DeadLetter),
            rules = quoted(rules),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_log();
        }
    }
}

fn evidence(region: &str) -> Purpose {
    Purpose::Evidence {
        region: region.to_owned(),
    }
}

/// A path as a double-quoted YAML scalar, which JSON strings are.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

/// Where the demo's topics are.
#[allow(missing_debug_implementations, reason = "the mock cluster has none")]
pub(super) enum Broker {
    /// librdkafka's mock cluster, in this process. It ends when this is dropped.
    Embedded(MockCluster<'static, DefaultProducerContext>),
    /// Somebody's cluster: topics get a prefix of their own and are deleted at the end.
    Existing {
        /// `host:port`, several with commas.
        servers: String,
        /// What the names of this run's topics begin with.
        prefix: String,
    },
}

impl Broker {
    pub(super) fn new(existing: Option<&str>) -> anyhow::Result<Self> {
        match existing {
            None => {
                let cluster = MockCluster::new(1).context("the embedded broker does not start")?;
                Ok(Broker::Embedded(cluster))
            }
            Some(servers) => {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Ok(Broker::Existing {
                    servers: servers.to_owned(),
                    prefix: format!("demo-{}.", now.as_secs()),
                })
            }
        }
    }

    pub(super) fn servers(&self) -> String {
        match self {
            Broker::Embedded(cluster) => cluster.bootstrap_servers(),
            Broker::Existing { servers, .. } => servers.clone(),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        match self {
            Broker::Embedded(_) => "",
            Broker::Existing { prefix, .. } => prefix,
        }
    }

    /// Makes every topic that the settings name.
    pub(super) async fn create_topics(&self, settings: &Settings) -> anyhow::Result<()> {
        let names = topics(settings);
        match self {
            Broker::Embedded(cluster) => {
                for name in &names {
                    cluster
                        .create_topic(name, PARTITIONS, 1)
                        .with_context(|| format!("the embedded broker refuses the topic {name}"))?;
                }
            }
            Broker::Existing { .. } => {
                let found = Probe::new(settings).and_then(|probe| probe.topics(REACH));
                let _others = found.map_err(|error| Failure::unavailable(error.to_string()))?;
                let new = |name| {
                    let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(-1));
                    if name == settings.topics.state {
                        // A day: no window of the starter rules is longer.
                        topic
                            .set("cleanup.policy", "compact,delete")
                            .set("retention.ms", "86400000")
                    } else {
                        topic
                    }
                };
                let wanted: Vec<NewTopic<'_>> =
                    names.iter().map(|name| new(name.as_str())).collect();
                let made = admin(settings)?.create_topics(&wanted, &options()).await;
                let made = made.context("the demo's topics could not be made")?;
                for result in made {
                    result.map_err(|(name, code)| {
                        anyhow::anyhow!("the topic {name} was refused: {code}")
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Deletes the topics of this run from somebody's cluster.
    pub(super) async fn delete_topics(&self, settings: &Settings) -> anyhow::Result<()> {
        if let Broker::Existing { .. } = self {
            let names = topics(settings);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let deleted = admin(settings)?.delete_topics(&names, &options()).await;
            for result in deleted.context("the demo's topics could not be deleted")? {
                result.map_err(|(name, code)| {
                    anyhow::anyhow!("the topic {name} could not be deleted: {code}")
                })?;
            }
        }
        Ok(())
    }
}

/// Review topics and the dead-letter topic: what the worker writes for others.
pub(super) fn outputs(settings: &Settings) -> Vec<String> {
    let regions = settings.regions.iter().map(|(_, region)| &*region.name);
    let regions = regions.chain([dmwatch_core::region::UNASSIGNED]);
    let reviews = regions.map(|region| settings.topics.review(region));
    reviews
        .chain([settings.topics.dead_letter.clone()])
        .collect()
}

fn topics(settings: &Settings) -> Vec<String> {
    let inputs = settings.topics.inputs().map(str::to_owned);
    let state = settings.topics.state.clone();
    inputs.chain(outputs(settings)).chain([state]).collect()
}

fn admin(settings: &Settings) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    let client = kafka::client_config(settings, Role::Admin).create();
    client.context("librdkafka does not take the settings")
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)))
}
