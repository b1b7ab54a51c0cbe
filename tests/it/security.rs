//! Encrypted and authenticated connections, and what the worker says when they fail: one clear error
//! and the right exit code.

use std::time::Duration;

use crate::support::cluster::{Cluster, Options, PASSWORD, USER};
use crate::support::scenario::Scenario;
use crate::support::site::Site;
use crate::support::worker::{Start, Worker};

/// A file of the site with that content.
fn file(site: &Site<'_>, name: &str, content: &str) -> String {
    let path = site.folder.join(name);
    std::fs::write(&path, content).expect("written");
    path.display().to_string()
}

/// SCRAM over TLS.
fn scram(site: &Site<'_>, authority: &str, password: &str) -> Start<'static> {
    let password_file = file(site, "password", password);
    Start::default()
        .set(format!(
            "kafka.bootstrap_servers={}",
            site.cluster.broker(1).secure_address()
        ))
        .set("kafka.security.protocol=sasl_ssl")
        .set(format!("kafka.security.ca_file={authority}"))
        .set("kafka.security.sasl.mechanism=SCRAM-SHA-512")
        .set(format!("kafka.security.sasl.username={USER}"))
        .set(format!("kafka.security.sasl.password_file={password_file}"))
}

/// TLS with a client certificate.
fn mutual(site: &Site<'_>) -> Start<'static> {
    let secrets = site.cluster.secrets();
    Start::default()
        .set(format!(
            "kafka.bootstrap_servers={}",
            site.cluster.broker(1).client_certificate_address()
        ))
        .set("kafka.security.protocol=ssl")
        .set(format!(
            "kafka.security.ca_file={}",
            secrets.authority.display()
        ))
        .set(format!(
            "kafka.security.certificate_file={}",
            secrets.client_certificate.display()
        ))
        .set(format!(
            "kafka.security.key_file={}",
            secrets.client_key.display()
        ))
}

fn fails(site: &Site<'_>, start: &Start<'_>, code: i32, words: &[&str]) {
    let mut worker = Worker::spawn(site, start);
    let (found, errors) = worker.wait_failure(Duration::from_secs(60));
    assert_eq!(found, code, "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word:?} is not in:\n{errors}");
    }
    assert!(!errors.contains(PASSWORD), "the password is in:\n{errors}");
    let said = errors
        .lines()
        .filter(|line| line.starts_with("error") || line.starts_with("dmwatch:"));
    assert!(said.count() <= 2, "more than one error:\n{errors}");
}

/// One cluster for all of it: the start of a broker is most of the time.
#[test]
fn tls_scram_and_client_certificates() {
    let cluster = Cluster::start(&Options {
        secure: true,
        ..Options::default()
    });
    let mut scenario = Scenario::new(&cluster, "secure");
    let authority = cluster.secrets().authority.display().to_string();
    let start = scram(&scenario.site, &authority, PASSWORD);
    let mut first = Worker::start_with(&scenario.site, &start);
    scenario.feed(500);
    scenario.settle(&[&first]);
    first.terminate();

    let mut second = Worker::start_with(&scenario.site, &mutual(&scenario.site));
    scenario.settle(&[&first, &second]);
    second.terminate();
    for worker in [&first, &second] {
        assert!(!worker.errors().contains(PASSWORD));
    }

    let site = &scenario.site;
    let wrong = scram(site, &authority, "not-the-password");
    fails(site, &wrong, 78, &["credentials", "password"]);
    let stranger = cluster.secrets().stranger.display().to_string();
    fails(
        site,
        &scram(site, &stranger, PASSWORD),
        78,
        &["certificate"],
    );
}

#[test]
fn a_missing_topic_or_broker_is_named() {
    let scenario = Scenario::new(Cluster::shared(), "missing");
    let site = &scenario.site;
    let start = Start::default().set("topics.dead_letter=no.such.topic");
    fails(site, &start, 69, &["no.such.topic"]);
    let start = Start::default().set("kafka.bootstrap_servers=127.0.0.1:1");
    fails(site, &start, 69, &["127.0.0.1:1"]);
}
