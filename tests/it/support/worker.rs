//! The real `dmwatch` binary as a process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::process::Process;
use super::site::Site;
use super::{ports, wait};

/// Two cores, brokers and other tests beside it.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How a worker is started.
#[derive(Clone, Default)]
pub struct Start<'a> {
    /// `KEY=VALUE` for `--set`.
    pub sets: Vec<String>,
    /// More arguments of `dmwatch worker`.
    pub arguments: Vec<&'a str>,
    /// One of the faults of `src/faults.rs`.
    pub fault: Option<&'a str>,
}

impl Start<'_> {
    pub fn set(mut self, setting: impl Into<String>) -> Self {
        self.sets.push(setting.into());
        self
    }
}

/// A worker that runs or has ended.
pub struct Worker {
    process: Process,
    port: u16,
}

impl Worker {
    /// Starts a worker and waits until it says that it is ready.
    pub fn start(site: &Site<'_>) -> Self {
        Self::start_with(site, &Start::default())
    }

    pub fn start_with(site: &Site<'_>, start: &Start<'_>) -> Self {
        let mut worker = Self::spawn(site, start);
        worker.wait_ready();
        worker
    }

    /// Starts a worker without waiting for anything.
    pub fn spawn(site: &Site<'_>, start: &Start<'_>) -> Self {
        Self::launch(&site.folder, |listen| {
            let mut command = dmwatch();
            command
                .arg("worker")
                .arg("--config")
                .arg(site.settings_file())
                .args(["--set", &format!("http.listen={listen}")]);
            for setting in &start.sets {
                command.args(["--set", setting]);
            }
            command.args(&start.arguments);
            if let Some(fault) = start.fault {
                command.env("DMWATCH_FAULT", fault);
            }
            command
        })
    }

    /// Starts a worker by a command that is told where to listen.
    pub fn launch(folder: &Path, command: impl FnOnce(&str) -> Command) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let port = ports::free();
        let name = format!("worker-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let command = command(&format!("127.0.0.1:{port}"));
        Self {
            process: Process::start(&name, folder, command),
            port,
        }
    }

    /// Waits for `/readyz`; fails the test with what the worker wrote if it ends or takes too long.
    pub fn wait_ready(&mut self) {
        let mut ended = None;
        let ready = wait::within(READY_LIMIT, || {
            ended = self.process.status();
            ended.is_some() || self.get("/readyz").is_some_and(|(status, _)| status == 200)
        });
        assert!(
            ready && ended.is_none(),
            "the worker is not ready ({ended:?})\n{}",
            self.process.tail()
        );
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, to a child of its own too.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// SIGTERM; the worker must end by itself, in good order.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
        let status = self.process.wait(Duration::from_secs(30));
        assert!(
            status.success(),
            "ended with {status} after SIGTERM\n{}",
            self.process.tail()
        );
    }

    /// Waits for the worker to end by itself.
    pub fn wait_end(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait(limit)
    }

    /// Waits for the worker to fail by itself; exit code (or 128 + signal) and standard error.
    pub fn wait_failure(&mut self, limit: Duration) -> (i32, String) {
        let status = self.process.wait(limit);
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        (code, self.errors())
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.status().is_some()
    }

    /// What it has logged so far.
    pub fn errors(&self) -> String {
        self.process.errors()
    }

    pub fn files(&self) -> [&Path; 2] {
        self.process.files()
    }

    /// The metrics page.
    pub fn metrics(&self) -> Option<String> {
        let (status, body) = self.get("/metrics")?;
        (status == 200).then_some(body)
    }

    /// Sum over the series of a metric whose labels include all of `labels` (each as `name="value"`).
    /// `None` where there is no such series.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let page = self.metrics()?;
        let values = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (series, value) = rest.rsplit_once(' ')?;
            let is_it = series.is_empty() || series.starts_with('{');
            let fits = labels.iter().all(|label| series.contains(label));
            (is_it && fits).then(|| value.parse::<f64>().ok())?
        });
        values.reduce(|sum, value| sum + value)
    }

    /// Waits until a metric is what is wanted.
    pub fn wait_metric(&self, name: &str, labels: &[&str], wanted: impl Fn(f64) -> bool) {
        let mut last = None;
        let reached = wait::within(READY_LIMIT, || {
            last = self.metric(name, labels);
            last.is_some_and(&wanted)
        });
        assert!(
            reached,
            "{name}{labels:?} stays at {last:?}\n{}",
            self.process.tail()
        );
    }

    /// Status and body of a GET request, if the worker answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        self.request("GET", path)
    }

    pub fn request(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }
}

/// The binary, without settings of whoever runs the tests.
pub fn dmwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmwatch"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DMWATCH_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG");
    command
}
