use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::message::{AgeBand, Field, Millis};

const FULL: &str = r#"{"message_id":"m1","conversation_id":"c1","sent_at":"2026-11-24T10:00:00Z","text":"see you at eight","sender":{"id":"u1","age_band":"adult","region":"US","account_age_days":12},"recipients":[{"id":"u2","age_band":"13_15","region":"IE"},{"id":"u3"}],"first_contact":true,"lang":"en","edited_at":null,"attachments":[{"kind":"image","hash":"ab","match":"known"},{"kind":"link"}],"extra":{"deep":[1,2,{"x":null}]}}"#;

fn fault(json: &str) -> (DecodeReason, Option<&'static str>) {
    match FieldMap::default().decode(json.as_bytes()) {
        Ok(_) => panic!("decoded: {json}"),
        Err(error) => (error.reason, error.field),
    }
}

fn with(key: &str, value: &str) -> String {
    let mut tree: serde_json::Value = serde_json::from_str(FULL).unwrap();
    tree[key] = serde_json::from_str(value).unwrap();
    tree.to_string()
}

#[test]
fn a_complete_message_decodes_and_borrows() {
    let map = FieldMap::default();
    let Ok(message) = map.decode(FULL.as_bytes()) else {
        panic!("does not decode")
    };
    assert_eq!(message.message_id, "m1");
    assert_eq!(message.text.reveal(), "see you at eight");
    assert!(matches!(message.conversation_id, Cow::Borrowed(_)));
    assert_eq!(message.sender.account_age_days, Some(12));
    assert_eq!(message.recipients.len(), 2);
    assert_eq!(message.recipients[0].age_band, AgeBand::From13To15);
    assert_eq!(message.recipients[1].age_band, AgeBand::Unknown);
    assert_eq!(message.recipients[1].region, "");
    assert_eq!(message.first_contact, Some(true));
    assert_eq!(message.edited_at, None);
    assert_eq!(message.attachments[0].known.as_deref(), Some("known"));
    assert_eq!(message.attachments[1].hash, None);
    assert_eq!(message.sent_at_millis(), Some(Millis(1_795_514_400_000)));
    assert!(message.is_minor_with_adult_or_unknown());
}

#[test]
fn each_fault_has_its_reason_and_field() {
    use DecodeReason::*;
    assert_eq!(fault(""), (EmptyValue, None));
    assert_eq!(fault("null"), (MissingField, Some("recipients")));
    assert_eq!(fault("[]"), (WrongType, Some("message")));
    assert_eq!(fault("\"text\""), (WrongType, Some("message")));
    assert_eq!(fault("{"), (InvalidJson, None));
    assert_eq!(fault(&format!("{FULL} x")), (InvalidJson, None));
    assert_eq!(fault(&with("text", "null")), (MissingField, Some("text")));
    assert_eq!(fault(&with("text", "7")), (WrongType, Some("text")));
    assert_eq!(fault(&with("text", "{}")), (WrongType, Some("text")));
    assert_eq!(
        fault(&with("message_id", "\"\"")),
        (MissingField, Some("message_id"))
    );
    assert_eq!(
        fault(&with("sender", "null")),
        (MissingField, Some("sender.id"))
    );
    assert_eq!(fault(&with("sender", "[]")), (WrongType, Some("sender")));
    assert_eq!(
        fault(&with("recipients", "[]")),
        (MissingField, Some("recipients"))
    );
    assert_eq!(
        fault(&with("recipients", "[{}]")),
        (MissingField, Some("recipients.id"))
    );
    assert_eq!(
        fault(&with("recipients", "[1]")),
        (WrongType, Some("recipients"))
    );
    assert_eq!(
        fault(&with("first_contact", "\"yes\"")),
        (WrongType, Some("first_contact"))
    );
    assert_eq!(
        fault(r#"{"text":"a","text":"b"}"#),
        (DuplicateField, Some("text"))
    );
    let deep = format!(r#"{{"extra":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    assert_eq!(fault(&deep), (MissingField, Some("recipients")));
    let deep = with("text", &format!("{}{}", "[".repeat(100), "]".repeat(100)));
    assert_eq!(fault(&deep), (WrongType, Some("text")));
    assert_eq!(fault(&"[".repeat(100_000)), (WrongType, Some("message")));
    let error = FieldMap::default().decode(&[b'{', 0xff]).err();
    assert_eq!(error.map(|error| error.reason), Some(InvalidUtf8));
}

#[test]
fn a_fault_says_where_and_never_quotes() {
    let json = with("text", "{\"secret\": \"words\"}");
    let Err(error) = FieldMap::default().decode(json.as_bytes()) else {
        panic!("decoded")
    };
    let shown = error.to_string();
    assert!(
        shown.starts_with("wrong_type: text: expected a string"),
        "{shown}"
    );
    assert!(shown.contains("line 1, column "), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains("words"));
}

#[test]
fn foreign_shapes_are_mapped_by_path() {
    let paths: BTreeMap<String, String> = [
        ("text", "body.content"),
        ("message_id", "meta.id"),
        ("conversation_id", "meta.thread"),
        ("sender.id", "from"),
        ("sender.age_band", "profile.band"),
        ("recipients", "to.list"),
        ("recipients.id", "uid"),
    ]
    .map(|(field, path)| (field.to_owned(), path.to_owned()))
    .into();
    let map = FieldMap::new(&paths).unwrap();
    let json = r#"{"meta":{"id":17,"thread":"t"},"body":{"content":"hi","n":1},"sent_at":1,"from":"a","profile":{"band":"16_17"},"to":{"list":{"uid":"b","region":"US"}}}"#;
    let Ok(message) = map.decode(json.as_bytes()) else {
        panic!("does not decode")
    };
    assert_eq!(message.message_id, "17");
    assert_eq!(message.text.reveal(), "hi");
    assert_eq!(message.sender.age_band, AgeBand::From16To17);
    assert_eq!(message.recipients[0].id, "b");
    assert_eq!(message.recipients[0].region, "US");
}

#[test]
fn own_schema_has_every_field_and_bad_paths_are_all_reported() {
    for &field in Field::ALL {
        assert!(
            insert_again(field),
            "{} is not in the own schema",
            field.name()
        );
    }
    let paths: BTreeMap<String, String> = [
        ("txt", "a"),
        ("text", "a..b"),
        ("lang", "message_id"),
        ("sent_at", "message_id.inner"),
    ]
    .map(|(field, path)| (field.to_owned(), path.to_owned()))
    .into();
    let faults = FieldMap::new(&paths).unwrap_err();
    let fields: Vec<&str> = faults.iter().map(FieldPathErrorExt::name).collect();
    assert_eq!(fields, ["txt", "sent_at", "text", "lang"]);
}

trait FieldPathErrorExt {
    fn name(&self) -> &str;
}
impl FieldPathErrorExt for crate::message::FieldPathError {
    fn name(&self) -> &str {
        self.field()
    }
}

/// Mapping another field to where this one stands must clash, which shows that it stands there.
fn insert_again(field: Field) -> bool {
    let (intruder, path) = match field.name().split_once('.') {
        Some(("recipients" | "attachments", own)) => {
            let array = field.name().split('.').next().unwrap();
            let other = if array == "recipients" {
                "recipients.id"
            } else {
                "attachments.kind"
            };
            if other == field.name() {
                return true;
            }
            (other.to_owned(), own.to_owned())
        }
        _ if field == Field::Lang => return true,
        _ => ("lang".to_owned(), field.name().to_owned()),
    };
    FieldMap::new(&[(intruder, path)].into()).is_err()
}

#[test]
fn reports_decode_with_their_messages() {
    let json = format!(
        r#"{{"report_id":"r1","reporter_id":9,"reason":"bullying","note":null,"reported_at":"2026-11-24T10:00:00Z","messages":[{FULL},{FULL}],"x":1}}"#
    );
    let Ok(report) = FieldMap::default().decode_report(json.as_bytes()) else {
        panic!("does not decode")
    };
    assert_eq!(report.reporter_id, "9");
    assert!(report.note.is_none());
    assert_eq!(report.messages.len(), 2);
    let cases = [
        (r#"{"messages":[]}"#, DecodeReason::MissingField, "messages"),
        (r#"{"messages":{}}"#, DecodeReason::WrongType, "messages"),
        (r#"{"note":[1]}"#, DecodeReason::WrongType, "note"),
    ];
    for (json, reason, field) in cases {
        let error = FieldMap::default()
            .decode_report(json.as_bytes())
            .err()
            .unwrap();
        assert_eq!((error.reason, error.field), (reason, Some(field)), "{json}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _either = FieldMap::default().decode(&bytes).is_ok();
        let _either = FieldMap::default().decode_report(&bytes).is_ok();
    }

    #[test]
    fn a_damaged_message_never_panics_and_never_quotes(
        at in 0..FULL.len(), byte in any::<u8>(), cut in 0..FULL.len()
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        bytes[at] = byte;
        for slice in [&bytes[..], &bytes[..cut]] {
            if let Err(error) = FieldMap::default().decode(slice) {
                prop_assert!(!error.to_string().contains("eight"));
            }
        }
    }

    #[test]
    fn texts_survive(text in "\\PC*", key_order in any::<bool>()) {
        let sender = serde_json::json!({"id": "a"});
        let to = serde_json::json!([{"id": "b"}]);
        let quoted = serde_json::to_string(&text).unwrap();
        let json = if key_order {
            format!(r#"{{"text":{quoted},"recipients":{to},"sender":{sender},"sent_at":"1","conversation_id":"c","message_id":"m"}}"#)
        } else {
            format!(r#"{{"message_id":"m","conversation_id":"c","sent_at":1,"text":{quoted},"sender":{sender},"recipients":{to}}}"#)
        };
        let map = FieldMap::default();
        let message = map.decode(json.as_bytes());
        prop_assert!(message.is_ok_and(|message| message.text.reveal() == text));
    }
}
