//! Records that are not as the schema says: those that must end as dead letters, and those that must
//! be judged all the same.

use serde_json::{Value, json};

use super::{Expected, Generator, Planned};

/// Levels of nesting: far past any parser's stack.
const DEEP: usize = 20_000;

impl Generator {
    /// One record of each kind that cannot be decoded. Each holds a canary.
    pub fn poison(&mut self) -> Vec<Planned> {
        let mut records = vec![
            self.raw("empty_value", None),
            self.raw("empty_value", Some(Vec::new())),
        ];
        let whole = |generator: &mut Self| generator.flagged().input.value.expect("a value");

        let mut cut_off = whole(self);
        cut_off.truncate(cut_off.len() - 20);
        records.push(self.raw("invalid_json", Some(cut_off)));

        let mut continued = whole(self);
        continued.extend_from_slice(b" and more");
        records.push(self.raw("invalid_json", Some(continued)));

        let text = whole(self);
        records.push(self.raw("invalid_json", Some([b"not json: ", &text[..]].concat())));

        let mut bad_utf8 = whole(self);
        let middle = bad_utf8.len() / 2;
        bad_utf8.splice(middle..middle, [0xff, 0xfe, 0xc0]);
        records.push(self.raw("invalid_utf8", Some(bad_utf8)));

        let mut doubled = whole(self);
        doubled.pop();
        doubled.extend_from_slice(br#","text":"again"}"#);
        records.push(self.raw("duplicate_field", Some(doubled)));

        let nested = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
        records.push(self.raw("wrong_type", Some(nested.clone().into_bytes())));
        let in_text = json_with(&self.document(), "text", &nested);
        records.push(self.raw("wrong_type", Some(in_text)));

        for (path, value) in [
            ("text", json!(17)),
            ("text", json!({"parts": [super::CANARY]})),
            ("sender", json!(super::CANARY)),
            ("recipients", json!(super::CANARY)),
            ("recipients", json!([super::CANARY])),
            ("message_id", json!([super::CANARY])),
            ("first_contact", json!(super::CANARY)),
        ] {
            records.push(self.with("wrong_type", path, value));
        }
        for path in [
            "text",
            "message_id",
            "conversation_id",
            "sender",
            "recipients",
        ] {
            records.push(self.with("missing_field", path, Value::Null));
            let mut document = self.document();
            document.as_object_mut().expect("an object").remove(path);
            records.push(self.raw("missing_field", Some(document.to_string().into_bytes())));
        }
        records.push(self.with("missing_field", "recipients", json!([])));
        records
    }

    /// One record of each kind that is unusual and still a message.
    pub fn unusual(&mut self) -> Vec<Planned> {
        let nested = format!("{}{}", r#"{"a":["#.repeat(DEEP), "]}".repeat(DEEP));
        vec![
            self.flagged_but("an_unknown_field", r#"{"nested": [1, "two", null]}"#),
            self.flagged_but("deep", &nested),
            self.flagged_but("lang", "null"),
            self.flagged_but("sent_at", "1793614830123"),
            self.flagged_but("attachments", r#"[{"kind": "image", "hash": "9f86d0"}]"#),
            self.flagged_but("edited_at", r#""2026-11-02T10:21:00Z""#),
        ]
    }

    /// A flagged message whose field `name` holds the JSON in `value`.
    fn flagged_but(&mut self, name: &str, value: &str) -> Planned {
        let mut planned = self.flagged();
        let document = planned.input.value.as_deref().expect("a value");
        let document: Value = serde_json::from_slice(document).expect("JSON");
        planned.input.value = Some(json_with(&document, name, value));
        planned
    }

    fn with(&mut self, reason: &'static str, name: &str, value: Value) -> Planned {
        let mut document = self.document();
        document[name] = value;
        self.raw(reason, Some(document.to_string().into_bytes()))
    }

    fn document(&mut self) -> Value {
        let value = self.flagged().input.value.expect("a value");
        serde_json::from_slice(&value).expect("JSON")
    }

    /// Keys are unique, so that two equal values are still two records to the oracle.
    pub fn raw(&mut self, reason: &'static str, value: Option<Vec<u8>>) -> Planned {
        let mut planned = self.clean();
        let key = format!("odd-{}-{}", self.name, self.next);
        planned.input.key = Some(key.into_bytes());
        planned.input.value = value;
        planned.expected = Expected::DeadLettered { reason };
        planned
    }
}

/// The document with one field set to text that is JSON already, too deep for a `Value`.
fn json_with(document: &Value, name: &str, json: &str) -> Vec<u8> {
    let mut document = document.clone();
    let fields = document.as_object_mut().expect("an object");
    fields.remove(name);
    let mut text = document.to_string();
    text.pop();
    text.push_str(&format!(",\"{name}\":{json}}}"));
    text.into_bytes()
}
