//! What an item says, and what it says to nobody.

use super::*;

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
            assert_eq!(*built.headers[2].1, *b"unassigned");
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
