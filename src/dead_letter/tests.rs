use proptest::prelude::*;
use rdkafka::message::OwnedHeaders;

use super::*;
use crate::record::{HeaderPair, kafka_headers};
use crate::schema_check::check;
use crate::seal::{OpenError, Opener, PrivateKey, Purpose};
use dmwatch_core::message::Millis;

const CANARY: &str = "canary-7f3a";

fn key() -> PrivateKey {
    PrivateKey::generate(Purpose::DeadLetter).unwrap()
}

fn maker(key: &PrivateKey, output_max_bytes: usize) -> DeadLetters {
    let sealer = Sealer::new(key.public().clone()).unwrap();
    DeadLetters::new(
        "dm.dead-letter".into(),
        "group",
        "0.1.0",
        output_max_bytes,
        sealer,
    )
}

fn source() -> Source<'static> {
    Source {
        topic: "dm.messages",
        partition: 3,
        offset: 42,
        at: Millis(1_700_000_000_123),
        attempt: 1,
    }
}

fn failed<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Failed<'a> {
    Failed {
        source: source(),
        key,
        value,
        stage: Stage::Decode,
        reason: Reason::InvalidJson,
    }
}

#[test]
fn a_dead_letter_says_where_and_why_and_shows_nothing() {
    let key = key();
    let record = maker(&key, 10_000).record(&failed(
        Some(b"canary-7f3a-key"),
        Some(b"{\"text\":\"canary-7f3a"),
    ));
    assert_eq!(record.key, b"dm.messages/3/42");
    let shown: Vec<(&str, &str)> = record
        .headers
        .iter()
        .map(|(name, value)| (*name, std::str::from_utf8(value).unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("x-dlq-source-topic", "dm.messages"),
            ("x-dlq-source-partition", "3"),
            ("x-dlq-source-offset", "42"),
            ("x-dlq-source-timestamp", "1700000000123"),
            ("x-dlq-stage", "decode"),
            ("x-dlq-reason", "invalid_json"),
            ("x-dlq-attempt", "1"),
            ("x-dlq-worker-version", "0.1.0"),
            ("x-dlq-group", "group"),
        ]
    );
    let payload = String::from_utf8(record.payload.clone().unwrap()).unwrap();
    assert!(!payload.contains(CANARY));

    check("dead-letter.v1", payload.as_bytes()).unwrap();
    let shown: serde_json::Map<String, serde_json::Value> = shown
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let shown = serde_json::to_vec(&shown).unwrap();
    check("dead-letter.v1#/$defs/headers", &shown).unwrap();

    let letter = Letter::read(&kafka_headers(&record.headers)).unwrap();
    assert_eq!(letter.source(), source());
    let contents = letter
        .open(&mut Opener::new(key), payload.as_bytes())
        .unwrap();
    assert_eq!(contents.key.unwrap().as_slice(), b"canary-7f3a-key");
    assert_eq!(
        contents.value.unwrap().as_slice(),
        b"{\"text\":\"canary-7f3a"
    );
}

#[test]
fn absent_and_empty_come_back_as_they_were() {
    let key = key();
    let mut maker = maker(&key, 10_000);
    let mut opener = Opener::new(key);
    for (key, value) in [(None, None), (None, Some(&b""[..])), (Some(&b""[..]), None)] {
        let record = maker.record(&failed(key, value));
        let letter = Letter::read(&kafka_headers(&record.headers)).unwrap();
        let contents = letter.open(&mut opener, &record.payload.unwrap()).unwrap();
        assert_eq!(contents.key.as_deref().map(Vec::as_slice), key);
        assert_eq!(contents.value.as_deref().map(Vec::as_slice), value);
    }
}

#[test]
fn headers_that_differ_from_what_was_sealed_are_found() {
    let key = key();
    let record = maker(&key, 10_000).record(&failed(Some(b"k"), Some(b"v")));
    let payload = record.payload.clone().unwrap();
    let mut opener = Opener::new(key);
    let mut open = |name: &str, value: &str| {
        let mut headers = record.headers.clone();
        for header in &mut headers {
            if header.0 == name {
                header.1 = value.as_bytes().to_vec().into();
            }
        }
        Letter::read(&kafka_headers(&headers))
            .and_then(|letter| letter.open(&mut opener, &payload).map(|_| ()))
            .unwrap_err()
    };
    let altered = |coordinates: &str| {
        LetterError::Open(OpenError::Altered {
            id: coordinates.to_owned(),
        })
    };
    assert_eq!(open("x-dlq-source-topic", "other"), altered("other/3/42"));
    assert_eq!(
        open("x-dlq-source-offset", "43"),
        altered("dm.messages/3/43")
    );
    assert_eq!(
        open("x-dlq-source-timestamp", "1"),
        LetterError::Forged {
            name: "x-dlq-source-timestamp"
        }
    );
    assert_eq!(
        open("x-dlq-attempt", "0"),
        LetterError::Forged {
            name: "x-dlq-attempt"
        }
    );
    assert_eq!(
        open("x-dlq-reason", "it said hello").to_string(),
        "header `x-dlq-reason`: expected a known reason"
    );
}

#[test]
fn what_is_too_large_goes_out_as_a_reference() {
    let key = key();
    let limit = 4_000;
    let mut maker = maker(&key, limit);
    let mut opener = Opener::new(key);
    for length in [0, 1_000, 2_000, 2_500, 3_000, 3_990, 4_000, 100_000] {
        let value = vec![b'x'; length];
        let record = maker.record(&failed(Some(b"k"), Some(&value)));
        assert!(record.size() <= limit, "{length}");
        let payload = record.payload.unwrap();
        check("dead-letter.v1", &payload).unwrap();
        let read: Value<'_> = serde_json::from_slice(&payload).unwrap();
        assert_eq!(read.value_bytes, Some(length as u64));
        let letter = Letter::read(&kafka_headers(&record.headers)).unwrap();
        let opened = letter.open(&mut opener, &payload);
        // Base64 makes three bytes four.
        assert_eq!(read.form == Form::Whole, length <= 2_500, "{length}");
        assert_eq!(opened.is_ok(), read.form == Form::Whole);
        if read.form == Form::Reference {
            assert_eq!(opened.err(), Some(LetterError::Reference));
            let identity: [&[u8]; 4] = [&[1, 1], &source().at.0.to_be_bytes(), b"k", &value];
            let sealed = read.sealed.unwrap();
            let same = opener.is_digest_of(&subject("dm.messages/3/42"), &sealed, &identity);
            assert_eq!(same, Ok(Some(true)));
        }
    }
}

#[test]
fn a_refused_dead_letter_becomes_a_reference() {
    let key = key();
    let record = maker(&key, 1_000_000).record(&failed(Some(b"k"), Some(&[b'x'; 50_000])));
    let reference = reference_of(&record).unwrap();
    assert!(reference.size() < 1_000, "{}", reference.size());
    assert_eq!(reference.headers, record.headers);
    assert_eq!(reference.key, record.key);
    let payload = reference.payload.unwrap();
    check("dead-letter.v1", &payload).unwrap();
    let value: Value<'_> = serde_json::from_slice(&payload).unwrap();
    assert_eq!(value.form, Form::Reference);
    assert!(value.sealed.unwrap().digest.is_some());
}

#[test]
fn the_schema_lists_every_reason_and_stage() {
    let schema = include_bytes!("../../schemas/dead-letter.v1.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(schema).unwrap();
    let headers = &schema["$defs"]["headers"]["properties"];
    let listed = |name: &str| {
        let names = headers[name]["enum"].as_array().unwrap().iter();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let reasons: Vec<String> = listed("x-dlq-reason");
    assert_eq!(
        reasons,
        Reason::ALL
            .iter()
            .map(|one| one.as_str())
            .collect::<Vec<_>>()
    );
    let stages: Vec<String> = listed("x-dlq-stage");
    assert_eq!(
        stages,
        Stage::ALL
            .iter()
            .map(|one| one.as_str())
            .collect::<Vec<_>>()
    );
}

#[test]
fn names_read_back() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_name(reason.as_str()), Some(*reason));
    }
    for stage in Stage::ALL {
        assert_eq!(Stage::from_name(stage.as_str()), Some(*stage));
    }
    assert_eq!(Reason::from_name("panicked"), None);
}

// === replays ===

#[test]
fn a_signed_replay_keeps_its_coordinates() {
    let key = key();
    let verifier = ReplayVerifier::new(key.public().clone());
    let headers = replay::headers_for(&source(), Some(b"k"), Some(b"v"), &key).unwrap();
    let claim = ReplayHeaders::of(&kafka_headers(&headers)).unwrap();
    assert_eq!(
        verifier.verify(&claim, Some(b"k"), Some(b"v")),
        Ok(source())
    );
    for (key, value) in [
        (Some(&b"kv"[..]), Some(&b""[..])),
        (Some(b"k"), Some(b"w")),
        (Some(b"k"), None),
        (None, Some(b"v")),
    ] {
        assert_eq!(
            verifier.verify(&claim, key, value),
            Err(ReplayError::Signature)
        );
    }
    let other = ReplayVerifier::new(self::key().public().clone());
    assert_eq!(
        other.verify(&claim, Some(b"k"), Some(b"v")),
        Err(ReplayError::Signature)
    );
}

#[test]
fn every_header_of_a_replay_is_signed_and_needed() {
    let key = key();
    let verifier = ReplayVerifier::new(key.public().clone());
    let good = replay::headers_for(&source(), Some(b"k"), Some(b"v"), &key).unwrap();
    let verify = |headers: &[HeaderPair]| {
        let claim = ReplayHeaders::of(&kafka_headers(headers)).unwrap();
        verifier.verify(&claim, Some(b"k"), Some(b"v")).map(|_| ())
    };
    assert_eq!(verify(&good), Ok(()));
    for index in 0..good.len() {
        let mut less = good.clone();
        less.remove(index);
        assert_eq!(verify(&less), Err(ReplayError::Malformed));

        let mut other = good.clone();
        other[index].1 = b"7".into();
        let expected = match good[index].0 {
            headers::REPLAY_SIGNATURE => ReplayError::Malformed,
            _ => ReplayError::Signature,
        };
        assert_eq!(verify(&other), Err(expected), "{}", good[index].0);
    }
}

#[test]
fn other_headers_claim_nothing() {
    let headers = kafka_headers(&[("traceparent", b"00-ff".into()), ("x", vec![0xff].into())]);
    assert_eq!(ReplayHeaders::of(&headers), None);
    assert_eq!(ReplayHeaders::of(&OwnedHeaders::new()), None);
}

proptest! {
    #[test]
    fn any_key_and_value_round_trip(
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..100)),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..500)),
    ) {
        let pair = self::key();
        let record = maker(&pair, 10_000).record(&failed(key.as_deref(), value.as_deref()));
        let letter = Letter::read(&kafka_headers(&record.headers)).unwrap();
        let opened = letter.open(&mut Opener::new(pair), &record.payload.unwrap()).unwrap();
        prop_assert_eq!(opened.key.map(|bytes| bytes.to_vec()), key);
        prop_assert_eq!(opened.value.map(|bytes| bytes.to_vec()), value);
    }

    #[test]
    fn arbitrary_values_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let pair = self::key();
        let record = maker(&pair, 10_000).record(&failed(None, None));
        let letter = Letter::read(&kafka_headers(&record.headers)).unwrap();
        prop_assert!(letter.open(&mut Opener::new(pair), &payload).is_err());
    }
}
