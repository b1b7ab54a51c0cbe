//! Encrypted and authenticated connections, and what the worker says when they fail: one clear error
//! and the right exit code.

use std::time::Duration;

use crate::support::cluster::{Cluster, Options, PASSWORD, Resource, USER};
use crate::support::oracle::Fault;
use crate::support::scenario::Scenario;
use crate::support::site::Site;
use crate::support::wait;
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

/// Another login: that of the client certificate.
const READER: &str = "CN=dmwatch";

/// A broker that refuses what nobody allowed. A topic that may not be written is back-pressure until
/// it may; one that may not be read is named.
#[test]
fn what_the_broker_does_not_allow_is_named_and_never_skipped() {
    let cluster = Cluster::start(&Options {
        secure: true,
        properties: Cluster::authorizer(),
        ..Options::default()
    });
    let mut scenario = Scenario::new(&cluster, "access");
    let site = &scenario.site;
    let us = format!("{}us", site.review_prefix);
    let outputs = site.outputs();
    let written: Vec<Resource<'_>> = outputs
        .iter()
        .filter(|topic| **topic != us)
        .map(|topic| Resource::Topic(topic))
        .collect();
    let read = [
        Resource::Topic(&site.reports),
        Resource::Topic(&site.state),
        Resource::Group(&site.group),
    ];
    let (messages, us_topic) = (Resource::Topic(&site.messages), Resource::Topic(&us));
    let both = [USER, READER];
    cluster.allow(&both, &["Describe", "Read"], &read);
    cluster.allow(&both, &["Describe", "Write"], &written);
    cluster.allow(&both, &["Describe"], &[us_topic]);
    let authority = cluster.secrets().authority.display().to_string();
    let start = scram(site, &authority, PASSWORD);
    fails(
        site,
        &start,
        69,
        &[&site.messages, "described by this login"],
    );

    cluster.allow(&[USER], &["Describe", "Read"], &[messages]);
    cluster.allow(&[READER], &["Describe"], &[messages]);
    let mut worker = Worker::start_with(site, &start);
    scenario.feed(1_000);
    let refused = &["kind=\"TopicAuthorizationFailed\""];
    worker.wait_metric("dmwatch_consumed_messages_total", &[], |count| {
        count >= 1_000.0
    });
    worker.wait_metric("dmwatch_producer_errors_total", refused, |count| {
        count > 100.0
    });
    // Several commits long.
    std::thread::sleep(Duration::from_secs(1));
    let site = &scenario.site;
    let lag = cluster.lag(&site.group, &site.messages);
    assert!(lag > 800, "committed past undelivered items: lag {lag}");
    let report = scenario.judge();
    let only_lost = report
        .faults
        .iter()
        .all(|fault| matches!(fault, Fault::Lost(_)));
    assert!(only_lost && report.lost() > 100, "{report}");
    // The other regions do not wait for this one.
    assert!(report.flagged > 100, "{report}");
    let errors = worker.errors();
    let named = errors
        .lines()
        .any(|line| line.contains("TopicAuthorizationFailed") && line.contains(&us));
    assert!(named, "the log does not say what is refused:\n{errors}");
    assert!(!worker.has_ended());

    cluster.allow(&both, &["Write"], &[Resource::Topic(&us)]);
    scenario.settle(&[&worker]);
    worker.terminate();

    // This one may see the messages and not read them: it waits, and is told why.
    let mut reader = Worker::spawn(&scenario.site, &mutual(&scenario.site));
    scenario.feed(100);
    wait::until("the log says why", Duration::from_secs(60), || {
        reader.errors().contains("Fetch from broker 1 failed")
            && reader.errors().contains("Topic authorization failed")
    });
    let site = &scenario.site;
    assert_eq!(cluster.lag(&site.group, &site.messages), 100);
    let messages = Resource::Topic(&site.messages);
    cluster.allow(&[READER], &["Read"], &[messages]);
    scenario.settle(&[&worker, &reader]);
    reader.terminate();
}
