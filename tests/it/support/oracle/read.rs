//! Reads a site's topics back through kcat, and opens what is sealed.

use std::collections::HashMap;

use dmwatch::dead_letter::{Letter, LetterError};
use dmwatch::seal::{Envelope, Kind, Opener, Subject};
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::Value;

use super::{Arrived, Content, DeadLetter, Evidence, Evidences, Item, Source};
use crate::support::foreign::{self, Record};
use crate::support::generate::{Expected, Planned};
use crate::support::schema;
use crate::support::site::Site;

/// Version of the evidence's schema, bound to the envelope.
const EVIDENCE_VERSION: u16 = 1;

/// Reads everything that the site's input led to.
pub fn read(site: &Site<'_>, planned: &[Planned]) -> Evidences {
    let bootstrap = site.cluster.bootstrap();
    let mut evidences = Evidences {
        arrived: arrived(site, planned),
        ..Evidences::default()
    };
    for (owner, topic) in site.owners() {
        let mut opener = (owner != "unassigned").then(|| site.region_opener(owner));
        let records = foreign::read(bootstrap, &topic);
        let items = records
            .iter()
            .map(|record| item(record, owner, opener.as_mut()));
        evidences.items.extend(items);
    }
    let letters = dead_letters(site);
    evidences.dead_letters = letters.filter(|letter| !is_gap(letter)).collect();
    evidences
}

/// Where a person accepted that messages are gone: letters that are about no record.
pub fn gaps(site: &Site<'_>) -> Vec<Source> {
    let gaps = dead_letters(site).filter(is_gap);
    gaps.map(|gap| gap.source).collect()
}

fn is_gap(letter: &DeadLetter) -> bool {
    letter.reason == "retention_gap"
}

fn dead_letters(site: &Site<'_>) -> impl Iterator<Item = DeadLetter> {
    let mut opener = site.dead_letter_opener();
    let records = foreign::read(site.cluster.bootstrap(), &site.dead_letter);
    records
        .into_iter()
        .map(move |record| dead_letter(&record, &mut opener))
}

/// The input topics as the broker has them, each record with its expectation. What was never planned
/// is a fault of the test.
fn arrived(site: &Site<'_>, planned: &[Planned]) -> Vec<Arrived> {
    let expectations: HashMap<_, &Expected> = planned
        .iter()
        .map(|record| {
            let input = &record.input;
            (
                (record.is_report, &input.key, &input.value),
                &record.expected,
            )
        })
        .collect();
    let mut arrived = Vec::new();
    for (topic, is_report) in site.inputs() {
        for record in foreign::read(site.cluster.bootstrap(), topic) {
            let expected = expectations
                .get(&(is_report, &record.key, &record.value))
                .unwrap_or_else(|| panic!("an input record that no test planned: {record:?}"));
            arrived.push(Arrived {
                expected: (*expected).clone(),
                source: Source {
                    topic: topic.to_owned(),
                    partition: record.partition,
                    offset: record.offset,
                },
                key: record.key,
                value: record.value,
            });
        }
    }
    arrived
}

fn item(record: &Record, owner: &str, opener: Option<&mut Opener>) -> Item {
    let bytes = record.value.as_deref().expect("an item has a value");
    let value = checked("review-item.v1", bytes);
    let text = |pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found
            .unwrap_or_else(|| panic!("an item has text at {pointer}"))
            .to_owned()
    };
    let number = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_i64)
            .expect(pointer)
    };
    let item_id = text("/item_id");
    assert_eq!(record.header("dmwatch-item-id"), Some(item_id.as_str()));
    assert_eq!(
        record.key.as_deref(),
        Some(text("/conversation_id").as_bytes())
    );
    let report = value.pointer("/report/report_id").and_then(Value::as_str);
    let kind = if report.is_some() {
        Kind::Report
    } else {
        Kind::Flag
    };
    assert_eq!(record.header("dmwatch-kind"), Some(kind.as_str()));
    let mut rules: Vec<String> = value["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .map(|reason| reason["rule"].as_str().expect("a rule id").to_owned())
        .collect();
    rules.sort();
    Item {
        source: Source {
            topic: text("/provenance/topic"),
            partition: i32::try_from(number("/provenance/partition")).expect("a partition"),
            offset: number("/provenance/offset"),
        },
        message_id: text("/message_id"),
        conversation_id: text("/conversation_id"),
        region: owner.to_owned(),
        queue: text("/queue"),
        rules,
        evidence: evidence(&value["evidence"], kind, &item_id, opener),
        report: report.map(str::to_owned),
        item_id,
    }
}

fn evidence(sealed: &Value, kind: Kind, item_id: &str, opener: Option<&mut Opener>) -> Evidence {
    let sealed = (!sealed.is_null()).then(|| sealed.to_string());
    let (Some(sealed), Some(opener)) = (sealed, opener) else {
        return Evidence::Absent;
    };
    let envelope: Envelope<'_> = serde_json::from_str(&sealed).expect("an envelope");
    if envelope.is_reference() {
        return Evidence::Absent;
    }
    let subject = Subject {
        kind,
        id: item_id,
        schema: EVIDENCE_VERSION,
    };
    let opened = opener
        .open(&subject, &envelope)
        .unwrap_or_else(|error| panic!("the evidence of {item_id} does not open: {error}"));
    let evidence = checked("evidence.v1", &opened);
    let messages = evidence["messages"].as_array().expect("messages");
    let texts = messages.iter().map(|message| &message["text"]);
    let words = texts.chain([&evidence["reason"], &evidence["note"]]);
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    Evidence::Text(words.join("\n"))
}

fn dead_letter(record: &Record, opener: &mut Opener) -> DeadLetter {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header {
            key,
            value: Some(value.as_bytes()),
        });
    }
    let letter = Letter::read(&headers).expect("a dead letter has its headers");
    let bytes = record.value.as_deref().expect("a dead letter has a value");
    checked("dead-letter.v1", bytes);
    let content = match letter.open(opener, bytes) {
        Ok(contents) => Some(Content {
            key: contents.key.map(|key| key.to_vec()),
            value: contents.value.map(|value| value.to_vec()),
        }),
        Err(LetterError::Reference) => None,
        Err(error) => panic!("a dead letter does not open: {error}"),
    };
    let source = letter.source();
    DeadLetter {
        source: Source {
            topic: source.topic.to_owned(),
            partition: source.partition,
            offset: source.offset,
        },
        reason: letter.reason.as_str().to_owned(),
        content,
    }
}

/// A document of that schema, parsed.
fn checked(name: &str, document: &[u8]) -> Value {
    schema::check(name, document).unwrap_or_else(|fault| panic!("{fault}"))
}
