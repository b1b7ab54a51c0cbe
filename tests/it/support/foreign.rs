//! Writing and reading topics through programs that are not ours: kcat, and Kafka's console producer.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::kafka_tools;
use super::wait;

/// How long one run of kcat may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A record to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
    pub partition: Option<i32>,
}

/// A record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Record {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Number of brokers that answer, as kcat sees it.
pub fn broker_count(bootstrap: &str) -> Option<usize> {
    let answer = Command::new("kcat")
        .args(["-b", bootstrap, "-L", "-J", "-m", "2"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("kcat is installed");
    let metadata: serde_json::Value = serde_json::from_slice(&answer.stdout).ok()?;
    Some(metadata["brokers"].as_array()?.len())
}

/// Writes records in order, through as few runs of kcat as their differences allow, and returns when
/// the broker has acknowledged all of them.
pub fn produce(bootstrap: &str, topic: &str, records: &[Input]) {
    let same_run = |left: &Input, right: &Input| RunShape::of(left) == RunShape::of(right);
    for run in records.chunk_by(same_run) {
        produce_run(bootstrap, topic, run);
    }
}

/// What one run of kcat can write: the same partition and headers, keys or none, nulls or empty values.
#[derive(PartialEq, Eq)]
struct RunShape<'a> {
    partition: Option<i32>,
    headers: &'a [(String, String)],
    keyed: bool,
    /// kcat writes every empty value of a run as null, or none.
    null: bool,
    empty: bool,
}

impl<'a> RunShape<'a> {
    fn of(record: &'a Input) -> Self {
        Self {
            partition: record.partition,
            headers: &record.headers,
            keyed: record.key.is_some(),
            null: record.value.is_none(),
            empty: record.value.as_ref().is_some_and(Vec::is_empty),
        }
    }
}

// Neither may occur in a key or value: random for each would be no safer and harder to read.
const RECORD_END: &[u8] = b"\x1e~dmwatch-record-end~\x1e";
const KEY_END: &[u8] = b"\x1f~dmwatch-key-end~\x1f";

fn produce_run(bootstrap: &str, topic: &str, run: &[Input]) {
    let shape = RunShape::of(&run[0]);
    let mut command = kcat(bootstrap);
    command
        // -E: go on when all brokers are away for a moment.
        .args(["-P", "-E", "-t", topic, "-D"])
        .arg(text(RECORD_END))
        // The limit is the broker's to set.
        .args(["-X", "message.max.bytes=64000000", "-X", "linger.ms=5"])
        // In order whatever happens to the broker: a conversation's messages keep their order.
        .args(["-X", "enable.idempotence=true"])
        // As Java's clients do: a conversation stays in its partition whoever writes.
        .args(["-X", "partitioner=murmur2_random"]);
    if shape.keyed {
        command.arg("-K").arg(text(KEY_END));
    }
    if shape.null {
        command.arg("-Z");
    }
    if let Some(partition) = shape.partition {
        command.args(["-p", &partition.to_string()]);
    }
    for (name, value) in shape.headers {
        command.args(["-H", &format!("{name}={value}")]);
    }
    let mut bytes = Vec::new();
    for record in run {
        if let Some(key) = &record.key {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(KEY_END);
        }
        bytes.extend_from_slice(record.value.as_deref().unwrap_or_default());
        bytes.extend_from_slice(RECORD_END);
    }
    let answer = run_with_input(command, &bytes);
    assert!(
        answer.status.success(),
        "kcat does not write to {topic}: {}",
        String::from_utf8_lossy(&answer.stderr)
    );
}

/// Writes lines with Kafka's own console producer; each is a key, a tab and a value.
pub fn produce_with_console(bootstrap: &str, topic: &str, records: &[(String, String)]) {
    let mut command = kafka_tools::java("128m");
    command
        .arg("org.apache.kafka.tools.ConsoleProducer")
        .args(["--bootstrap-server", bootstrap, "--topic", topic])
        .args(["--property", "parse.key=true"]);
    let mut lines = String::new();
    for (key, value) in records {
        lines.push_str(&format!("{key}\t{value}\n"));
    }
    let answer = run_with_input(command, lines.as_bytes());
    assert!(
        answer.status.success(),
        "the console producer does not write to {topic}: {}",
        String::from_utf8_lossy(&answer.stderr)
    );
}

/// Reads a topic from its first record to its current end.
pub fn read(bootstrap: &str, topic: &str) -> Vec<Record> {
    // A frame that gives the lengths first, so that keys and values can hold any bytes. Headers come
    // last, where only their own text could be taken for the end of the record.
    let mut command = kcat(bootstrap);
    command
        .args(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f"])
        .arg(format!("%p %o %T %K %S\\n%k%s%h{}", text(RECORD_END)))
        .args(["-X", "fetch.wait.max.ms=50", "-X", "check.crcs=true"])
        .args(["-X", "fetch.message.max.bytes=8000000"]);
    let answer = run_with_input(command, &[]);
    assert!(
        answer.status.success(),
        "kcat does not read {topic}: {}",
        String::from_utf8_lossy(&answer.stderr)
    );
    let mut rest = answer.stdout.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, behind) = parse_frame(rest);
        records.push(record);
        rest = behind;
    }
    records
}

fn parse_frame(bytes: &[u8]) -> (Record, &[u8]) {
    let line_end = find(bytes, b"\n").expect("a frame begins with a line of numbers");
    let line = std::str::from_utf8(&bytes[..line_end]).expect("numbers");
    let numbers: Vec<i64> = line
        .split(' ')
        .map(|number| {
            number
                .parse()
                .unwrap_or_else(|_| panic!("not a number in {line:?}"))
        })
        .collect();
    let [partition, offset, timestamp, key_length, value_length] = numbers[..] else {
        panic!("expected five numbers, found {line:?}");
    };
    let (key, rest) = take(&bytes[line_end + 1..], key_length);
    let (value, rest) = take(rest, value_length);
    let headers_end = find(rest, RECORD_END).expect("a frame ends");
    let record = Record {
        partition: i32::try_from(partition).expect("a partition"),
        offset,
        timestamp,
        key,
        value,
        headers: parse_headers(&String::from_utf8_lossy(&rest[..headers_end])),
    };
    (record, &rest[headers_end + RECORD_END.len()..])
}

fn take(bytes: &[u8], length: i64) -> (Option<Vec<u8>>, &[u8]) {
    match usize::try_from(length) {
        Ok(length) => (Some(bytes[..length].to_vec()), &bytes[length..]),
        Err(_) => (None, bytes),
    }
}

/// kcat prints headers as `name=value,name=value`; a comma inside a value shows as a part without `=`.
fn parse_headers(text: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        match (part.split_once('='), headers.last_mut()) {
            (Some((name, value)), _) => headers.push((name.to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(part);
            }
            (None, None) => headers.push((part.to_owned(), String::new())),
        }
    }
    headers
}

fn kcat(bootstrap: &str) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", bootstrap, "-X", "reconnect.backoff.max.ms=500"]);
    command
}

/// Runs to the end; fails the test when it takes too long.
fn run_with_input(mut command: Command, input: &[u8]) -> Output {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let mut pipe = child.stdin.take().expect("a pipe");
    let id = child.id();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // It may end before it has read everything; its exit status tells.
            let _ = pipe.write_all(input);
        });
        let output = scope.spawn(move || child.wait_with_output().expect("it ran"));
        let ended = wait::within(LIMIT, || output.is_finished());
        if !ended {
            super::process::kill(id);
        }
        let output = output.join().expect("it ran");
        assert!(
            ended,
            "{command:?} takes longer than {:?}: {}",
            started.elapsed(),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    })
}

fn text(delimiter: &[u8]) -> &str {
    std::str::from_utf8(delimiter).expect("ASCII")
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
