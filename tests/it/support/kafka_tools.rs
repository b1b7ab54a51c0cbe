//! Kafka's own programs, run from its jars.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The folder of the jars: given by `make test`, else fetched now.
static JARS: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(folder) = std::env::var_os("DMWATCH_KAFKA_JARS") {
        return folder.into();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/fetch-kafka.sh");
    let answer = Command::new(script).output().expect("the script runs");
    assert!(
        answer.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&answer.stderr)
    );
    String::from_utf8(answer.stdout)
        .expect("a path")
        .trim_end()
        .into()
});

/// The classes of a running broker in the JVM's own format, which halves the time that a start
/// takes. Absent at first; [`super::cluster::Cluster::start`] has it made once.
pub fn class_archive() -> PathBuf {
    JARS.join("broker.jsa")
}

/// A JVM with Kafka on its class path and a heap of at most `heap`; the main class comes next.
pub fn java(heap: &str) -> Command {
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{heap}"))
        // A short start matters more here than a fast steady state.
        .args(["-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    if class_archive().exists() {
        command.arg("-Xshare:auto").arg(format!(
            "-XX:SharedArchiveFile={}",
            class_archive().display()
        ));
    }
    command.arg("-cp").arg(JARS.join("*"));
    command
}
