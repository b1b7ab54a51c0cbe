//! `dmwatch dlq` on a real broker: what it shows, and that a dead letter goes back once, also when
//! the replay is killed or started twice. What it wrote is read back by kcat.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use dmwatch::dead_letter::{DeadLetters, Failed, Reason, ReplayHeaders, ReplayVerifier, Stage};
use dmwatch::seal::{PrivateKey, PublicKey, Purpose, Sealer, key_file};
use dmwatch::source::Source;
use dmwatch_core::message::Millis;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;

use crate::support::cluster::{Cluster, unique};
use crate::support::ended::Ended;
use crate::support::foreign::{self, Input, Record};
use crate::support::process::Process;
use crate::support::random::Random;
use crate::support::schema::check;
use crate::support::site::{Plan, Site};
use crate::support::worker::{Start, Worker};
use crate::support::{guard, wait};

mod judged_again;
mod replay;

const CANARY: &str = "canary-7f3a";
const PARTITIONS: i32 = 3;

/// Topics of a group of its own, its keys, and a settings file.
struct Place {
    cluster: &'static Cluster,
    folder: PathBuf,
    group: String,
    input: String,
    dead_letters: String,
    public: PublicKey,
}

impl Place {
    fn new(name: &str) -> Self {
        let cluster = Cluster::shared();
        let folder = guard::folder(name);
        let key = PrivateKey::generate(Purpose::DeadLetter).unwrap();
        let _files = key_file::create(&folder, &key).unwrap();
        let place = Self {
            cluster,
            group: unique("dlq-group"),
            input: cluster.topic("dlq-input", PARTITIONS),
            dead_letters: cluster.topic("dlq-dead-letter", 2),
            public: key.public().clone(),
            folder,
        };
        let settings = format!(
            "kafka: {{bootstrap_servers: [{}], group_id: {}}}\n\
             topics: {{messages: [{}], dead_letter: {}}}\n",
            cluster
                .bootstrap()
                .split(',')
                .map(|server| format!("\"{server}\""))
                .collect::<Vec<_>>()
                .join(", "),
            place.group,
            place.input,
            place.dead_letters,
        );
        std::fs::write(place.folder.join("settings.yaml"), settings).unwrap();
        place
    }

    fn maker(&self, group: &str) -> DeadLetters {
        let sealer = Sealer::new(self.public.clone()).unwrap();
        DeadLetters::new(
            self.dead_letters.as_str().into(),
            group,
            "0.1.0",
            16_384,
            sealer,
        )
    }

    /// The dead letters of records at these offsets, as the worker would write them.
    fn letters(&self, offsets: std::ops::Range<i64>) -> Vec<Input> {
        let mut maker = self.maker(&self.group);
        offsets
            .map(|offset| self.letter(&mut maker, offset, 0, &value(offset)))
            .collect()
    }

    fn letter(&self, maker: &mut DeadLetters, offset: i64, attempt: u32, value: &[u8]) -> Input {
        let record = maker.record(&Failed {
            source: Source {
                topic: &self.input,
                partition: partition(offset),
                offset,
                at: Millis(1_700_000_000_000 + offset),
                attempt,
            },
            key: Some(key(offset).as_bytes()),
            value: Some(value),
            stage: Stage::Decode,
            reason: if offset % 2 == 0 {
                Reason::InvalidJson
            } else {
                Reason::MissingField
            },
        });
        let headers = record.headers.into_iter();
        Input {
            key: Some(record.key),
            value: record.payload,
            headers: headers
                .map(|(name, value)| {
                    let text = String::from_utf8(value.into_owned()).unwrap();
                    (name.to_owned(), text)
                })
                .collect(),
            partition: None,
        }
    }

    /// Not by kcat, which would have to run once for each set of headers.
    fn write(&self, letters: &[Input]) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap())
            .create()
            .unwrap();
        for letter in letters {
            let mut headers = OwnedHeaders::new();
            for (key, value) in &letter.headers {
                let value = Some(value);
                headers = headers.insert(Header { key, value });
            }
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.dead_letters)
                .key(letter.key.as_deref().unwrap())
                .payload(letter.value.as_deref().unwrap())
                .headers(headers);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmwatch"));
        command
            .args(["--config", "settings.yaml", "dlq"])
            .args(arguments)
            .current_dir(&self.folder);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().unwrap())
    }

    fn replay_all(&self) -> [&'static str; 4] {
        ["replay", "--all", "--key", "dead-letter.private.key.json"]
    }

    /// `position` and `state` of what `list` says, by source offset.
    fn listed(&self, arguments: &[&str]) -> BTreeMap<i64, (String, String)> {
        let ended = self.run(&[&["list", "--format", "json"], arguments].concat());
        ended.expect(0, &[]);
        let lines = ended.out.lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| {
                let text = |name: &str| line[name].as_str().unwrap().to_owned();
                let offset = line["offset"].as_i64().unwrap_or(-1);
                (offset, (text("position"), text("state")))
            })
            .collect()
    }

    /// The source offsets of the replayed records, each checked against what it was made from.
    fn replayed(&self) -> Vec<i64> {
        let verifier = ReplayVerifier::new(self.public.clone());
        let records = foreign::read(self.cluster.bootstrap(), &self.input);
        let mut offsets: Vec<i64> = records
            .iter()
            .map(|record| {
                let claim = ReplayHeaders::of(&headers(record)).expect("a replay");
                let source = verifier
                    .verify(&claim, record.key.as_deref(), record.value.as_deref())
                    .expect("a signature that holds");
                assert_eq!(source.topic, self.input);
                assert_eq!(source.partition, record.partition);
                assert_eq!(source.partition, partition(source.offset));
                assert_eq!(source.at, Millis(1_700_000_000_000 + source.offset));
                let expected = key(source.offset);
                assert_eq!(record.key.as_deref(), Some(expected.as_bytes()));
                assert_eq!(record.value.as_deref(), Some(&value(source.offset)[..]));
                source.offset
            })
            .collect();
        offsets.sort_unstable();
        offsets
    }

    /// The markers of the dead-letter topic, each checked against the schema.
    fn markers(&self) -> usize {
        let records = foreign::read(self.cluster.bootstrap(), &self.dead_letters);
        let markers = records
            .iter()
            .filter(|record| record.header("x-dlq-replayed").is_some());
        let checked = markers.map(|record| {
            assert_eq!(record.value, None);
            let headers: BTreeMap<_, _> = record.headers.iter().cloned().collect();
            let headers = serde_json::to_vec(&headers).unwrap();
            check("dead-letter.v1#/$defs/marker", &headers).unwrap();
        });
        checked.count()
    }
}

/// What the failed record at that offset was.
fn value(offset: i64) -> Vec<u8> {
    format!("{{\"text\":\"{CANARY} {offset}\n").into_bytes()
}

fn key(offset: i64) -> String {
    format!("conversation-{}", offset % 7)
}

fn partition(offset: i64) -> i32 {
    i32::try_from(offset).unwrap() % PARTITIONS
}

fn headers(record: &Record) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    headers
}

#[test]
fn shows_metadata_only_and_finds_by_every_filter() {
    let place = Place::new("dlq-list");
    place.run(&["list"]).expect(0, &["STATE"]);
    place.write(&place.letters(0..10));

    let all = place.listed(&[]);
    assert_eq!(all.len(), 10);
    assert!(all.values().all(|(_, state)| state == "pending"));
    let offsets = |arguments: &[&str]| place.listed(arguments).into_keys().collect::<Vec<_>>();
    assert_eq!(offsets(&["--reason", "invalid_json"]), [0, 2, 4, 6, 8]);
    assert_eq!(offsets(&["--partition", "1"]), [1, 4, 7]);
    assert_eq!(offsets(&["--topic", &place.input]).len(), 10);
    assert!(offsets(&["--topic", "other"]).is_empty());
    assert_eq!(offsets(&["--since", "1h"]).len(), 10);
    assert!(offsets(&["--until", "1h"]).is_empty());

    let (position, _) = &all[&4];
    let shown = place.run(&["show", position]);
    let length = format!("value_bytes      {}\n", value(4).len());
    shown.expect(
        0,
        &["reason           invalid_json\n", &length, "stored_sha256"],
    );
    place
        .run(&["show", "0/999"])
        .expect(65, &["no dead letter at 0/999"]);
    place
        .run(&["list"])
        .expect(0, &["invalid_json", "missing_field"]);
}
