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
fn a_flagged_message_becomes_an_item_without_a_readable_word() {
    let mut bench = Bench::new(1_000_000);
    let value = bytes(&message_json(TEXT));
    check("message.v1", &value).unwrap();
    let texts = ["canary-7f3a before".to_owned()];
    let built = bench.flag(&decode(&value), Some("us"), &window(&texts));
    assert!(!String::from_utf8_lossy(&built.payload).contains("canary"));

    let item = read(&built);
    assert_eq!(item.item_id, built.item_id.as_str());
    assert_eq!((item.kind, item.shed), (ItemKind::Flag, Shed::None));
    assert_eq!((&*item.queue, item.priority), ("fraud", 75));
    assert_eq!(item.due_millis, 1_700_003_600_123);
    assert_eq!(item.due_at, "2023-11-14T23:13:20.123Z");
    assert_eq!(item.severity, Some(dmwatch_core::verdict::Severity::High));
    assert_eq!(
        item.messages[0].sent_at.as_deref(),
        Some("2023-11-14T22:13:20Z")
    );
    let flags = Flags {
        deferred: false,
        first_contact: Some(true),
        minor_with_adult_or_unknown: true,
        flag_is_purpose: true,
    };
    assert_eq!(item.flags, flags);
    let parties: Vec<(&str, Role)> = item
        .parties
        .iter()
        .map(|party| (&*party.id, party.role))
        .collect();
    assert_eq!(parties, [("a-1", Role::Sender), ("a-2", Role::Recipient)]);
    let found: Vec<(&str, &str)> = item
        .reasons
        .iter()
        .map(|reason| {
            let [start, end] = reason.spans[0].bytes;
            (&*reason.rule, &TEXT[start..end])
        })
        .collect();
    assert_eq!(
        found,
        [
            ("scams.gift-card", "gift card"),
            ("scams.urgent", "right now")
        ]
    );
    // One character of this text has two bytes.
    let span = item.reasons[0].spans[0];
    assert_eq!(span.chars, span.bytes.map(|at| at - 1));
    assert_eq!(item.provenance.ruleset, &*bench.ruleset.hash);
    assert_eq!((item.provenance.partition, item.provenance.offset), (3, 42));

    let opened = bench.open(&item).unwrap();
    assert_eq!(opened["messages"][0]["text"], TEXT);
    assert_eq!(
        opened["messages"][0]["sent_at"],
        "2023-11-14T23:13:20+01:00"
    );
    assert_eq!(opened["context"][0]["text"], "canary-7f3a before");

    let record = built.into_record("review.us".into());
    assert_eq!(record.key, b"c-1");
    let headers: Vec<&str> = record.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        headers,
        [
            "dmwatch-item-id",
            "dmwatch-schema",
            "dmwatch-region",
            "dmwatch-kind"
        ]
    );
    for (_, value) in &record.headers {
        assert!(!String::from_utf8_lossy(value).contains("canary"));
    }
}

#[test]
fn an_item_of_no_region_has_metadata_only() {
    let mut bench = Bench::new(1_000_000);
    let value = bytes(&message_json(TEXT));
    let texts = ["before".to_owned()];
    for region in [None, Some("eu")] {
        let built = bench.flag(&decode(&value), region, &window(&texts));
        let payload: Value = serde_json::from_slice(&built.payload).unwrap();
        assert_eq!(payload["evidence"], Value::Null);
        assert!(!payload.to_string().contains("canary"));
        if region.is_none() {
            let item = read(&built);
            assert_eq!(item.context.messages, 0);
            assert_eq!(built.headers[2].1, b"unassigned");
        }
    }
}

#[test]
fn what_somebody_typed_into_a_field_of_codes_is_sealed() {
    let mut bench = Bench::new(1_000_000);
    let mut message = message_json(TEXT);
    message["lang"] = "canary-7f3a with spaces".into();
    message["sent_at"] = "canary-7f3a yesterday".into();
    message["edited_at"] = "canary-7f3a today".into();
    message["attachments"][0] = json!({"kind": "canary-7f3a picture", "hash": "x".repeat(200)});
    let report = json!({
        "report_id": "r-1",
        "reporter_id": "a-2",
        "reason": "canary-7f3a wrote bad things",
        "note": "canary-7f3a note",
        "reported_at": "canary-7f3a noon",
        "messages": [message],
    });
    let value = bytes(&report);
    check("report.v1", &value).unwrap();
    let report = FieldMap::default().decode_report(&value).unwrap();
    let built = bench.report(&report, Some("us"));
    assert!(!String::from_utf8_lossy(&built.payload).contains("canary"));
    let item = read(&built);
    let opened = bench.open(&item).unwrap();
    assert_eq!(opened["reason"], "canary-7f3a wrote bad things");
    assert_eq!(opened["note"], "canary-7f3a note");
    let message = &opened["messages"][0];
    assert_eq!(message["lang"], "canary-7f3a with spaces");
    assert_eq!(message["sent_at"], "canary-7f3a yesterday");
    assert_eq!(message["attachments"][0]["kind"], "canary-7f3a picture");
}

#[test]
fn a_report_lists_its_messages_and_highlights_each() {
    let mut bench = Bench::new(1_000_000);
    let mut second = message_json("right now");
    second["message_id"] = "m-2".into();
    second["sender"]["id"] = "a-2".into();
    second["recipients"][0]["id"] = "a-1".into();
    let value = bytes(&json!({
        "report_id": "r-1",
        "reporter_id": "a-2",
        "reason": "scam",
        "reported_at": 1_700_000_000_000_i64,
        "messages": [message_json("hello"), second],
    }));
    check("report.v1", &value).unwrap();
    let report = FieldMap::default().decode_report(&value).unwrap();
    let built = bench.report(&report, Some("us"));
    let item = read(&built);
    assert_eq!(item.kind, ItemKind::Report);
    let meta = item.report.as_ref().unwrap();
    assert_eq!(meta.reason.as_deref(), Some("scam"));
    assert_eq!(meta.reported_at.as_deref(), Some("2023-11-14T22:13:20Z"));
    let ids: Vec<&str> = item.messages.iter().map(|m| &*m.message_id).collect();
    assert_eq!(ids, ["m-1", "m-2"]);
    assert_eq!(item.reasons.len(), 1);
    assert_eq!(
        (item.reasons[0].message, &*item.reasons[0].rule),
        (1, "scams.urgent")
    );
    // Both wrote; each stands once.
    let roles: Vec<(&str, Role)> = item.parties.iter().map(|p| (&*p.id, p.role)).collect();
    assert_eq!(roles, [("a-1", Role::Sender), ("a-2", Role::Sender)]);
    assert!(!item.flags.flag_is_purpose);
    let opened = bench.open(&item).unwrap();
    assert_eq!(opened["messages"][1]["text"], "right now");

    // Nothing scanned: still an item.
    let unscanned = bench.builder.report(
        &source(),
        &report,
        &[],
        &bench.ruleset,
        &bench.route,
        Some("us"),
    );
    assert_eq!(unscanned.item_id, built.item_id);
    let item = read(&unscanned);
    assert!(item.reasons.is_empty() && item.severity.is_none());
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
fn what_is_too_large_sheds_context_then_text() {
    let limit = 64 * 1024;
    let mut bench = Bench::new(limit);
    let cases = [
        (1_000, 1_000, Shed::None),
        (1_000, 60_000, Shed::Context),
        (60_000, 0, Shed::Text),
        (60_000, 60_000, Shed::Text),
        (20_000, 30_000, Shed::Context),
    ];
    for (text, before, shed) in cases {
        let text = format!("gift card {}", "x".repeat(text));
        let value = bytes(&message_json(&text));
        let message = decode(&value);
        let texts = ["y".repeat(before)];
        let context = if before == 0 { &[][..] } else { &texts[..] };
        let built = bench.flag(&message, Some("us"), &window(context));
        assert_eq!(built.shed, shed);
        let item = read(&built);
        assert_eq!(item.shed, shed);
        match bench.open(&item) {
            Ok(opened) => {
                assert_eq!(opened["messages"][0]["text"], text.as_str());
                let kept = opened["context"].as_array().unwrap().len();
                assert_eq!(kept, usize::from(shed == Shed::None));
                assert_eq!(item.context.messages, kept);
            }
            Err(error) => {
                assert_eq!((error, shed), (seal::OpenError::Reference, Shed::Text));
                let subject = Subject {
                    kind: seal::Kind::Flag,
                    id: &item.item_id,
                    schema: EVIDENCE_VERSION,
                };
                let evidence = item.evidence.as_ref().unwrap();
                let mut is = |text: &str| {
                    let identity: [&[u8]; 2] = [b"m-1", text.as_bytes()];
                    bench.opener.is_digest_of(&subject, evidence, &identity)
                };
                assert_eq!(is(&text), Ok(Some(true)));
                assert_eq!(is("gift card"), Ok(Some(false)));
                assert!(!item.reasons.is_empty());
            }
        }
        assert_eq!(item.context.last_offsets.len(), context.len());
        let record = built.into_record("review.us".into());
        assert!(record.size() <= limit);
    }
}

#[test]
fn a_refused_item_becomes_a_reference() {
    let mut bench = Bench::new(1_000_000);
    let text = format!("gift card {}", "x".repeat(50_000));
    let value = bytes(&message_json(&text));
    let built = bench.flag(&decode(&value), Some("us"), &ContextWindow::default());
    assert_eq!(built.shed, Shed::None);
    let record = built.into_record("review.us".into());
    let reference = reference_of(&record).unwrap();
    assert!(reference.size() < 3_000, "{}", reference.size());
    assert_eq!(reference.key, record.key);
    assert_eq!(reference.headers, record.headers);
    let payload = reference.payload.unwrap();
    check("review-item.v1", &payload).unwrap();
    let item: ReviewItem<'_> = serde_json::from_slice(&payload).unwrap();
    assert_eq!(item.shed, Shed::Text);
    assert!(item.evidence.unwrap().digest.is_some());
    let state = OutRecord {
        headers: Vec::new(),
        ..record
    };
    assert!(reference_of(&state).is_none());
}

#[test]
fn a_reference_fits_whatever_the_message_was() {
    let mut bench = Bench::new(REFERENCE_MAX_BYTES);
    for filler in ["x", "\u{1}", "\"", "é", "\\"] {
        let long = filler.repeat(5_000);
        let recipients: Vec<Value> = (0..100)
            .map(|n| json!({"id": format!("{n}{filler}"), "region": "r".repeat(128)}))
            .collect();
        let mut message = message_json(&"gift card right now ".repeat(500));
        message["lang"] = "y".repeat(128).into();
        for field in ["message_id", "conversation_id", "sent_at"] {
            message[field] = long.as_str().into();
        }
        message["sender"]["id"] = long.as_str().into();
        message["recipients"] = recipients.into();
        message["attachments"] = vec![json!({"kind": "image"}); 100].into();
        let messages: Vec<Value> = (0..20)
            .map(|n| {
                let mut message = message.clone();
                message["message_id"] = format!("{n}{long}").into();
                message
            })
            .collect();
        let value = bytes(&json!({
            "report_id": long,
            "reporter_id": long,
            "reason": long,
            "note": long,
            "reported_at": long,
            "messages": messages,
        }));
        let report = FieldMap::default().decode_report(&value).unwrap();
        let built = bench.report(&report, Some("us"));
        assert_eq!(built.shed, Shed::Text);
        let item = read(&built);
        let omitted = item.omitted.unwrap();
        assert_eq!(omitted.messages, 14);
        assert_eq!(omitted.parties, 101 - 6);
        assert!(omitted.reasons > 0 && omitted.spans > 0);
        let record = built.into_record("review.us".into());
        assert!(record.size() <= REFERENCE_MAX_BYTES, "{}", record.size());
    }
}

#[test]
fn a_reference_fits_whatever_the_rules_are_called() {
    let mut bench = Bench::new(1_000_000);
    let value = bytes(&message_json(&"gift card right now ".repeat(50)));
    let built = bench.flag(&decode(&value), Some("us"), &ContextWindow::default());
    let mut item = read(&built);
    let long = "\u{2}".repeat(5_000);
    for _ in 0..20 {
        item.reasons.push(item.reasons[0].clone());
        item.parties.push(item.parties[0].clone());
        item.messages.push(item.messages[0].clone());
    }
    for reason in &mut item.reasons {
        reason.message = 5;
        for text in [
            &mut reason.rule,
            &mut reason.version,
            &mut reason.policy,
            &mut reason.title,
        ] {
            *text = long.as_str().into();
        }
    }
    for message in &mut item.messages {
        message.message_id = "m".repeat(128).into();
        message.sender_id = "s".repeat(128).into();
        message.lang = Some("l".repeat(128).into());
        message.edited_at = message.sent_at.clone();
    }
    for party in &mut item.parties {
        party.id = "p".repeat(128).into();
        party.region = Some("r".repeat(128).into());
    }
    item.conversation_id = "c".repeat(128).into();
    item.provenance.topic = "t".repeat(249).into();
    item.context.last_offsets = vec![i64::MAX; 100];
    reference::shrink(&mut item);
    let payload = json(&mut item);
    check("review-item.v1", &payload).unwrap();
    // The longest key is a conversation id that is not hashed yet; headers take two hundred bytes.
    let size = payload.len() + 1024 + 300;
    assert!(size <= REFERENCE_MAX_BYTES, "{size}");
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
