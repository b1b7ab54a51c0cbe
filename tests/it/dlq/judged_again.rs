//! What a worker makes of replayed records, and of headers that only look like a replay's.

use super::*;

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
