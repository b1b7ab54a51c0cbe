//! Layers, and where each value comes from.

use super::*;

#[test]
fn stronger_layers_win_key_by_key() {
    let yaml = "stream: {shards: 2, partition_span: 7, drain_timeout: 2s}\nqueues: {mine: {due: 1h}, spam: {priority: 3}}\n";
    let settings = Fixture::new(yaml)
        .env("DMWATCH__STREAM__SHARDS", "3")
        .env("dmwatch__stream__partition_span", "8")
        .env("DMWATCH__LOG__LEVEL", "")
        .env("OTHER__STREAM__SHARDS", "9")
        .set("stream.shards=4")
        .needs(Needs::NOTHING)
        .load();
    assert_eq!(settings.stream.shards, 4);
    assert_eq!(settings.stream.partition_span, 8);
    assert_eq!(settings.stream.drain_timeout, Duration::from_secs(2));
    let queue = |name: &str| {
        let mut queues = settings.routing.queues().iter();
        queues.find(|queue| &*queue.name == name).unwrap().clone()
    };
    assert_eq!(queue("mine").priority, 50);
    assert_eq!(
        (queue("spam").priority, queue("spam").due),
        (3, Duration::from_secs(3 * 86_400))
    );
}

#[test]
fn variables_and_flags_reach_everything() {
    let settings = Fixture::new("")
        .env(
            "DMWATCH__KAFKA__BOOTSTRAP_SERVERS",
            "127.0.0.1:1, localhost:2",
        )
        .env("DMWATCH__KAFKA__GROUP_ID", "42")
        .env("DMWATCH__KAFKA__PROPERTIES__FETCH_WAIT_MAX_MS", "50")
        .env("DMWATCH__REGIONS__NORTH_SEA__MEMBERS", "[NO, DK]")
        .env(
            "DMWATCH__REGIONS__NORTH_SEA__POLICIES",
            "{'*': {legal_basis: x}}",
        )
        .env(
            "DMWATCH__QUEUES__CHILD_SAFETY__DUE_BY_AGE_BAND__13_15",
            "10m",
        )
        .env("DMWATCH__INPUT__FIELDS__SENDER_AGE_BAND", "from.band")
        .set("topics.reports=")
        .set("kafka.producer_properties.linger.ms=9")
        .set("input.fields.recipients.age_band=band")
        .set("routing=[{when: {kind: report}, queue: spam}]")
        .set("region_precedence=[sender]")
        .needs(Needs::KAFKA)
        .load();
    assert!(
        settings.warnings.is_empty(),
        "{}",
        render(&settings.warnings, false)
    );
    assert_eq!(
        settings.kafka.bootstrap_servers,
        ["127.0.0.1:1", "localhost:2"]
    );
    assert_eq!(settings.kafka.group_id, "42");
    assert_eq!(settings.kafka.properties["fetch.wait.max.ms"], "50");
    assert_eq!(settings.kafka.producer_properties["linger.ms"], "9");
    assert!(settings.topics.reports.is_empty());
    let (_, region) = settings.regions.by_name("north-sea").unwrap();
    assert_eq!(region.members, ["NO", "DK"]);
    let queue = settings
        .routing
        .queues()
        .iter()
        .find(|queue| &*queue.name == "child-safety");
    let due = queue.unwrap().due_for(AgeBand::From13To15);
    assert_eq!(due, Duration::from_secs(600));
    let json = br#"{"message_id":"m","conversation_id":"c","sent_at":"1","text":"","from":{"band":"13_15"},"sender":{"id":"s"},"recipients":[{"id":"r","band":"adult"}]}"#;
    let message = settings.input.fields.decode(json).unwrap();
    assert_eq!(message.sender.age_band, AgeBand::From13To15);
    assert_eq!(message.recipients[0].age_band, AgeBand::Adult);
}

#[test]
fn paths_count_from_where_they_are_written() {
    let settings = Fixture::new("rules: {dir: here}")
        .needs(Needs::NOTHING)
        .load();
    assert!(settings.rules.dir.ends_with("config/here") && settings.rules.dir.is_absolute());
    let settings = Fixture::new("rules: {dir: here}")
        .set("rules.dir=there")
        .needs(Needs::NOTHING)
        .load();
    assert_eq!(settings.rules.dir, PathBuf::from("there"));
}

#[test]
fn explains_every_value_and_hides_secrets() {
    let fixture = Fixture::new(EXAMPLE)
        .with_keys()
        .env("DMWATCH__LOG__LEVEL", "debug")
        .set("stream.shards=4");
    let (_, explained) = Settings::load_explained(&fixture.options).unwrap();
    let entry = |setting: &str| {
        let mut entries = explained.entries().iter();
        let entry = entries.find(|entry| entry.setting == setting).unwrap();
        let directory = format!("{}/", fixture.directory.path().display());
        (entry.value.clone(), entry.origin.replace(&directory, ""))
    };
    let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(
        entry("stream.shards"),
        pair("4", "flag --set stream.shards")
    );
    assert_eq!(
        entry("log.level"),
        pair("debug", "environment variable DMWATCH__LOG__LEVEL")
    );
    assert_eq!(
        entry("kafka.group_id"),
        pair("dmwatch", "config/settings.yaml:7:13")
    );
    assert_eq!(
        entry("start.epoch"),
        pair("\"1\"", "config/settings.yaml:48:10")
    );
    assert_eq!(entry("queues.spam.due"), pair("3d", "default"));
    assert_eq!(
        entry("region_precedence"),
        pair(
            "[{any_party: us}, minor, recipient]",
            "config/settings.yaml:84:20"
        )
    );
    let all = serde_json::to_string(explained.entries()).unwrap();
    assert!(!all.contains("canary"));
}
