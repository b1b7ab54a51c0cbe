//! A worker at a steady load for a long time, beside one that is killed and started again: nothing is
//! lost, and the one that stays neither grows nor keeps files open.

#![allow(
    clippy::print_stderr,
    reason = "a test of an hour says how far it is, and what it measured"
)]

use std::fmt;
use std::time::{Duration, Instant};

use crate::support::cluster::Cluster;
use crate::support::random::Random;
use crate::support::scenario::Scenario;
use crate::support::usage;
use crate::support::worker::{Start, Worker};

/// Messages a second: the test writes and judges each of them, too.
const RATE: usize = 300;
/// Messages are written in batches this far apart, and the worker is measured as often.
const TICK: Duration = Duration::from_secs(2);
const PROGRESS: Duration = Duration::from_secs(30);
/// How much is judged at once.
const CHAPTER: Duration = Duration::from_secs(60);
/// The context of conversations fills after the start. Small, so that it hides no growth.
const CONTEXT: &str = "context.max_bytes=1MiB";
/// That, and what the allocator keeps.
const SLACK: u64 = 3 << 20;

#[test]
#[ignore = "an hour long: make soak"]
fn a_worker_keeps_its_size() {
    let minutes = std::env::var("SOAK_MINUTES").ok();
    let minutes = minutes.and_then(|minutes| minutes.parse().ok());
    let length = Duration::from_secs(minutes.unwrap_or(60) * 60);
    let mut scenario = Scenario::new(Cluster::shared(), "soak");
    let mut steady = Worker::start_with(&scenario.site, &Start::default().set(CONTEXT));
    let mut victim = Victim::default();
    let mut measured = Vec::new();
    let (mut messages, mut repeats) = (0, 0);
    let begun = Instant::now();
    let (mut said, mut chapter) = (begun, begun);
    while begun.elapsed() < length {
        let count = RATE * usize::try_from(TICK.as_secs()).expect("short");
        scenario.feed_during(count, |random| {
            let tick = Instant::now();
            measured.push(Usage::of(&steady));
            std::thread::sleep(random.pause(Duration::ZERO, TICK));
            victim.strike(random);
            std::thread::sleep(TICK.saturating_sub(tick.elapsed()));
        });
        victim.revive(&mut scenario);
        messages += count;
        if chapter.elapsed() >= CHAPTER {
            repeats += scenario.close_chapter(&[&steady]).repeats;
            chapter = Instant::now();
        }
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            let (passed, now) = (begun.elapsed().as_secs(), Usage::of(&steady));
            eprintln!(
                "{passed} s: {messages} messages, {} deaths, {now}",
                victim.deaths
            );
        }
    }
    repeats += scenario.settle(&[&steady]).repeats;
    let rate = messages as f64 / begun.elapsed().as_secs_f64();
    eprintln!(
        "{messages} messages, {rate:.0} a second, {} deaths, {repeats} repeats",
        victim.deaths
    );
    judge(&measured, begun.elapsed());
    steady.terminate();
}

/// What the worker uses at one moment.
#[derive(Clone, Copy)]
struct Usage {
    memory: u64,
    files: usize,
}

impl Usage {
    fn of(worker: &Worker) -> Self {
        Self {
            memory: usage::memory(worker.id(), "VmRSS"),
            files: usage::open_files(worker.id()),
        }
    }

    /// The median of each.
    fn median(of: &[Usage]) -> Self {
        let mut memory: Vec<u64> = of.iter().map(|usage| usage.memory).collect();
        let mut files: Vec<usize> = of.iter().map(|usage| usage.files).collect();
        memory.sort_unstable();
        files.sort_unstable();
        Self {
            memory: memory[memory.len() / 2],
            files: files[files.len() / 2],
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.memory as f64 / 1e6;
        write!(out, "{megabytes:.1} MB resident, {} files", self.files)
    }
}

/// The last quarter must not use more than the first.
fn judge(measured: &[Usage], length: Duration) {
    let shown = measured.len().div_ceil(24);
    let each = length.as_secs_f64() / measured.len() as f64;
    for (number, part) in measured.chunks(shown).enumerate() {
        let at = (number * shown) as f64 * each;
        eprintln!("from {at:.0} s: {}", Usage::median(part));
    }
    let quarter = measured.len().div_ceil(4);
    let first = Usage::median(&measured[..quarter]);
    let last = Usage::median(&measured[measured.len() - quarter..]);
    eprintln!("first quarter: {first}; last quarter: {last}");
    assert!(last.memory <= first.memory + first.memory / 10 + SLACK);
    // A connection may be on its way at either moment.
    assert!(last.files <= first.files + 5);
}

/// The worker that is killed, or told to end, and started again a while later.
#[derive(Default)]
struct Victim {
    worker: Option<Worker>,
    deaths: usize,
    /// Ticks until something happens to it.
    left: u64,
}

impl Victim {
    /// It dies, if it is time; in one of four deaths in good order.
    fn strike(&mut self, random: &mut Random) {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return;
        }
        let Some(mut worker) = self.worker.take() else {
            return;
        };
        self.deaths += 1;
        // Now and then it stays away for longer than its session.
        self.left = random.below(5);
        if random.below(4) == 0 {
            worker.terminate();
        } else {
            worker.kill();
        }
    }

    /// It starts, if it is time.
    fn revive(&mut self, scenario: &mut Scenario<'_>) {
        if self.worker.is_none() && self.left == 0 {
            self.worker = Some(Worker::start(&scenario.site));
            self.left = 3 + scenario.random.below(12);
        }
    }
}
