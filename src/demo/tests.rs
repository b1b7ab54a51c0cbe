//! The demo's parts together on the embedded broker, without the worker.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dmwatch_core::message::Millis;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::feed::{BACKLOG, Feed};
use super::generator::{Generator, Kind, Options};
use super::setup::{Broker, Folder, PARTITIONS, outputs};
use crate::kafka::{self, Role};
use crate::schema_check::check;
use crate::settings::{LoadOptions, Settings};

fn rules() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

fn existing(servers: &str, prefix: &str) -> Broker {
    Broker::Existing {
        servers: servers.to_owned(),
        prefix: prefix.to_owned(),
    }
}

fn settings(folder: &Folder, broker: &Broker) -> Settings {
    let file = folder.write_settings(broker, &rules()).unwrap();
    let options = LoadOptions {
        file: Some(file),
        ..LoadOptions::default()
    };
    Settings::load(&options).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

#[test]
fn the_demos_settings_are_good_for_one_and_for_several_brokers() {
    let folder = Folder::new().unwrap();
    let one = settings(&folder, &existing("127.0.0.1:9092", ""));
    assert_eq!(one.topics.messages, ["dm.messages"]);
    let several = settings(
        &folder,
        &existing("127.0.0.1:9092, 127.0.0.1:9093", "demo-7."),
    );
    assert_eq!(several.kafka.bootstrap_servers.len(), 2);
    let expected =
        ["us", "eu", "uk", "br", "unassigned"].map(|region| format!("demo-7.review.{region}"));
    let outputs = outputs(&several);
    assert!(
        expected.iter().all(|topic| outputs.contains(topic)),
        "{outputs:?}"
    );
    assert!(folder.private_key("eu").exists());
}

#[test]
fn rules_that_are_not_there_are_named_with_the_flag() {
    let folder = Folder::new().unwrap();
    let error = folder.write_settings(&existing("", ""), Path::new("/nowhere"));
    assert!(
        format!("{:#}", error.unwrap_err())
            .contains("/nowhere (start the demo in the repository, or name them with --rules)")
    );
}

#[test]
fn the_folder_with_the_keys_is_gone_afterwards() {
    let folder = Folder::new().unwrap();
    let key = folder.private_key("us");
    assert!(key.exists());
    drop(folder);
    assert!(!key.exists());
}

#[test]
fn the_feed_never_gets_further_ahead_than_the_embedded_broker_keeps() {
    let folder = Folder::new().unwrap();
    let broker = Broker::new(None).unwrap();
    let settings = settings(&folder, &broker);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(broker.create_topics(&settings)).unwrap();
    let consumed = Arc::new(AtomicU64::new(0));
    let seen = consumed.clone();
    let feed = Feed::start(&settings, 1e6, 1, move || seen.load(Ordering::Relaxed)).unwrap();
    let sent = |feed: &Feed| feed.produced().sent.load(Ordering::Relaxed);
    wait_until(|| sent(&feed) >= BACKLOG);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(sent(&feed), BACKLOG);
    consumed.store(500, Ordering::Relaxed);
    wait_until(|| sent(&feed) == BACKLOG + 500);
    let produced = feed.finish().unwrap();
    assert_eq!(produced.acknowledged.load(Ordering::Relaxed), BACKLOG + 500);
    assert_eq!(produced.failed.load(Ordering::Relaxed), 0);
    // Nothing was dropped: every partition still begins at 0, and together they hold everything.
    let probe: BaseConsumer = kafka::client_config(&settings, Role::Inspector)
        .create()
        .unwrap();
    let mut kept = 0;
    for topic in settings.topics.inputs() {
        for partition in 0..PARTITIONS {
            let wait = Duration::from_secs(5);
            let (low, high) = probe.fetch_watermarks(topic, partition, wait).unwrap();
            assert_eq!(low, 0);
            kept += high;
        }
    }
    assert_eq!(kept, 8_500);
}

fn wait_until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn generated_records_follow_the_schemas() {
    let options = Options {
        reports: 0.1,
        broken: 0.0,
        ..Options::demo(11)
    };
    let mut generator = Generator::new(options);
    for number in 0..3000 {
        let record = generator.next(Millis(1_760_000_000_000 + number));
        let schema = match record.kind {
            Kind::Report => "report.v1",
            Kind::Harmless | Kind::Cue(_) | Kind::Broken => "message.v1",
        };
        let _document = check(schema, &record.value).unwrap();
    }
}
