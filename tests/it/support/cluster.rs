//! A real Apache Kafka (KRaft) on loopback: one broker or three, started straight from its jars.
//!
//! [`Cluster::shared`] is for tests that only need topics of their own; tests that stop, kill or
//! freeze brokers, or need TLS, start a [`Cluster`] for themselves.

mod access;
mod admin;
mod broker;
mod security;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;

pub use access::Resource;
pub use broker::Broker;
pub use security::{PASSWORD, Secrets, USER};

use super::{foreign, guard, kafka_tools, wait};

/// How long a broker may take until it answers: two cores, other tests beside it.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// What a cluster is made of.
#[derive(Clone, Default)]
pub struct Options {
    /// 1 or 3; three replicate everything three times and need two replicas to accept a record.
    pub brokers: usize,
    /// Also listen with SCRAM-SHA-512 over TLS, and with TLS that asks for a client certificate.
    pub secure: bool,
    /// More broker properties.
    pub properties: Vec<(String, String)>,
    /// Where the JVM writes the classes that it has loaded, when it ends.
    pub archive_classes: Option<PathBuf>,
}

/// Brokers that run until this is dropped, or a broker that was there before.
pub struct Cluster {
    brokers: Vec<Broker>,
    bootstrap: String,
    secrets: Option<Secrets>,
    folder: Option<PathBuf>,
    /// The broker makes a topic when it is first asked for it, and takes no admin requests.
    mocked: bool,
}

impl Cluster {
    /// The cluster that most tests share: the broker at `KAFKA_BOOTSTRAP`, or one broker that starts
    /// with the first test that asks and ends with the test program.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("KAFKA_BOOTSTRAP") {
            Ok(bootstrap) if !bootstrap.is_empty() => Cluster {
                brokers: Vec::new(),
                bootstrap,
                secrets: None,
                folder: None,
                mocked: false,
            },
            _ => Cluster::start(&Options::default()),
        })
    }

    /// librdkafka's mock cluster, for errors that no broker gives when asked to. It makes every topic
    /// with four partitions.
    pub fn mocked(bootstrap: String) -> Self {
        Self {
            brokers: Vec::new(),
            bootstrap,
            secrets: None,
            folder: None,
            mocked: true,
        }
    }

    /// Starts brokers and waits until each answers.
    pub fn start(options: &Options) -> Self {
        static ARCHIVED: Once = Once::new();
        ARCHIVED.call_once(archive_classes);
        Self::launch(options)
    }

    fn launch(options: &Options) -> Self {
        let folder = guard::folder("kafka");
        let secrets = options.secure.then(|| Secrets::generate(&folder));
        let brokers = broker::start_all(&folder, options, secrets.as_ref());
        let bootstrap = brokers
            .iter()
            .map(Broker::address)
            .collect::<Vec<_>>()
            .join(",");
        let cluster = Self {
            brokers,
            bootstrap,
            secrets,
            folder: Some(folder),
            mocked: false,
        };
        cluster.wait_ready();
        cluster
    }

    /// Addresses for clients, without TLS.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Whether the brokers have the settings of this kit.
    pub fn is_ours(&self) -> bool {
        self.mocked || !self.brokers.is_empty()
    }

    /// Certificates and passwords of a secure cluster.
    pub fn secrets(&self) -> &Secrets {
        self.secrets
            .as_ref()
            .expect("the cluster was started with secure: true")
    }

    /// The broker with that id; ids start at 1.
    pub fn broker(&self, id: i32) -> &Broker {
        self.brokers
            .iter()
            .find(|broker| broker.id() == id)
            .unwrap_or_else(|| panic!("broker {id} is not one of ours"))
    }

    /// Makes a topic that no other test has and gives its name.
    pub fn topic(&self, name: &str, partitions: i32) -> String {
        self.topic_with(name, partitions, &[])
    }

    /// Like [`Cluster::topic`], with topic settings.
    pub fn topic_with(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = unique(name);
        self.create_topic(&name, partitions, settings);
        name
    }

    /// Waits until a foreign client sees every broker.
    pub fn wait_ready(&self) {
        let count = self.brokers.len();
        let ready = wait::within(READY_LIMIT, || {
            foreign::broker_count(&self.bootstrap) == Some(count)
        });
        if !ready {
            let logs: Vec<String> = self.brokers.iter().map(Broker::tail).collect();
            panic!(
                "Kafka does not answer after {READY_LIMIT:?}\n{}",
                logs.join("\n")
            );
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for broker in &self.brokers {
            broker.kill();
        }
        if let Some(folder) = &self.folder {
            guard::remove(folder);
        }
    }
}

/// Makes the archive of classes that later starts use, by a broker that starts and stops.
fn archive_classes() {
    let archive = kafka_tools::class_archive();
    if archive.exists() {
        return;
    }
    let fresh = archive.with_extension(format!("{}.tmp", std::process::id()));
    let options = Options {
        archive_classes: Some(fresh.clone()),
        ..Options::default()
    };
    Cluster::launch(&options).broker(1).shut_down();
    // Another test program may have been faster: the same file. Without it, all starts are slow.
    let _ = std::fs::rename(fresh, archive);
}

/// A name for a topic or group that no other test and no earlier run on the same broker has used.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let started = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_millis());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{:x}-{started:x}-{number}", std::process::id())
}
