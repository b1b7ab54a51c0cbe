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
mod fuzz;
mod layers;

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
