use std::collections::BTreeSet;
use std::time::Duration;

use dmwatch_core::document::parse_duration;
use dmwatch_core::message::AgeBand;
use dmwatch_core::region::Owner;
use dmwatch_core::verdict::Severity;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::seal::{PrivateKey, Purpose, key_file};

mod faults;

const EXAMPLE: &str = include_str!("../../config/dmwatch.yaml");
const MINIMAL: &str = include_str!("../../config/minimal.yaml");

/// A directory with a settings file, and everything that the examples name.
pub(super) struct Fixture {
    directory: TempDir,
    pub(super) options: LoadOptions,
}

impl Fixture {
    /// Writes `config/settings.yaml`, keys and secrets.
    pub(super) fn new(yaml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config");
        std::fs::create_dir_all(config.join("secrets")).unwrap();
        std::fs::write(config.join("settings.yaml"), yaml).unwrap();
        for name in [
            "ca.pem",
            "client.pem",
            "client.key.pem",
            "client.key.password",
            "kafka.password",
            "http.token",
        ] {
            let secret = format!("canary of {name}\n");
            std::fs::write(config.join("secrets").join(name), secret).unwrap();
        }
        Self {
            options: LoadOptions {
                file: Some(config.join("settings.yaml")),
                ..LoadOptions::default()
            },
            directory,
        }
    }

    fn with_keys(self) -> Self {
        let keys = self.directory.path().join("keys");
        let region = |name: &str| Purpose::Evidence {
            region: name.into(),
        };
        for purpose in [region("us"), region("eu"), Purpose::DeadLetter] {
            let key = PrivateKey::generate(purpose).unwrap();
            let _files = key_file::create(&keys, &key).unwrap();
        }
        self
    }

    pub(super) fn set(mut self, set: &str) -> Self {
        self.options.sets.push(set.into());
        self
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.options.env.push((name.into(), value.into()));
        self
    }

    pub(super) fn needs(mut self, needs: Needs) -> Self {
        self.options.needs = needs;
        self
    }

    pub(super) fn load(&self) -> Settings {
        Settings::load(&self.options).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The report of all faults, with the directory's own name taken out.
    pub(super) fn report(&self) -> String {
        let text = match Settings::load(&self.options) {
            Ok(settings) => render(&settings.warnings, false),
            Err(error) => error.to_string(),
        };
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

#[test]
fn the_minimal_example_starts() {
    let settings = Fixture::new(MINIMAL).with_keys().load();
    assert!(
        settings.warnings.is_empty(),
        "{}",
        render(&settings.warnings, false)
    );
    assert_eq!(settings.kafka.group_id, "dmwatch");
    assert!(settings.kafka.client_id.starts_with("dmwatch-"));
    assert_eq!(settings.topics.review("us"), "review.us");
    assert!(settings.stream.shards >= 1);
    assert_eq!(settings.stream.drain_timeout, Duration::from_secs(5));
    assert_eq!(settings.keys.regions.len(), 1);
    assert!(settings.keys.dead_letter.is_some());
    let (us, region) = settings.regions.by_name("us").unwrap();
    assert!(region.basis.scans("anything") && region.basis.flag_is_purpose("anything"));
    assert!(settings.keys.of(Owner::Region(us)).is_some());
    assert!(settings.keys.of(Owner::Unassigned).is_none());
    assert!(settings.rules.dir.ends_with("config/../rules"));
    for queue in ["child-safety", "blackmail", "spam", "general"] {
        assert!(settings.routing.has_queue(queue), "{queue}");
    }
}

#[test]
fn nothing_at_all_is_needed_to_judge_without_kafka() {
    let options = LoadOptions {
        needs: Needs::NOTHING,
        ..LoadOptions::default()
    };
    let settings = Settings::load(&options).unwrap();
    assert!(settings.warnings.is_empty());
    assert_eq!(settings.rules.dir, PathBuf::from("rules"));
}

#[test]
fn the_full_example_has_no_fault_and_sets_everything() {
    let fixture = Fixture::new(EXAMPLE).with_keys();
    let reads = RefCell::new(BTreeSet::new());
    let mut faults = Faults::new();
    let (settings, merged) = read(&fixture.options, &reads, &mut faults).unwrap();
    assert!(faults.is_empty(), "{}", render(faults.list(), false));
    let Some(Sasl::Password { password, .. }) = &settings.kafka.security.sasl else {
        panic!("no password")
    };
    assert_eq!(password.reveal(), "canary of kafka.password");
    assert_eq!(settings.keys.regions.len(), 2);
    let names: Vec<&str> = settings.regions.iter().map(|(_, r)| &*r.name).collect();
    assert_eq!(names, ["us", "eu"]);

    // The example sets every setting (but for the other login), and every setting is read.
    let set: BTreeSet<String> = Explained::new(&merged)
        .entries()
        .iter()
        .filter(|entry| !entry.is_default)
        .map(|entry| entry.setting.clone())
        .collect();
    let read = reads.into_inner();
    for setting in table::SETTINGS {
        let is_other_login = setting.path.contains("sasl.oauth.");
        assert!(
            read.contains(setting.path) || is_other_login,
            "{} is not read",
            setting.path
        );
        if !setting.path.contains(['<', '[']) && !is_other_login {
            assert!(
                set.contains(setting.path),
                "{} is not in the example",
                setting.path
            );
        }
    }
    let known: BTreeSet<&str> = table::SETTINGS.iter().map(|setting| setting.path).collect();
    let sections = [
        "kafka.security.sasl",
        "routing",
        "queues",
        "regions",
        "unassigned",
    ];
    for path in &read {
        let is_section = known
            .iter()
            .any(|known| known.starts_with(&format!("{path}.")))
            || sections.contains(&path.as_str());
        assert!(
            known.contains(path.as_str()) || is_section,
            "{path} is not in the table"
        );
    }
}

#[test]
fn the_tables_own_defaults_and_bounds_are_valid() {
    let shape = Shape::of_all();
    let mut faults = Faults::new();
    shape.check(&shape.default().unwrap(), &mut faults);
    shape.check(
        &shape::parse_value(SHIPPED, &Origin::Default).unwrap(),
        &mut faults,
    );
    assert!(faults.is_empty(), "{}", render(faults.list(), false));
    for setting in table::SETTINGS {
        if let Some(yaml) = setting.default() {
            let node = shape::parse_value(yaml, &Origin::Default).unwrap();
            kind::check(setting.kind, &node, &mut faults);
        }
        match setting.kind {
            table::Kind::Duration(least, most) => {
                assert!(
                    parse_duration(least) < parse_duration(most),
                    "{}",
                    setting.path
                );
            }
            table::Kind::Size(least, most) => {
                let read = dmwatch_core::document::parse_size;
                assert!(
                    read(least).unwrap() < read(most).unwrap(),
                    "{}",
                    setting.path
                );
            }
            _ => {}
        }
    }
    assert!(faults.is_empty(), "{}", render(faults.list(), false));
    let bands: Vec<&str> = AgeBand::ALL.iter().map(|band| band.as_str()).collect();
    assert_eq!(table::AGE_BANDS, bands);
    let severities: Vec<&str> = Severity::ALL
        .iter()
        .map(|severity| severity.as_str())
        .collect();
    assert_eq!(table::SEVERITIES, severities);
    for setting in table::SETTINGS {
        let sections = table::SECTIONS.iter().filter(|(name, _)| {
            let rest = setting.path.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        assert_eq!(sections.count(), 1, "{}", setting.path);
    }
}

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

#[test]
fn the_page_of_settings_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    let page = docs::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/settings.md is out of date: run this test with UPDATE_DOCS=1"
    );
}

fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            ":",
            "\n",
            "  ",
            "- ",
            "[",
            "}",
            "\"",
            "&a ",
            "*a",
            "!t ",
            "\0",
            "|\n",
            "---\n",
            "{a: b}",
            "~",
            "999999999999999999999",
            "-1",
            "0",
            "1e9",
            ".nan",
            "true",
            "15",
            "x: ",
            "*",
            "../",
            "10.0.0.1:1",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0_usize..20, piece), 1..8).prop_map(
        move |edits| {
            let mut chars: Vec<char> = text.chars().collect();
            for (at, cut, insert) in edits {
                let at = at.index(chars.len() + 1);
                let end = (at + cut).min(chars.len());
                chars.splice(at..end, insert.chars());
            }
            chars.into_iter().collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Files broken at random: no panic, and every fault has a text and a place.
    #[test]
    fn broken_files_never_panic(yaml in prop_oneof![mutated(EXAMPLE), mutated(MINIMAL)], keys in any::<bool>()) {
        let needs = if keys { Needs::ALL } else { Needs::NOTHING };
        let fixture = Fixture::new(&yaml).needs(needs);
        if let Err(error) = Settings::load(&fixture.options) {
            prop_assert!(!error.faults.is_empty());
            for fault in &error.faults {
                prop_assert!(!fault.message.is_empty());
                let shown = fault.place.to_string();
                prop_assert!(shown.contains("settings.yaml") || shown == "default", "{}", shown);
            }
            prop_assert!(!error.render(true).contains("canary"));
        }
    }

    #[test]
    fn broken_variables_and_flags_never_panic(
        name in "(DMWATCH__)?(KAFKA|STREAM|ROUTING|REGIONS|QUEUES|X)?(__|\\.|_)?[A-Z_\\[\\].]{0,12}",
        value in "[-a-z0-9:,{}\\[\\]'\" ]{0,12}",
    ) {
        let flag = format!("{}={value}", name.to_lowercase());
        let fixture = Fixture::new("").env(&name, &value).set(&flag).needs(Needs::NOTHING);
        let _ = fixture.report();
    }
}
