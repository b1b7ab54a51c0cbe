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
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let headers = record.headers.into_iter();
        Input {
            key: Some(record.key),
            value: record.payload,
            headers: headers
                .map(|(name, value)| (name.to_owned(), text(value)))
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

#[test]
fn replays_once_what_is_chosen() {
    let place = Place::new("dlq-replay");
    place.write(&place.letters(0..10));
    let dry = place.run(&["replay", "--reason", "invalid_json", "--dry-run"]);
    dry.expect(0, &["dry run: 5 pending; nothing was changed"]);
    assert_eq!((place.replayed(), place.markers()), (vec![], 0));

    let key = ["--key", "dead-letter.private.key.json"];
    let some = [&["replay", "--reason", "invalid_json"], &key[..]].concat();
    place
        .run(&some)
        .expect(0, &["5 replayed", "replayed 5 of 5"]);
    assert_eq!(place.replayed(), [0, 2, 4, 6, 8]);
    assert_eq!(place.markers(), 5);
    place
        .run(&some)
        .expect(0, &["found 0 pending, 5 replayed", "0 replayed"]);

    let (position, state) = &place.listed(&[])[&3];
    assert_eq!(state, "pending");
    let one = [&["replay", "--at", position], &key[..]].concat();
    place.run(&one).expect(0, &["1 replayed"]);
    place.run(&place.replay_all()).expect(0, &["4 replayed"]);
    assert_eq!(place.replayed(), (0..10).collect::<Vec<_>>());
    let left = place.listed(&[]);
    assert!(left.values().all(|(_, state)| state == "replayed"));
}

#[test]
fn what_failed_again_is_replayed_again_and_a_repeat_is_not() {
    let place = Place::new("dlq-again");
    let first = place.letters(0..1);
    // Written twice by a redelivery.
    place.write(&first);
    place.write(&first);
    place
        .run(&place.replay_all())
        .expect(0, &["1 pending, 1 repeat", "1 replayed"]);
    // The redelivery comes late.
    place.write(&first);
    place.run(&place.replay_all()).expect(0, &["0 replayed"]);
    // The replay failed as well: its dead letter carries the next attempt.
    let again = place.letter(&mut place.maker(&place.group), 0, 1, &value(0));
    place.write(&[again]);
    place.run(&place.replay_all()).expect(0, &["1 replayed"]);
    place.run(&place.replay_all()).expect(0, &["0 replayed"]);
    assert_eq!(place.replayed(), [0, 0]);
}

#[test]
fn what_cannot_be_replayed_is_said_and_stays() {
    let place = Place::new("dlq-odd");
    let mut maker = place.maker(&place.group);
    let mut letters = vec![
        place.letter(&mut maker, 1, 0, &[b'x'; 40_000]),
        place.letter(&mut place.maker("another-group"), 2, 0, &value(2)),
        // Somebody wrote to the topic by hand.
        Input {
            key: Some(b"odd".to_vec()),
            value: Some(CANARY.into()),
            ..Input::default()
        },
        // Headers that were moved to another record's value.
        place.letter(&mut maker, 4, 0, &value(4)),
        place.letter(&mut maker, 5, 0, &value(5)),
    ];
    let elsewhere = letters[3].headers.clone();
    for (name, value) in &mut letters[3].headers {
        if name == "x-dlq-source-offset" {
            *value = "400".to_owned();
        }
    }
    // A topic that is none of ours.
    let mut foreign_topic = Input {
        headers: elsewhere,
        ..letters[4].clone()
    };
    for (name, value) in &mut foreign_topic.headers {
        if name == "x-dlq-source-topic" {
            *value = "somebody-elses".to_owned();
        }
    }
    letters.push(foreign_topic);
    place.write(&letters);

    let states = place.listed(&[]);
    assert_eq!(states[&1].1, "reference");
    assert_eq!(states[&2].1, "other_group");
    assert_eq!(states[&-1].1, "unreadable");
    let ended = place.run(&place.replay_all());
    ended.expect(
        65,
        &[
            "1 replayed",
            "was altered, or belongs to another item",
            "`somebody-elses` is not an input topic",
            "2 of 3 were not replayed",
        ],
    );
    assert_eq!(place.replayed(), [5]);
    assert_eq!(place.markers(), 1);
}

#[test]
fn keys_and_topics_that_are_not_the_right_ones_change_nothing() {
    let place = Place::new("dlq-keys");
    place.write(&place.letters(0..2));
    let other = place.folder.join("other");
    for purpose in [
        Purpose::DeadLetter,
        Purpose::Evidence {
            region: "us".to_owned(),
        },
    ] {
        let key = PrivateKey::generate(purpose).unwrap();
        let _files = key_file::create(&other, &key).unwrap();
    }
    let replay = |key: &str| place.run(&["replay", "--all", "--key", key]);
    replay("other/us.private.key.json").expect(2, &["expected the key for dead letters"]);
    replay("other/dead-letter.private.key.json").expect(65, &["sealed for key"]);
    replay("dead-letter.public.key.json").expect(65, &["expected a private key"]);
    replay("none.json").expect(69, &["none.json"]);
    assert_eq!((place.replayed(), place.markers()), (vec![], 0));

    place
        .run(&["list", "--set", "topics.dead_letter=no-such-topic"])
        .expect(69, &["topic `no-such-topic` does not exist"]);
}

/// A replay that is killed at any moment, again and again, still writes each record once.
#[test]
fn a_replay_that_is_killed_replays_nothing_twice_and_loses_nothing() {
    let place = Place::new("dlq-killed");
    let count = 3_000;
    place.write(&place.letters(0..count));
    let mut random = Random::new(Random::seed("dlq-killed"));
    for round in 0..8 {
        let command = place.command(&place.replay_all());
        let mut replay = Process::start(&format!("replay-{round}"), &place.folder, command);
        // Not before the first transaction: the start takes most of the time.
        wait::until("it replays", Duration::from_secs(60), || {
            replay.errors().contains("replayed 1")
        });
        std::thread::sleep(random.pause(Duration::ZERO, Duration::from_millis(60)));
        replay.kill();
    }
    // Whatever the last one left open is ended first, without waiting for its timeout.
    place.run(&place.replay_all()).expect(0, &["replayed"]);
    place
        .run(&place.replay_all())
        .expect(0, &["found 0 pending, 3000 replayed"]);
    assert_eq!(place.replayed(), (0..count).collect::<Vec<_>>());
    assert_eq!(place.markers(), 3_000);
}

/// Started together, they do the work once; whoever is overtaken says so.
#[test]
fn replays_at_the_same_time_replay_nothing_twice() {
    let place = Place::new("dlq-together");
    let count = 600;
    place.write(&place.letters(0..count));
    let mut replays: Vec<Process> = (0..4)
        .map(|number| {
            let command = place.command(&place.replay_all());
            Process::start(&format!("replay-{number}"), &place.folder, command)
        })
        .collect();
    let mut finished = 0;
    for replay in &mut replays {
        let status = replay.wait(Duration::from_secs(90));
        match status.code() {
            Some(0) => finished += 1,
            Some(1) => assert!(
                replay
                    .errors()
                    .contains("another replay of this consumer group"),
                "{}",
                replay.tail()
            ),
            _ => panic!("{}", replay.tail()),
        }
    }
    assert!(finished >= 1);
    assert_eq!(place.replayed(), (0..count).collect::<Vec<_>>());
    assert_eq!(place.markers(), 600);
}

/// The whole way: settings that miss a field make a dead letter; with the settings mended and the
/// dead letter replayed, the item has the id and the coordinates of the first record, and opens for
/// the holder of the region's key, who leaves a trace.
#[test]
fn a_replayed_message_is_judged_under_its_first_coordinates() {
    let site = Site::new(Cluster::shared(), "dlq-whole-way", Plan::default());
    let message = |id: &str| {
        let value = serde_json::json!({
            "message_id": id,
            "conversation_id": "c-1",
            "sent_at": "2026-11-24T08:00:00Z",
            "body": format!("send me gift card codes {CANARY}"),
            "sender": {"id": "a-1", "age_band": "adult", "region": "US"},
            "recipients": [{"id": "a-2", "age_band": "adult", "region": "US"}],
        });
        Input {
            key: Some(b"c-1".to_vec()),
            value: Some(serde_json::to_vec(&value).unwrap()),
            partition: Some(2),
            ..Input::default()
        }
    };
    let bootstrap = site.cluster.bootstrap();
    let dead_letters = || foreign::read(bootstrap, &site.dead_letter);
    let items = || foreign::read(bootstrap, &format!("{}us", site.review_prefix));
    let letters_of_first = |records: &[Record]| {
        let with_reason = records
            .iter()
            .filter(|record| record.header("x-dlq-reason").is_some());
        with_reason.count()
    };

    let mut wrong = Worker::start(&site);
    foreign::produce(bootstrap, &site.messages, &[message("m-1")]);
    wait::until("a dead letter", Duration::from_secs(30), || {
        letters_of_first(&dead_letters()) == 1
    });
    let replay = |expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_dmwatch"))
            .arg("--config")
            .arg(site.settings_file())
            .args(["dlq", "replay", "--reason", "missing_field", "--key"])
            .arg(site.keys().join("dead-letter.private.key.json"))
            .output()
            .unwrap();
        Ended::from(output).expect(0, &[expected]);
    };
    // Too early: the replay fails again, as the next attempt.
    replay("1 replayed");
    wait::until("it fails again", Duration::from_secs(30), || {
        letters_of_first(&dead_letters()) == 2
    });
    wrong.terminate();
    let letters = dead_letters();
    let of = |name: &str| {
        let found = letters.iter().filter_map(|record| {
            let _is_letter = record.header("x-dlq-reason")?;
            record.header(name)
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(of("x-dlq-source-offset"), ["0", "0"]);
    assert_eq!(of("x-dlq-attempt"), ["0", "1"]);

    let mended = Start::default().set("input.fields.text=body");
    let mut right = Worker::start_with(&site, &mended);
    replay("1 replayed");
    foreign::produce(bootstrap, &site.messages, &[message("m-2")]);
    wait::until("two items", Duration::from_secs(30), || items().len() == 2);
    right.terminate();

    let items = items();
    let first = items.iter().map(|record| {
        let value = record.value.as_deref().unwrap();
        check("review-item.v1", value).unwrap()
    });
    let first = first.filter(|item| item["message_id"] == "m-1");
    let first: Vec<Value> = first.collect();
    let [first] = &first[..] else {
        panic!("one item of m-1, found {}", first.len());
    };
    let provenance = &first["provenance"];
    assert_eq!(provenance["offset"], 0);
    assert_eq!(provenance["partition"], 2);
    assert_eq!(provenance["attempt"], 2);
    assert_eq!(provenance["topic"], site.messages.as_str());

    let lines = site.folder.join("items.jsonl");
    std::fs::write(&lines, format!("{first}\n")).unwrap();
    let log = site.folder.join("access.log");
    let opened = Command::new(env!("CARGO_BIN_EXE_dmwatch"))
        .arg("open")
        .arg(&lines)
        .arg("--key")
        .arg(site.keys().join("us.private.key.json"))
        .args(["--purpose", "legal_request", "--reference", "request 12"])
        .arg("--access-log")
        .arg(&log)
        .output()
        .unwrap();
    assert!(opened.status.success());
    let opened: Value = serde_json::from_slice(&opened.stdout).unwrap();
    let text = opened["evidence"]["messages"][0]["text"].as_str().unwrap();
    assert_eq!(text, format!("send me gift card codes {CANARY}"));
    let log = std::fs::read(&log).unwrap();
    let record = check("access-record.v1", log.trim_ascii_end()).unwrap();
    assert_eq!(record["item_id"], first["item_id"]);
    assert_eq!(record["reference"], "request 12");
}

/// On the wire a header's name may be any bytes. The client library panics on one that is not
/// UTF-8; the worker must not.
#[test]
fn a_header_that_is_no_text_stops_nothing() {
    use std::io::Write as _;
    use std::os::unix::ffi::OsStrExt as _;

    let site = Site::new(Cluster::shared(), "dlq-odd-header", Plan::default());
    let mut worker = Worker::start(&site);
    let value = serde_json::json!({
        "message_id": "m-1",
        "conversation_id": "c-1",
        "sent_at": "2026-11-24T08:00:00Z",
        "text": "send me gift card codes",
        "sender": {"id": "a-1", "age_band": "adult", "region": "US"},
        "recipients": [{"id": "a-2", "age_band": "adult", "region": "US"}],
    });
    for header in [
        &b"\xff\xfe=1"[..],
        b"x-replay-source-topic=\xff",
        b"x-replay-attempt=many",
    ] {
        let mut kcat = Command::new("kcat")
            .args([
                "-b",
                site.cluster.bootstrap(),
                "-P",
                "-t",
                &site.messages,
                "-p",
                "0",
                "-H",
            ])
            .arg(std::ffi::OsStr::from_bytes(header))
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = kcat.stdin.take().unwrap();
        input.write_all(value.to_string().as_bytes()).unwrap();
        drop(input);
        assert!(kcat.wait().unwrap().success());
    }
    let items = || {
        foreign::read(
            site.cluster.bootstrap(),
            &format!("{}us", site.review_prefix),
        )
    };
    wait::until("three items", Duration::from_secs(30), || {
        items().len() == 3
    });
    assert!(!worker.has_ended());
    worker.terminate();
    // None of the claims was believed: each item has the coordinates of its own record.
    let offsets = items().into_iter().map(|record| {
        let item = check("review-item.v1", record.value.as_deref().unwrap()).unwrap();
        item["provenance"]["offset"].as_i64().unwrap()
    });
    let offsets: std::collections::BTreeSet<i64> = offsets.collect();
    assert_eq!(offsets, [0, 1, 2].into());
}
