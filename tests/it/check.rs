//! `dmwatch check` and `dmwatch config explain` as a person runs them: what is printed, and the
//! exit code.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dmwatch::seal::{PrivateKey, Purpose, key_file};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::support::cluster::{Cluster, Options, PASSWORD, USER, unique};
use crate::support::ended::Ended;
use crate::support::{guard, wait};

/// A folder with a settings file, keys and one rule.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(name: &str, kafka: &str) -> Self {
        let folder = guard::folder(name);
        let keys = folder.join("keys");
        let us = Purpose::Evidence {
            region: "us".into(),
        };
        for purpose in [us, Purpose::DeadLetter] {
            let key = PrivateKey::generate(purpose).unwrap();
            let _files = key_file::create(&keys, &key).unwrap();
        }
        std::fs::create_dir_all(folder.join("rules")).unwrap();
        let place = Self { folder };
        place.write("settings.yaml", &format!("kafka: {kafka}\n{REST}"));
        place.write("rules/spam.yaml", RULES);
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_dmwatch"))
            .args(["--config", "settings.yaml"])
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        Ended::from(output)
    }
}

const REST: &str = "\
regions:
  us:
    members: [US]
    public_key_file: keys/us.public.key.json
    policies: {\"*\": {legal_basis: \"terms of service\"}}
keys: {dead_letter_public_key_file: keys/dead-letter.public.key.json}
";

const RULES: &str = "\
policy: spam
rules:
  - id: spam.coins
    title: Sells coins
    status: stable
    severity: low
    when: {phrases: [\"buy cheap coins\"]}
    route: {queue: spam, due: 1d}
    tests:
      match: [\"buy cheap coins now\"]
      no_match: [\"nice coins\"]
";

/// One more rule, with a window of two hours.
const RATE: &str = "  - id: spam.links
    title: Many links
    status: stable
    severity: low
    when: {rate: {of: {phrases: [look here]}, at_least: 5, within: 2h}}
    route: {queue: spam, due: 1d}
    tests:
      no_match: [look here]
      conversations:
        - turns: [{from: a, text: look here, after: 10s, times: 6}]
          fires_at: 5
";

fn loopback() -> &'static str {
    "{bootstrap_servers: [127.0.0.1:1]}"
}

#[test]
fn good_settings_are_said_to_be_good() {
    let place = Place::new("check-good", loopback());
    let ended = place.run(&["check"]);
    ended.expect(0, &["settings: good", "rules: 1 good"]);
    assert_eq!(ended.errors, "");
}

#[test]
fn bad_settings_are_all_shown_and_end_with_78() {
    let place = Place::new(
        "check-bad",
        "{bootstrap_servers: [10.0.0.1:9092], gruop_id: x, properties: {acks: 0}}",
    );
    let ended = place.run(&["--set", "stream.shards=many", "check"]);
    ended.expect(
        78,
        &[
            "settings.yaml:1:",
            "10.0.0.1:9092",
            "did you mean `group_id`?",
            "`acks` cannot be set here",
            "flag --set stream.shards",
            "error: 4 faults in the settings",
        ],
    );
    assert_eq!(ended.out, "");
    place
        .run(&["check", "--no-such-flag"])
        .expect(2, &["--no-such-flag"]);
}

#[test]
fn rules_that_do_not_fit_end_with_65() {
    let place = Place::new("check-rules", loopback());
    place.write(
        "rules/spam.yaml",
        &RULES.replace("queue: spam", "queue: spamm"),
    );
    let words = ["asks for the queue `spamm`", "did you mean `spam`?"];
    place.run(&["check"]).expect(65, &words);
    place.write(
        "rules/spam.yaml",
        &RULES.replace("severity: low", "severity: lwo"),
    );
    place
        .run(&["check"])
        .expect(65, &["rules/spam.yaml:6:15", "did you mean `low`?"]);
    // A policy that no rule has is worth a look, and no more.
    place.write("rules/spam.yaml", RULES);
    let misspelt = "{spma: {legal_basis: x}, \"*\": {scan: false}}";
    let set = format!("regions.us.policies={misspelt}");
    let ended = place.run(&["--set", &set, "check"]);
    ended.expect(
        0,
        &["no rule has the policy `spma`", "did you mean `spam`?"],
    );
}

#[test]
fn explain_names_origins() {
    let place = Place::new("explain", loopback());
    let ended = place.run(&["--set", "stream.shards=3", "config", "explain"]);
    ended.expect(
        0,
        &["settings.yaml:1:28", "flag --set stream.shards", "default"],
    );
    let ended = place.run(&["config", "explain", "--format", "json", "--set-only"]);
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(json[0]["setting"], "kafka.bootstrap_servers");
}

#[test]
fn nobody_listens_ends_with_69() {
    let place = Place::new("check-nobody", loopback());
    let words = ["kafka-unreachable", "127.0.0.1:1", "is the broker running"];
    place.run(&["check", "--online"]).expect(69, &words);
}

#[test]
fn topics_are_checked_against_their_use() {
    let cluster = Cluster::shared();
    let place = Place::new(
        "check-topics",
        &format!("{{bootstrap_servers: [\"{}\"]}}", cluster.bootstrap()),
    );
    let name = |name: &str| unique(&format!("check-{name}"));
    let (messages, state, dead, prefix) = (
        name("messages"),
        name("state"),
        name("dead"),
        name("review"),
    );
    let sets = [
        format!("topics.messages={messages}"),
        "topics.reports=".to_owned(),
        format!("topics.state={state}"),
        format!("topics.dead_letter={dead}"),
        format!("topics.review_prefix={prefix}."),
    ];
    let check = || {
        let mut arguments: Vec<&str> = Vec::new();
        for set in &sets {
            arguments.extend(["--set", set]);
        }
        arguments.extend(["check", "--online"]);
        place.run(&arguments)
    };
    let making = "--config cleanup.policy=compact,delete --config retention.ms=3600000";
    let missing = |topic: &str| format!("topic `{topic}` does not exist");
    let review = |region: &str| format!("{prefix}.{region}");
    let all = [
        &messages,
        &state,
        &dead,
        &review("us"),
        &review("unassigned"),
    ];
    let words: Vec<String> = all.iter().map(|topic| missing(topic)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    check()
        .expect(69, &words)
        .expect(69, &["flag --set topics.state", making, "error: 5 faults"]);

    cluster.create_topic(&messages, 3, &[]);
    cluster.create_topic(&state, 2, &[]);
    cluster.create_topic(&dead, 1, &[("max.message.bytes", "100000")]);
    cluster.create_topic(&review("us"), 1, &[]);
    cluster.create_topic(&review("unassigned"), 1, &[]);
    check().expect(
        69,
        &[
            "has 2 partitions: expected at least 3",
            "cleanup.policy=delete`: expected `compact,delete`",
            "--add-config cleanup.policy=[compact,delete],retention.ms=3600000",
            "at most 100000 bytes",
            "error: 3 faults",
        ],
    );

    cluster.delete_topic(&state);
    cluster.delete_topic(&dead);
    let state_settings = |retention| {
        [
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", retention),
        ]
    };
    let again = |topic: &str, partitions, settings: &[(&str, &str)]| {
        // A deleted topic is gone a moment later.
        wait::until("the topic is gone", Duration::from_secs(30), || {
            check().errors.contains(&missing(topic))
        });
        cluster.create_topic(topic, partitions, settings);
    };
    again(&state, 3, &state_settings("3600000"));
    again(&dead, 1, &[]);
    let found = format!("topic {state}: 3 partitions");
    let ended = check();
    ended.expect(0, &["brokers: reached", &found]);
    assert_eq!(ended.errors, "");

    // The state topic must neither grow for ever nor forget too early.
    let alter = |settings: &[(&str, &str)], code: i32, words: &[&str]| {
        cluster.alter_topic(&state, settings);
        let words = [words, &["flag --set topics.state"]].concat();
        // The change takes a moment.
        let said = |ended: &Ended| words.iter().all(|word| ended.errors.contains(word));
        wait::within(Duration::from_secs(20), || said(&check()));
        check().expect(code, &words);
    };
    let grows = ["warning", "state-grows", "it grows for ever"];
    alter(&[("cleanup.policy", "compact")], 0, &grows);
    alter(&state_settings("-1"), 0, &grows);
    let early = [
        "warning",
        "`retention.ms=3599999`: expected at least 3600000",
    ];
    alter(&state_settings("3599999"), 0, &early);
    place.write("rules/spam.yaml", &format!("{RULES}{RATE}"));
    let lost = ["error", "state-retention", "expected at least 10800000"];
    alter(&state_settings("7199999"), 69, &lost);
}

#[test]
fn a_session_that_the_broker_refuses_is_found() {
    let cluster = Cluster::shared();
    let kafka = |session| {
        format!(
            "{{bootstrap_servers: [\"{}\"], consumer_properties: {{session.timeout.ms: {session}}}}}",
            cluster.bootstrap()
        )
    };
    // Kafka's own longest is half an hour.
    let place = Place::new("check-session", &kafka(1_800_001));
    for command in [&["check", "--online"][..], &["worker"]] {
        place.run(command).expect(
            78,
            &[
                "error[session-timeout]",
                "settings.yaml:1:",
                "`session.timeout.ms` is 1800001: the brokers take ",
                " to 1800000",
                "{session.timeout.ms: 1800000}",
                "group.max.session.timeout.ms",
            ],
        );
    }
    let short = [
        "`session.timeout.ms` is 500:",
        "group.min.session.timeout.ms",
    ];
    let set = "kafka.consumer_properties={session.timeout.ms: 500, heartbeat.interval.ms: 100}";
    let drain = "stream.drain_timeout=200ms";
    let sets = ["--set", set, "--set", drain, "check", "--online"];
    place.run(&sets).expect(78, &short);
    // What is left are topics that are not there.
    let good = "kafka.consumer_properties={session.timeout.ms: 1800000}";
    let ended = place.run(&["--set", good, "check", "--online"]);
    ended.expect(69, &["missing-topic"]);
    assert!(!ended.errors.contains("session"), "{}", ended.errors);
}

/// Who may not read the broker's settings is told what was not checked.
#[test]
fn a_session_that_cannot_be_checked_is_said() {
    let mock: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    let kafka = format!("{{bootstrap_servers: [\"{}\"]}}", mock.bootstrap_servers());
    let place = Place::new("check-blind", &kafka);
    let words = [
        "warning[session-timeout]",
        "the session time-out was not checked",
        "that 15000 ms lies within",
    ];
    place.run(&["check", "--online"]).expect(69, &words);
}

/// One broker with TLS serves all of these: it takes seconds to start.
#[test]
fn certificates_and_passwords() {
    let cluster = Cluster::start(&Options {
        secure: true,
        ..Options::default()
    });
    let secrets = cluster.secrets();
    let broker = cluster.broker(1);
    let show = |path: &Path| path.display().to_string();
    let kafka = format!(
        "{{bootstrap_servers: [\"{}\"], security: {{protocol: sasl_ssl, ca_file: \"{}\", sasl: {{username: {USER}, password_file: password}}}}}}",
        broker.secure_address(),
        show(&secrets.authority),
    );
    let place = Place::new("check-secure", &kafka);
    place.write("password", PASSWORD);
    // The login works: what is missing now are topics.
    place.run(&["check", "--online"]).expect(
        69,
        &["brokers: reached", "topic `dm.messages` does not exist"],
    );

    place.write("password", "canary\n");
    let words = [
        "kafka-login",
        "the broker refuses the login",
        "password_file: password",
        "error: 1 fault",
    ];
    place.run(&["check", "--online"]).expect(78, &words);

    place.write("password", PASSWORD);
    let stranger = format!("kafka.security.ca_file={}", show(&secrets.stranger));
    let words = [
        "kafka-tls",
        "no TLS connection",
        "certificate",
        "error: 1 fault",
    ];
    place
        .run(&["--set", &stranger, "check", "--online"])
        .expect(78, &words);

    let certificate = Place::new(
        "check-certificate",
        &format!(
            "{{bootstrap_servers: [\"{}\"], security: {{protocol: ssl, ca_file: \"{}\", certificate_file: \"{}\", key_file: \"{}\"}}}}",
            broker.client_certificate_address(),
            show(&secrets.authority),
            show(&secrets.client_certificate),
            show(&secrets.client_key),
        ),
    );
    certificate
        .run(&["check", "--online"])
        .expect(69, &["brokers: reached"]);
    let without = Place::new(
        "check-no-certificate",
        &format!(
            "{{bootstrap_servers: [\"{}\"], security: {{protocol: ssl, ca_file: \"{}\"}}}}",
            broker.client_certificate_address(),
            show(&secrets.authority),
        ),
    );
    without
        .run(&["check", "--online"])
        .expect(78, &["kafka-tls", "error: 1 fault"]);
}
