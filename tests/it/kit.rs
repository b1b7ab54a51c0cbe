//! The kit's own tests: what the other tests rest on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::cluster::{Cluster, Options, PASSWORD, USER};
use crate::support::foreign::{self, Input};
use crate::support::process::Process;
use crate::support::{guard, wait};

/// Any bytes, keys and headers go through kcat unchanged, in order, and nulls stay nulls.
#[test]
fn records_survive_the_foreign_client() {
    let cluster = Cluster::shared();
    let topic = cluster.topic("kit-records", 1);
    let every_byte: Vec<u8> = (0..=255).collect();
    let input = [
        Input {
            key: Some(b"k".to_vec()),
            value: Some(b"plain".to_vec()),
            ..Input::default()
        },
        Input {
            key: Some(b"k".to_vec()),
            value: Some(every_byte),
            ..Input::default()
        },
        Input {
            key: None,
            value: Some(b"line\nline\r\n".to_vec()),
            ..Input::default()
        },
        Input {
            key: Some(b"null".to_vec()),
            value: None,
            ..Input::default()
        },
        Input {
            key: Some(b"empty".to_vec()),
            value: Some(Vec::new()),
            ..Input::default()
        },
        Input {
            key: Some(b"h".to_vec()),
            value: Some(b"with headers".to_vec()),
            headers: vec![("x-one".into(), "1".into()), ("x-two".into(), "a,b".into())],
            partition: Some(0),
        },
        Input {
            key: Some(b"big".to_vec()),
            value: Some(vec![b'x'; 900_000]),
            ..Input::default()
        },
    ];
    foreign::produce(cluster.bootstrap(), &topic, &input);

    let read = foreign::read(cluster.bootstrap(), &topic);
    assert_eq!(read.len(), input.len());
    for (wanted, found) in input.iter().zip(&read) {
        assert_eq!(wanted.key, found.key);
        assert_eq!(wanted.value, found.value);
        assert_eq!(wanted.headers, found.headers);
    }
    let offsets: Vec<i64> = read.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_console_producer_writes() {
    let cluster = Cluster::shared();
    let topic = cluster.topic("kit-console", 2);
    let records = [
        ("a".to_owned(), "one".to_owned()),
        ("b".to_owned(), "two".to_owned()),
    ];
    foreign::produce_with_console(cluster.bootstrap(), &topic, &records);

    let mut read: Vec<String> = foreign::read(cluster.bootstrap(), &topic)
        .into_iter()
        .map(|record| String::from_utf8(record.value.expect("a value")).expect("text"))
        .collect();
    read.sort();
    assert_eq!(read, ["one", "two"]);
}

/// Run by the next test in a test program of its own.
#[test]
#[ignore = "waits to be killed"]
fn waits_to_be_killed() {
    let folder = guard::folder("kit-guard");
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    let process = Process::start("sleep", &folder, sleep);
    let note = std::env::var("DMWATCH_TEST_NOTE").expect("set by the next test");
    std::fs::write(&note, format!("{} {}", process.id(), folder.display())).expect("written");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn nothing_outlives_a_killed_test_program() {
    let folder = guard::folder("kit-note");
    let note = folder.join("note");
    let mut tests = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "kit::waits_to_be_killed", "--ignored"])
        .env("DMWATCH_TEST_NOTE", &note)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut written = String::new();
    wait::until("the process runs", Duration::from_secs(20), || {
        written = std::fs::read_to_string(&note).unwrap_or_default();
        !written.is_empty()
    });
    let (id, left_folder) = written.split_once(' ').expect("two words");
    let process = PathBuf::from(format!("/proc/{id}"));
    assert!(process.exists());

    tests.kill().expect("it runs");
    tests.wait().expect("it ran");
    wait::until(
        "process and folder are gone",
        Duration::from_secs(10),
        || !process.exists() && !Path::new(left_folder).exists(),
    );
}

/// What the fault tests do to brokers has the effect that they count on.
#[test]
fn three_brokers_survive_each_other() {
    let cluster = Cluster::start(&Options {
        brokers: 3,
        ..Options::default()
    });
    let topic = cluster.topic("kit-three", 3);
    let record = |value: &str| Input {
        value: Some(value.as_bytes().to_vec()),
        partition: Some(0),
        ..Input::default()
    };
    foreign::produce(cluster.bootstrap(), &topic, &[record("one")]);

    let leader = cluster.leader(&topic, 0).expect("a leader");
    cluster.broker(leader).kill();
    let mut next = leader;
    wait::until("another broker leads", Duration::from_secs(30), || {
        next = cluster.leader(&topic, 0).unwrap_or(leader);
        next != leader
    });
    foreign::produce(cluster.bootstrap(), &topic, &[record("two")]);

    cluster.broker(leader).restart();
    cluster.wait_ready();
    wait::until(
        "the first broker has caught up",
        Duration::from_secs(30),
        || cluster.in_sync(&topic, 0) == 3,
    );
    cluster.broker(next).freeze();
    wait::until("another broker leads", Duration::from_secs(30), || {
        cluster
            .leader(&topic, 0)
            .is_some_and(|leader| leader != next)
    });
    foreign::produce(cluster.bootstrap(), &topic, &[record("three")]);
    cluster.broker(next).thaw();

    let read = foreign::read(cluster.bootstrap(), &topic);
    let values: Vec<_> = read
        .iter()
        .filter_map(|record| record.value.as_deref())
        .collect();
    assert_eq!(values, [b"one".as_slice(), b"two", b"three"]);
}

/// The secure listeners let in who has the password or a certificate, and nobody else.
#[test]
fn a_secure_cluster_is_secure() {
    let cluster = Cluster::start(&Options {
        secure: true,
        ..Options::default()
    });
    let secrets = cluster.secrets();
    let answers = |address: String, settings: &[(&str, &str)]| {
        let mut command = Command::new("kcat");
        command.args(["-b", &address, "-L", "-m", "5"]);
        for (name, value) in settings {
            command.args(["-X", &format!("{name}={value}")]);
        }
        command.output().expect("kcat runs").status.success()
    };
    let authority = (
        "ssl.ca.location",
        secrets.authority.to_str().expect("UTF-8"),
    );
    let scram = |password| {
        [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", USER),
            ("sasl.password", password),
            authority,
        ]
    };
    let address = cluster.broker(1).secure_address();
    assert!(answers(address.clone(), &scram(PASSWORD)));
    assert!(!answers(address, &scram("wrong")));

    let address = cluster.broker(1).client_certificate_address();
    let tls = ("security.protocol", "SSL");
    let certificate = secrets.client_certificate.to_str().expect("UTF-8");
    let key = secrets.client_key.to_str().expect("UTF-8");
    let certificate = ("ssl.certificate.location", certificate);
    let key = ("ssl.key.location", key);
    assert!(answers(
        address.clone(),
        &[tls, authority, certificate, key]
    ));
    assert!(!answers(address.clone(), &[tls, authority]));
    let stranger = ("ssl.ca.location", secrets.stranger.to_str().expect("UTF-8"));
    assert!(!answers(address, &[tls, stranger, certificate, key]));
}
