//! What an item sheds to fit, and references, which always fit.

use super::*;

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
