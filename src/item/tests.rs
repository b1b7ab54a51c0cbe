use std::sync::Arc;

use dmwatch_core::conversation::Store;
use dmwatch_core::document::{Faults, Source as RuleFile};
use dmwatch_core::judge::{Judge, Position};
use dmwatch_core::message::{FieldMap, Message};
use dmwatch_core::rules::Sources;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::schema_check::{check, validator};
use crate::seal::{Opener, PrivateKey, Purpose};

mod content;
mod size;

const RULES: &str = "
policy: scams
rules:
  - id: scams.gift-card
    title: Asks for gift cards
    status: stable
    severity: medium
    when: {phrases: [gift card]}
    tests: {match: [buy a gift card], no_match: [a card]}
  - id: scams.urgent
    title: Presses for haste
    status: stable
    severity: high
    when: {phrases: [right now]}
    tests: {match: [do it right now], no_match: [now]}
";
const TEXT: &str = "é buy a gift card right now canary-7f3a";

/// What the tests need around a builder.
pub(crate) struct Bench {
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) builder: ItemBuilder,
    pub(crate) opener: Opener,
    judge: Judge,
    route: Route,
}

impl Bench {
    pub(crate) fn new(output_max_bytes: usize) -> Self {
        let file = RuleFile::new("rules/scams.yaml", RULES);
        let sources = Sources {
            files: vec![Arc::new(file)],
            ..Sources::default()
        };
        let Ok(ruleset) = Ruleset::read(&sources, Faults::new()) else {
            panic!("the rules of this test do not load");
        };
        let ruleset = Arc::new(ruleset);
        let key = PrivateKey::generate(Purpose::Evidence {
            region: "us".to_owned(),
        })
        .unwrap();
        let sealer = Sealer::new(key.public().clone()).unwrap();
        Self {
            judge: Judge::new(Arc::clone(&ruleset)),
            ruleset,
            builder: ItemBuilder::new("epoch-1", "0.1.0", output_max_bytes, [sealer]),
            opener: Opener::new(key),
            route: Route {
                queue: "fraud".into(),
                priority: 75,
                due_millis: 3_600_000,
            },
        }
    }

    /// A flag, a report, and an item of no region, as they stand in their topics.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let value = bytes(&message_json(TEXT));
        let message = decode(&value);
        let report = bytes(&json!({
            "report_id": "r-1",
            "reporter_id": "a-2",
            "reason": "scam",
            "note": "he wants gift cards",
            "reported_at": 1_700_000_000_000_i64,
            "messages": [message_json(TEXT)],
        }));
        let report = FieldMap::default().decode_report(&report).unwrap();
        let window = ContextWindow::default();
        let built = [
            self.flag(&message, Some("us"), &window),
            self.report(&report, Some("us")),
            self.flag(&message, None, &window),
        ];
        built
            .into_iter()
            .map(|item| String::from_utf8(item.payload).unwrap())
            .collect()
    }

    fn judge(&mut self, message: &Message<'_>) -> Verdict {
        let position = Position {
            offset: 42,
            at: source().at,
        };
        self.judge.judge(message, position, &mut Store::new(1))
    }

    fn flag(
        &mut self,
        message: &Message<'_>,
        region: Option<&str>,
        context: &ContextWindow<'_>,
    ) -> BuiltItem {
        let verdict = self.judge(message);
        self.builder.flag(
            &source(),
            message,
            &verdict,
            &self.ruleset,
            &self.route,
            region,
            true,
            context,
        )
    }

    fn report(&mut self, report: &Report<'_>, region: Option<&str>) -> BuiltItem {
        let verdicts: Vec<Verdict> = report
            .messages
            .iter()
            .map(|message| self.judge(message))
            .collect();
        self.builder.report(
            &source(),
            report,
            &verdicts,
            &self.ruleset,
            &self.route,
            region,
        )
    }

    /// Opens the evidence and checks it against its schema.
    fn open(&mut self, item: &ReviewItem<'_>) -> Result<Value, seal::OpenError> {
        let subject = Subject {
            kind: item.kind.sealed_as(),
            id: &item.item_id,
            schema: EVIDENCE_VERSION,
        };
        let opened = self
            .opener
            .open(&subject, item.evidence.as_ref().unwrap())?;
        Ok(check("evidence.v1", &opened).unwrap())
    }
}

fn source() -> Source<'static> {
    Source {
        topic: "dm.messages",
        partition: 3,
        offset: 42,
        at: Millis(1_700_000_000_123),
        attempt: 0,
    }
}

fn message_json(text: &str) -> Value {
    json!({
        "message_id": "m-1",
        "conversation_id": "c-1",
        "sent_at": "2023-11-14T23:13:20+01:00",
        "text": text,
        "sender": {"id": "a-1", "age_band": "adult", "region": "US", "account_age_days": 3},
        "recipients": [{"id": "a-2", "age_band": "13_15", "region": "IE"}],
        "first_contact": true,
        "lang": "en",
        "attachments": [{"kind": "image", "hash": "sha256:00ff", "match": "known-list"}],
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn decode(value: &[u8]) -> Message<'_> {
    FieldMap::default().decode(value).unwrap()
}

/// The item, checked against its schema, and its record's limit.
fn read(built: &BuiltItem) -> ReviewItem<'_> {
    check("review-item.v1", &built.payload).unwrap();
    serde_json::from_slice(&built.payload).unwrap()
}

fn window(texts: &[String]) -> ContextWindow<'_> {
    ContextWindow {
        messages: (30..)
            .zip(texts)
            .map(|(offset, text)| ContextMessage {
                message_id: "m-0",
                sender_id: "a-2",
                offset,
                at: Millis(1_699_999_999_000),
                text: MessageText::new(text.as_str()),
            })
            .collect(),
        complete: true,
        last_offsets: (30..).take(texts.len()).collect(),
    }
}

#[test]
fn the_id_depends_on_where_it_stands_and_on_nothing_else() {
    let mut scratch = Canonical::default();
    let mut id = |kind, epoch, source: Source<'_>, subject| {
        ItemId::new(kind, epoch, &source, subject, &mut scratch).to_string()
    };
    let base = id(ItemKind::Flag, "1", source(), "m-1");
    assert_eq!(base.len(), 32);
    // A replay and a corrected timestamp do not change it.
    let replayed = Source {
        attempt: 2,
        at: Millis(0),
        ..source()
    };
    assert_eq!(id(ItemKind::Flag, "1", replayed, "m-1"), base);
    let moved = |topic, partition, offset| Source {
        topic,
        partition,
        offset,
        ..source()
    };
    let others = [
        id(ItemKind::Report, "1", source(), "m-1"),
        id(ItemKind::Flag, "2", source(), "m-1"),
        id(ItemKind::Flag, "1", source(), "m-2"),
        id(ItemKind::Flag, "1", moved("dm.messages", 3, 43), "m-1"),
        id(ItemKind::Flag, "1", moved("dm.messages", 4, 42), "m-1"),
        id(ItemKind::Flag, "1", moved("dm.message", 3, 42), "sm-1"),
    ];
    for (index, other) in others.iter().enumerate() {
        assert_ne!(other, &base);
        assert!(!others[..index].contains(other));
    }
}

/// Ids are in topics and databases: they must not change between versions.
#[test]
fn the_id_never_changes() {
    let mut scratch = Canonical::default();
    let id = ItemId::new(ItemKind::Flag, "epoch-1", &source(), "m-1", &mut scratch);
    assert_eq!(id.as_str(), "a19ec1b19e4d6d13c6c0eb1654586775");
}

#[test]
fn every_schema_is_a_schema() {
    for name in [
        "dead-letter.v1",
        "dead-letter.v1#/$defs/headers",
        "dead-letter.v1#/$defs/marker",
        "envelope.v1",
        "evidence.v1",
        "message.v1",
        "report.v1",
        "review-item.v1",
        "state.v1",
    ] {
        assert!(!validator(name).is_valid(&json!({"v": 1})), "{name}");
    }
    assert!(check("envelope.v1", b"{\"v\":2}").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_and_ids_make_a_valid_item_that_opens(
        text in ".{0,200}", id in ".{1,40}", conversation in ".{1,40}", due in any::<i64>(),
        at in any::<i64>(),
    ) {
        let mut bench = Bench::new(1_000_000);
        let mut message = message_json(&format!("{text} gift card"));
        message["message_id"] = id.as_str().into();
        message["conversation_id"] = conversation.as_str().into();
        let value = bytes(&message);
        let message = decode(&value);
        bench.route.due_millis = due;
        let verdict = bench.judge(&message);
        let source = Source { at: Millis(at), ..source() };
        let built = bench.builder.flag(
            &source, &message, &verdict, &bench.ruleset, &bench.route, Some("us"), false,
            &ContextWindow::default(),
        );
        let item = read(&built);
        prop_assert_eq!(&item.message_id, &id);
        let opened = bench.open(&item).unwrap();
        prop_assert_eq!(opened["messages"][0]["text"].as_str().unwrap(), message.text.reveal());
    }
}

#[test]
fn the_ciphertext_stands_where_serde_would_write_it() {
    let mut bench = Bench::new(1_000_000);
    for text in [
        "gift card",
        "gift card \"ciphertext\":\"\"",
        &"gift card".repeat(5_000),
    ] {
        let mut message = message_json(text);
        message["message_id"] = "\"ciphertext\":\"\"".into();
        let value = bytes(&message);
        for region in [Some("us"), None] {
            let built = bench.flag(&decode(&value), region, &ContextWindow::default());
            let item: ReviewItem<'_> = serde_json::from_slice(&built.payload).unwrap();
            assert_eq!(serde_json::to_vec(&item).unwrap(), built.payload);
        }
    }
}

#[test]
fn shed_names_agree() {
    for shed in [Shed::Context, Shed::Text] {
        let json = serde_json::to_value(shed).unwrap();
        assert_eq!(json.as_str(), shed.label());
    }
}
