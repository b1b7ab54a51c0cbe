//! `dmwatch demo` as somebody who has just cloned the repository runs it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::cluster::Cluster;
use crate::support::process::Process;
use crate::support::wait::until;
use crate::support::worker::dmwatch;

const LIMIT: Duration = Duration::from_secs(120);

/// The demo, in the root of the repository.
fn demo(arguments: &[&str]) -> Command {
    let mut command = dmwatch();
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("demo")
        .args(arguments);
    command
}

fn started(arguments: &[&str]) -> (Process, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    (
        Process::start("demo", folder.path(), demo(arguments)),
        folder,
    )
}

/// Every queue that messages can reach, and the last line.
fn assert_complete(output: &str) {
    let queues = [
        "blackmail",
        "child-safety",
        "harassment",
        "hate",
        "reports",
        "scams",
        "self-harm",
        "spam",
        "threats",
    ];
    for queue in queues {
        let has_card = output
            .lines()
            .any(|line| line.starts_with(queue) && line.contains("due within"));
        assert!(has_card, "no item of {queue}:\n{output}");
    }
    assert!(output.contains("“[["), "nothing is highlighted:\n{output}");
    assert!(
        output.contains("These 9 items were opened by `dmwatch open`"),
        "{output}"
    );
    let last = output.lines().last().expect("a line");
    assert!(
        last.starts_with("produced ") && last.ends_with(": every message is accounted for"),
        "{last}"
    );
}

#[test]
fn the_embedded_broker_is_enough_to_see_every_queue() {
    let (mut process, _folder) = started(&["--seconds", "8", "--rate", "3000"]);
    let status = process.wait(LIMIT);
    let output = process.output();
    assert!(status.success(), "{status}\n{output}\n{}", process.errors());
    assert!(output.contains("embedded broker 127.0.0.1:"), "{output}");
    assert_complete(&output);
    assert_eq!(process.errors(), "");
}

#[test]
fn a_real_broker_is_used_and_left_as_it_was() {
    let cluster = Cluster::shared();
    let bootstrap = cluster.bootstrap();
    let arguments = [
        "--seconds",
        "8",
        "--rate",
        "3000",
        "--bootstrap-servers",
        bootstrap,
    ];
    let (mut process, _folder) = started(&arguments);
    let status = process.wait(LIMIT);
    let output = process.output();
    assert!(status.success(), "{status}\n{output}\n{}", process.errors());
    assert_complete(&output);
    let input = output
        .split("input ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let input = input.expect("the name of the input topic");
    assert!(
        input.starts_with("demo-") && input.ends_with(".dm.messages"),
        "{input}"
    );
    let (prefix, _) = input.split_at(input.len() - "dm.messages".len());
    let gone = || !topics(bootstrap).contains(prefix);
    until(
        "the demo's topics are deleted",
        Duration::from_secs(20),
        gone,
    );
}

/// All topics, as kcat lists them.
fn topics(bootstrap: &str) -> String {
    let listed = Command::new("kcat")
        .args(["-L", "-b", bootstrap])
        .output()
        .expect("kcat runs");
    String::from_utf8(listed.stdout).expect("UTF-8")
}

#[test]
fn keep_runs_on_until_ctrl_c_and_serves_its_metrics() {
    let (mut process, _folder) = started(&["--keep", "--rate", "1000"]);
    until("messages flow", LIMIT, || {
        process.output().contains("10s messages/s=")
    });
    let output = process.output();
    let address = output
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let scrape = get_metrics(address.expect("the address of the metrics"));
    assert!(
        scrape.contains("dmwatch_consumed_messages_total{topic=\"dm.messages\"}"),
        "{scrape}"
    );
    process.signal(Signal::INT);
    let status = process.wait(LIMIT);
    let output = process.output();
    assert!(status.success(), "{status}\n{output}\n{}", process.errors());
    assert!(
        output.ends_with(": every message is accounted for\n"),
        "{output}"
    );
}

fn get_metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8");
    answer
}

#[test]
fn what_is_missing_is_named_with_an_exit_code_of_its_own() {
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--bootstrap-servers", "127.0.0.1:1"], 69, "127.0.0.1:1"),
        (
            &["--rules", "/nowhere"],
            69,
            "cannot read the rules in /nowhere",
        ),
        (
            &["--set", "stream.shards=two"],
            78,
            "flag --set stream.shards",
        ),
        (&["--seconds", "0"], 2, "--seconds"),
    ];
    for (arguments, code, expected) in cases {
        let begun = Instant::now();
        let output = demo(arguments).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(expected), "{errors}");
        assert!(
            begun.elapsed() < Duration::from_secs(40),
            "{:?}",
            begun.elapsed()
        );
    }
}
