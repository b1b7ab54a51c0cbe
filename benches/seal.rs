//! What sealing costs: one envelope around evidence of usual sizes, and a whole review item, in CPU
//! time of one thread. The budget is 2 µs for an envelope of 500 bytes.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot set up has nothing to measure"
)]

mod support;

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dmwatch::item::{ContextMessage, ContextWindow, ItemBuilder};
use dmwatch::seal::{Kind, Opener, PrivateKey, Purpose, Sealer, Subject};
use dmwatch::source::Source;
use dmwatch_core::conversation::Store;
use dmwatch_core::document::{Faults, Source as RuleFile};
use dmwatch_core::judge::{Judge, Position};
use dmwatch_core::message::{FieldMap, MessageText, Millis};
use dmwatch_core::routing::Route;
use dmwatch_core::rules::{Ruleset, Sources};
use support::ThreadCpuTime;

fn seal(c: &mut Criterion<ThreadCpuTime>) {
    let key = PrivateKey::generate(Purpose::Evidence {
        region: "us".to_owned(),
    })
    .expect("randomness");
    let subject = Subject {
        kind: Kind::Flag,
        id: "0123456789abcdef0123456789abcdef",
        schema: 1,
    };
    let mut sealer = Sealer::new(key.public().clone()).expect("a usable key");
    let mut group = c.benchmark_group("seal");
    for bytes in [100, 500, 4_000, 64_000] {
        let plaintext = vec![b'x'; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("seal", bytes), |b| {
            b.iter(|| {
                let envelope = sealer.seal(&subject, &plaintext, &[]).expect("sealed");
                envelope.ciphertext.map_or(0, |text| text.len())
            });
        });
    }
    let plaintext = [b'x'; 500];
    let envelope = sealer.seal(&subject, &plaintext, &[]).expect("sealed");
    let mut opener = Opener::new(key);
    group.bench_function(BenchmarkId::new("open", 500), |b| {
        b.iter(|| opener.open(&subject, &envelope).expect("opened").len());
    });
    group.finish();
}

/// A flagged message of 430 bytes, with and without a context window, from verdict to JSON.
fn item(c: &mut Criterion<ThreadCpuTime>) {
    let sources = Sources {
        files: vec![Arc::new(RuleFile::new("scams.yaml", RULES))],
        ..Sources::default()
    };
    let Ok(ruleset) = Ruleset::read(&sources, Faults::new()) else {
        panic!("the rules of this bench do not load");
    };
    let ruleset = Arc::new(ruleset);
    let key = PrivateKey::generate(Purpose::Evidence {
        region: "us".to_owned(),
    })
    .expect("randomness");
    let sealer = Sealer::new(key.public().clone()).expect("a usable key");
    let mut builder = ItemBuilder::new("1", "0.1.0", 1_000_000, [sealer]);

    let value = MESSAGE.as_bytes();
    let message = FieldMap::default().decode(value).expect("a message");
    let source = Source {
        topic: "dm.messages",
        partition: 3,
        offset: 42,
        at: Millis(1_700_000_000_123),
        attempt: 0,
    };
    let position = Position {
        offset: source.offset,
        at: source.at,
    };
    let mut judge = Judge::new(Arc::clone(&ruleset));
    let verdict = judge.judge(&message, position, &mut Store::default());
    assert_eq!(verdict.reasons.len(), 1);
    let route = Route {
        queue: "fraud".into(),
        priority: 50,
        due_millis: 3_600_000,
    };
    let before = |offset: i64| ContextMessage {
        message_id: "01HF7YAT00000000000000000",
        sender_id: "user-000000002",
        offset,
        at: Millis(1_700_000_000_000),
        text: MessageText::new("are you coming to the game on saturday, we need one more"),
    };
    let mut group = c.benchmark_group("item");
    for messages in [0, 10] {
        let context = ContextWindow {
            messages: (0..messages).map(before).collect(),
            complete: true,
            last_offsets: (0..messages).collect(),
        };
        group.bench_function(BenchmarkId::new("flag", messages), |b| {
            b.iter(|| {
                let built = builder.flag(
                    &source,
                    &message,
                    &verdict,
                    &ruleset,
                    &route,
                    Some("us"),
                    true,
                    &context,
                );
                built.into_record(topic()).size()
            });
        });
    }
    group.finish();
}

fn topic() -> Arc<str> {
    "review.us".into()
}

const RULES: &str = "
policy: scams
rules:
  - id: scams.gift-card
    title: Asks for gift card codes
    status: stable
    severity: medium
    when: {phrases: [gift card codes]}
    tests: {match: [gift card codes], no_match: [a gift card]}
";

const MESSAGE: &str = concat!(
    r#"{"message_id":"01HF7YAT31JZECNHPRS5T7DG6Q","conversation_id":"conv-0000000000001234","#,
    r#""sent_at":"2023-11-14T22:13:20.123Z","text":"hey are you there, can you send me some gift "#,
    r#"card codes today, i will pay you back","sender":{"id":"user-000000001","age_band":"adult","#,
    r#""region":"US","account_age_days":412},"recipients":[{"id":"user-000000002","age_band":"#,
    r#""adult","region":"US"}],"first_contact":false,"lang":"en"}"#
);

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadCpuTime);
    targets = seal, item
}
criterion_main!(benches);
