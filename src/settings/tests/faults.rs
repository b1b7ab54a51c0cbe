//! What a person sees.

use super::Fixture;
use crate::settings::Needs;

/// A report for what a command needs that speaks to Kafka and seals nothing.
fn report(yaml: &str) -> String {
    Fixture::new(yaml).needs(Needs::KAFKA).report()
}

#[test]
fn everything_at_once() {
    let yaml = "\
kafka:
  bootstrap_server: [127.0.0.1:9092]
  properties: {enable.auto.commit: true}
stream:
  shards: two
  drain_timeout: 30
context:
  max_bytes: 64mb
loging: {level: info}
";
    let fixture = Fixture::new(yaml)
        .needs(Needs::KAFKA)
        .env("DMWATCH__STREAM__MAX_IN_FLIGHT", "lots")
        .env("DMWATCH__KAFKA__GRUOP_ID", "x")
        .set("log.level=verbose");
    let report = fixture.report();
    insta::assert_snapshot!(report);
}

#[test]
fn plaintext_to_another_machine() {
    let yaml = "\
kafka:
  bootstrap_servers: [127.0.0.1:9092, \"[::1]:9092\", localhost:9092, 10.0.0.1:9092, kafka, kafka.example:0]
  security: {protocol: sasl_plaintext, sasl: {username: u, password_file: secrets/kafka.password}}
";
    insta::assert_snapshot!(report(yaml));
    let allowed = Fixture::new("kafka: {bootstrap_servers: [10.0.0.1:9092]}")
        .set("kafka.security.allow_plaintext_off_loopback=true")
        .needs(Needs::KAFKA);
    assert_eq!(allowed.report(), "");
}

#[test]
fn properties_of_librdkafka() {
    let yaml = "\
kafka:
  bootstrap_servers: [127.0.0.1:9092]
  properties:
    acks: 1
    max.in.flight.requests.per.connection: 5
    sasl.password: canary
    fetch.wait.max.ms: soon
    sesion.timeout.ms: 6000
    ssl.ca.location: x.pem
  consumer_properties: {group.id: other, auto.offset.reset: latest}
  producer_properties: {message.timeout.ms: 1000, linger.ms: [1]}
";
    let report = report(yaml);
    assert!(!report.contains("canary"));
    insta::assert_snapshot!(report);
}

#[test]
fn login_and_certificates() {
    let yaml = "\
kafka:
  bootstrap_servers: [127.0.0.1:9092]
  security:
    protocol: ssl
    certificate_file: secrets/missing.pem
    key_password_file: secrets/missing.password
    sasl: {mechanism: SCRAM-SHA512}
http: {listen: localhost, token_file: secrets}
";
    insta::assert_snapshot!(report(yaml));
    let yaml = "\
kafka:
  bootstrap_servers: [127.0.0.1:9092]
  security: {protocol: sasl_ssl, sasl: {mechanism: PLAIN, oauth: {scope: x}}}
";
    insta::assert_snapshot!("login_without_user", report(yaml));
}

#[test]
fn regions_and_keys() {
    let yaml = "\
kafka: {bootstrap_servers: [127.0.0.1:9092]}
regions:
  us: {members: [US], public_key_file: ../keys/eu.public.key.json}
  eu:
    members: [IE, US]
    public_key_file: ../keys/none.json
    policies: {spam: {scan: true}, hate: {scan: false}}
  E.U: {members: []}
region_precedence: [{any_party: usa}, minors, {any: us}, 5]
";
    let fixture = Fixture::new(yaml).with_keys();
    insta::assert_snapshot!(fixture.report());
}

#[test]
fn queues_and_rows() {
    let yaml = "\
queues:
  urgent: {priority: 101}
  slow: {due: 1h, due_by_age_band: {13_15: 2h, 12: 1h}}
  Not Good: {due: 1h}
routing:
  - when: {severity_at_least: hihg, recipient_age_band: [13-15], colour: red}
    queue: child-saftey
  - queue: spam
  - when: {kind: flag}
  -
default_queue: nowhere
";
    insta::assert_snapshot!(Fixture::new(yaml).needs(Needs::NOTHING).report());
}

#[test]
fn settings_that_contradict_each_other() {
    let yaml = "\
kafka:
  bootstrap_servers: [127.0.0.1:9092]
  consumer_properties: {session.timeout.ms: 6000}
topics: {reports: [dm.messages], dead_letter: review.unassigned, state: \"a b\"}
input: {max_bytes: 40MiB, fields: {text: body, lang: body.text, txt: x}}
stream: {drain_timeout: 30s}
";
    insta::assert_snapshot!(report(yaml));
}

#[test]
fn what_is_only_worth_a_warning() {
    let yaml = "\
kafka: {bootstrap_servers: [127.0.0.1:9092]}
input: {max_bytes: 2MiB}
keys: {dead_letter_public_key_file: ../keys/dead-letter.public.key.json}
";
    let fixture = Fixture::new(yaml)
        .with_keys()
        .env("DMWATCH_KAFKA__GROUP_ID", "x")
        .env("DMWATCH_STREAM_DEAD_LETTERS_MAX_RATIO", "x")
        .env("DMWATCH_KAFKA_JARS", "somebody else's")
        .env("DMWATCH_CONFIG", "x");
    insta::assert_snapshot!(fixture.report());
}

#[test]
fn variables_and_flags() {
    let fixture = Fixture::new("kafka: {group_id: x}")
        .env("DMWATCH__KAFKA__SECURITY__SASL__PASSWORD", "canary")
        .env("DMWATCH__KAFKA__GROUP_ID__MORE", "canary")
        .env("DMWATCH__ROUTING__0__QUEUE", "x")
        .env("DMWATCH__QUEUES", "{a: [")
        .env("DMWATCH__OUTPUT__MAX_BYTES", "1")
        .set("kafka.security.sasl.password=canary")
        .set("kafka.bootstrap-servers=x")
        .set("stream.dead_letters.max_ratio=1.5")
        .set("log.level")
        .needs(Needs::KAFKA);
    let report = fixture.report();
    assert!(!report.contains("canary"));
    insta::assert_snapshot!(report);
}

#[test]
fn broken_yaml_does_not_show_a_secret() {
    let report = report("kafka:\n  group_id: [a\n  password: canary\n");
    assert!(!report.contains("canary"));
    insta::assert_snapshot!(report);
}

#[test]
fn files_that_cannot_be_read() {
    let mut fixture = Fixture::new("").needs(Needs::NOTHING);
    std::fs::write(fixture.options.file.as_ref().unwrap(), b"a: \xff").unwrap();
    insta::assert_snapshot!("not_text", fixture.report());
    fixture.options.file = Some("/no/such/file.yaml".into());
    insta::assert_snapshot!("no_such_file", fixture.report());
    let list = Fixture::new("- a\n").needs(Needs::NOTHING);
    insta::assert_snapshot!("not_a_mapping", list.report());
}

/// Every key of the table with every swap of two neighbouring letters and every letter left out:
/// the right key is suggested nearly always.
#[test]
fn typos_lead_to_the_right_key() {
    let mut wrong = Vec::new();
    let mut typos = 0;
    for setting in crate::settings::table::SETTINGS {
        if setting.path.contains(['<', '[']) {
            continue;
        }
        let (section, key) = setting.path.rsplit_once('.').unwrap_or(("", setting.path));
        let swapped = (1..key.len()).map(|at| {
            let mut bytes = key.as_bytes().to_vec();
            bytes.swap(at - 1, at);
            String::from_utf8(bytes).unwrap()
        });
        let shorter = (0..key.len()).map(|at| format!("{}{}", &key[..at], &key[at + 1..]));
        for typo in swapped.chain(shorter).filter(|typo| typo != key) {
            let path = if section.is_empty() {
                typo.clone()
            } else {
                format!("{section}.{typo}")
            };
            let fixture = Fixture::new("")
                .set(&format!("{path}=1"))
                .needs(Needs::NOTHING);
            typos += 1;
            if !fixture
                .report()
                .contains(&format!("did you mean `{}`?", setting.path))
            {
                wrong.push(path);
            }
        }
    }
    assert!(typos > 500);
    assert!(
        wrong.len() * 50 < typos,
        "{} of {typos}: {wrong:?}",
        wrong.len()
    );
}
