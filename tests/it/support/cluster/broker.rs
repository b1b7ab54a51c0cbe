//! One Kafka broker: its properties, its process, and what a fault test does to it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::Signal;

use super::super::process::Process;
use super::super::{kafka_tools, ports};
use super::Options;
use super::security::{self, Secrets};

/// Any valid one will do: the brokers of two clusters never meet.
const CLUSTER_ID: &str = "ZG13YXRjaC10ZXN0cy1rMQ";

/// How long a JVM may take to format a folder, or to stop in good order.
pub(super) const JVM_LIMIT: Duration = Duration::from_secs(60);

/// A broker, running or not.
pub struct Broker {
    id: i32,
    port: u16,
    secure_port: u16,
    client_certificate_port: u16,
    folder: PathBuf,
    process: Mutex<Process>,
}

impl Broker {
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Plaintext address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// SCRAM over TLS.
    pub fn secure_address(&self) -> String {
        format!("localhost:{}", self.secure_port)
    }

    /// TLS that asks for a client certificate.
    pub fn client_certificate_address(&self) -> String {
        format!("localhost:{}", self.client_certificate_port)
    }

    pub(super) fn tail(&self) -> String {
        self.process().tail()
    }

    /// SIGKILL, as by the kernel or a power cut of the process.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// SIGTERM, and waits for the end: an ordered shutdown moves its leaders first.
    pub fn shut_down(&self) {
        let mut process = self.process();
        process.signal(Signal::TERM);
        process.wait(JVM_LIMIT);
    }

    /// Freezes it: connections stay open and nobody answers.
    pub fn freeze(&self) {
        self.process().signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Starts it again on its own data, after [`Broker::kill`] or [`Broker::shut_down`]. The caller
    /// waits for it with [`super::Cluster::wait_ready`], if at all.
    pub fn restart(&self) {
        *self.process() = launch(self.id, &self.folder, None);
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Formats and starts the brokers of one cluster, side by side.
pub(super) fn start_all(
    folder: &Path,
    options: &Options,
    secrets: Option<&Secrets>,
) -> Vec<Broker> {
    let count = options.brokers.max(1);
    let ports: Vec<[u16; 4]> = (0..count)
        .map(|_| std::array::from_fn(|_| ports::free()))
        .collect();
    let voters: Vec<String> = (1..)
        .zip(&ports)
        .map(|(id, [_, controller, ..])| format!("{id}@127.0.0.1:{controller}"))
        .collect();
    let voters = voters.join(",");

    std::thread::scope(|scope| {
        let starting: Vec<_> = (1..)
            .zip(ports)
            .map(|(id, ports)| {
                let folder = folder.join(format!("broker-{id}"));
                let properties = properties(id, ports, &voters, &folder, options, secrets);
                scope.spawn(move || {
                    std::fs::create_dir_all(&folder).expect("a folder for the broker");
                    std::fs::write(folder.join("server.properties"), properties).expect("written");
                    format_storage(&folder, secrets.is_some());
                    Broker {
                        id,
                        port: ports[0],
                        secure_port: ports[2],
                        client_certificate_port: ports[3],
                        process: Mutex::new(launch(
                            id,
                            &folder,
                            options.archive_classes.as_deref(),
                        )),
                        folder,
                    }
                })
            })
            .collect();
        starting
            .into_iter()
            .map(|thread| thread.join().expect("the broker starts"))
            .collect()
    })
}

fn properties(
    id: i32,
    [port, controller, secure, client_certificate]: [u16; 4],
    voters: &str,
    folder: &Path,
    options: &Options,
    secrets: Option<&Secrets>,
) -> String {
    let count = options.brokers.max(1);
    let replicas = count.min(3);
    let in_sync = if replicas > 1 { 2 } else { 1 };
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    if secrets.is_some() {
        write!(
            listeners,
            ",SECURE://localhost:{secure},MUTUAL://localhost:{client_certificate}"
        )
        .expect("a String takes all");
        protocols.push_str(",SECURE:SASL_SSL,MUTUAL:SSL");
    }
    let mut text = format!(
        "\
process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map={protocols}
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
# Faults must show within seconds, not minutes.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
replica.lag.time.max.ms=3000
log.initial.task.delay.ms=500
log.retention.check.interval.ms=1000
# Several brokers share two cores and a few GiB.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.index.size.max.bytes=1048576
",
        data = folder.join("data").display(),
    );
    if let Some(secrets) = secrets {
        text.push_str(&secrets.broker_properties());
    }
    for (key, value) in &options.properties {
        writeln!(text, "{key}={value}").expect("a String takes all");
    }
    text
}

fn format_storage(folder: &Path, secure: bool) {
    let mut command = kafka_tools::java("64m");
    command
        .arg("kafka.tools.StorageTool")
        .args(["format", "--cluster-id", CLUSTER_ID, "--config"])
        .arg(folder.join("server.properties"));
    if secure {
        command.arg("--add-scram").arg(security::scram_credential());
    }
    let mut process = Process::start("format", folder, command);
    let status = process.wait(JVM_LIMIT);
    assert!(
        status.success(),
        "the folder cannot be formatted\n{}",
        process.tail()
    );
}

fn launch(id: i32, folder: &Path, archive: Option<&Path>) -> Process {
    let mut command: Command = kafka_tools::java("512m");
    if let Some(archive) = archive {
        command.arg(format!("-XX:ArchiveClassesAtExit={}", archive.display()));
    }
    command
        .arg(format!(
            "-Dlog4j2.configurationFile={}/tests/kafka/log4j2.properties",
            env!("CARGO_MANIFEST_DIR")
        ))
        .arg("kafka.Kafka")
        .arg(folder.join("server.properties"));
    Process::start(&format!("broker-{id}"), folder, command)
}
