use std::io::Write;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use super::*;

const CANARY: &str = "canary-7f3a9c";

fn log(format: LogFormat) -> Log {
    Log {
        level: LogLevel::Info,
        format,
    }
}

/// Runs one of the children below in a process of its own: logging and the panic hook belong to
/// the process.
fn child(name: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg(format!("telemetry::logging::tests::{name}"))
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap()
}

#[test]
#[ignore = "a child of the test below"]
fn child_that_panics() {
    init(log(LogFormat::Json)).unwrap();
    let thread = std::thread::Builder::new().name("shard-3".to_owned());
    let joined = thread.spawn(|| panic!("text was {CANARY}")).unwrap().join();
    assert!(joined.is_err());
    let missing = CANARY.parse::<u8>().map_err(|_| CANARY);
    missing.expect("quotes its error");
}

#[test]
fn a_panic_prints_its_place_and_never_its_value() {
    let output = child("child_that_panics");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(!printed.contains(CANARY), "{printed}");
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert_eq!(lines[0]["thread"], "shard-3");
    let place = lines[0]["place"].as_str().unwrap();
    assert!(place.contains("logging/tests.rs:"), "{place}");
    assert!(
        lines[0]["backtrace"]
            .as_str()
            .unwrap()
            .contains("child_that_panics")
    );
}

#[test]
#[ignore = "a child of the test below"]
fn child_that_prints_its_limits() {
    init(log(LogFormat::Text)).unwrap();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core"))
        .unwrap();
    tracing::info!("{core}");
    tracing::debug!("not shown");
}

#[test]
fn no_core_file_can_be_written_and_the_level_holds() {
    let output = child("child_that_prints_its_limits");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let words: Vec<&str> = printed.split_ascii_whitespace().collect();
    assert!(
        words.windows(3).any(|three| three == ["size", "0", "0"]),
        "{printed}"
    );
    assert!(!printed.contains("not shown"), "{printed}");
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `log` writes as JSON.
fn captured(log: impl FnOnce()) -> Vec<serde_json::Value> {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, log);
    let bytes = captured.0.lock().unwrap().clone();
    let lines = String::from_utf8(bytes).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn librdkafka_repeating_itself_is_one_line_with_its_level() {
    let lines = captured(|| {
        for after in 0..50 {
            let message =
                format!("localhost:9092/1: Connection refused (after {after}ms in state CONNECT)");
            kafka("consumer", RDKafkaLogLevel::Error, "FAIL", &message);
        }
        kafka(
            "consumer",
            RDKafkaLogLevel::Warning,
            "CONFWARN",
            "line\nbreak",
        );
    });
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["level"], &lines[0]["facility"]),
        (&"ERROR".into(), &"FAIL".into())
    );
    assert_eq!(
        (&lines[1]["level"], &lines[1]["message"]),
        (&"WARN".into(), &"line\nbreak".into())
    );
}

#[test]
fn a_limited_warning_is_logged_once_for_each_key() {
    let lines = captured(|| {
        for round in 0..30 {
            let partition = round % 3;
            crate::warn_limited!(key: partition, partition, "held back");
        }
    });
    let partitions: Vec<i64> = lines
        .iter()
        .filter_map(|line| line["partition"].as_i64())
        .collect();
    assert_eq!(partitions, [0, 1, 2]);
}
