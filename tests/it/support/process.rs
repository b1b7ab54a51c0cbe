//! A process that a test starts: its output in files, signals by name, never left behind.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::guard;
use super::wait::within;

/// A running or ended process.
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    errors: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` in a process group of its own, without input, with its output in
    /// `folder/name.out` and `folder/name.err`.
    pub fn start(name: &str, folder: &Path, mut command: Command) -> Self {
        let output = folder.join(format!("{name}.out"));
        let errors = folder.join(format!("{name}.err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(append_to(&output))
            .stderr(append_to(&errors))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        guard::running(child.id());
        Self {
            name: name.to_owned(),
            child,
            output,
            errors,
            ended: None,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub fn output(&self) -> String {
        read(&self.output)
    }

    /// What it has written to standard error so far.
    pub fn errors(&self) -> String {
        read(&self.errors)
    }

    /// Where its output goes.
    pub fn files(&self) -> [&Path; 2] {
        [&self.output, &self.errors]
    }

    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            let group = Pid::from_raw(self.child.id().cast_signed()).expect("a process id");
            let _ = kill_process_group(group, signal);
        }
    }

    /// How it ended, if it did.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
            if self.ended.is_some() {
                guard::ended(self.child.id());
            }
        }
        self.ended
    }

    /// Waits until it ends by itself; fails the test with what it said where it does not.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        let ended = within(limit, || {
            status = self.status();
            status.is_some()
        });
        if !ended {
            panic!(
                "{} has not ended after {limit:?}\n{}",
                self.name,
                self.tail()
            );
        }
        status.expect("it ended")
    }

    /// SIGKILL to the whole group, and waits for its end.
    pub fn kill(&mut self) {
        if self.status().is_none() {
            self.signal(Signal::KILL);
            self.ended = self.child.wait().ok();
            guard::ended(self.child.id());
        }
    }

    /// The end of what it wrote, for the message of a failed test.
    pub fn tail(&self) -> String {
        let last_lines = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(25)..].join("\n")
        };
        format!(
            "-- {name} wrote to standard output:\n{}\n-- and to standard error:\n{}",
            last_lines(self.output()),
            last_lines(self.errors()),
            name = self.name,
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn append_to(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// SIGKILL to a single process.
pub fn kill(id: u32) {
    if let Some(id) = Pid::from_raw(id.cast_signed()) {
        let _ = rustix::process::kill_process(id, Signal::KILL);
    }
}
