use std::borrow::Cow;
use std::collections::VecDeque;

use dmwatch_core::message::{AgeBand, MessageText, Party};
use proptest::prelude::*;
use smallvec::smallvec;

use super::*;

const ONE: AssignmentId = AssignmentId(1);

fn party(id: &str) -> Party<'_> {
    Party {
        id: id.into(),
        age_band: AgeBand::Adult,
        region: Cow::Borrowed("US"),
        account_age_days: None,
    }
}

fn message<'a>(conversation: &'a str, id: &'a str, text: &'a str, opens: bool) -> Message<'a> {
    Message {
        message_id: id.into(),
        conversation_id: conversation.into(),
        sent_at: "1".into(),
        text: MessageText::new(text),
        sender: party("a"),
        recipients: smallvec![party("b")],
        first_contact: opens.then_some(true),
        lang: None,
        edited_at: None,
        attachments: smallvec![],
    }
}

fn ring(messages: usize, max_bytes: usize) -> ContextRing {
    ContextRing::new(Limits {
        messages,
        max_age: Millis(1_000),
        max_bytes,
    })
}

fn texts(ring: &ContextRing, of: AssignmentId, conversation: &str, now: i64) -> Vec<String> {
    let window = ring.window(of, conversation, Millis(now));
    let texts = window.messages.iter();
    texts
        .map(|message| message.text.reveal().to_owned())
        .collect()
}

#[test]
fn a_window_is_complete_when_nothing_is_missing() {
    let mut ring = ring(2, 10_000);
    ring.push(ONE, 1, Millis(0), &message("c", "m1", "one", true));
    let window = ring.window(ONE, "c", Millis(0));
    assert!(window.complete);
    assert_eq!(window.messages[0].offset, 1);
    ring.push(ONE, 2, Millis(0), &message("d", "m2", "x", false));
    assert!(!ring.window(ONE, "d", Millis(0)).complete);
    assert!(!ring.window(ONE, "nobody", Millis(0)).complete);
    ring.push(ONE, 3, Millis(0), &message("c", "m3", "two", false));
    ring.push(ONE, 4, Millis(0), &message("c", "m4", "three", false));
    assert_eq!(texts(&ring, ONE, "c", 0), ["two", "three"]);
    assert!(ring.window(ONE, "c", Millis(0)).complete);
}

#[test]
fn old_messages_and_revoked_ones_are_gone() {
    let mut ring = ring(5, 10_000);
    ring.push(ONE, 1, Millis(0), &message("c", "m1", "one", false));
    ring.push(
        AssignmentId(2),
        1,
        Millis(0),
        &message("c", "m2", "else", false),
    );
    assert_eq!(texts(&ring, ONE, "c", 1_001), [""; 0]);
    assert_eq!(texts(&ring, ONE, "c", 1_000), ["one"]);
    ring.forget(ONE);
    assert_eq!(texts(&ring, ONE, "c", 0), [""; 0]);
    assert_eq!(texts(&ring, AssignmentId(2), "c", 0), ["else"]);
    assert!(!ring.bytes.windows(3).any(|bytes| bytes == b"one"));
    ring.push(ONE, 9, Millis(5_000), &message("c", "m9", "new", false));
    assert_eq!(ring.len(), 1);
}

#[test]
fn a_giant_message_pushes_nothing_out() {
    let mut ring = ring(5, 400);
    ring.push(ONE, 1, Millis(0), &message("d", "m0", "other", false));
    ring.push(ONE, 2, Millis(0), &message("c", "m1", "one", false));
    ring.push(
        ONE,
        3,
        Millis(0),
        &message("c", "m2", &"x".repeat(101), false),
    );
    ring.push(ONE, 4, Millis(0), &message("c", "m3", "two", false));
    assert_eq!(texts(&ring, ONE, "c", 0), ["two"]);
    assert!(!ring.window(ONE, "c", Millis(0)).complete);
    assert_eq!(texts(&ring, ONE, "d", 0), ["other"]);
}

proptest! {
    /// The newest messages of each conversation that a ring of that size can hold are there, in
    /// order, and never anything else.
    #[test]
    fn agrees_with_a_plain_list(pushes in proptest::collection::vec((0..4_usize, 0..30_usize), 1..120)) {
        let names = ["c0", "c1", "c2", "c3"];
        let mut ring = ring(3, 256);
        let mut all: VecDeque<(usize, String)> = VecDeque::new();
        for (number, (conversation, len)) in pushes.into_iter().enumerate() {
            let text = format!("{number}:{}", "y".repeat(len));
            let id = format!("m{number}");
            ring.push(ONE, number as i64, Millis(0), &message(names[conversation], &id, &text, false));
            all.push_back((conversation, text));
            let kept: Vec<&(usize, String)> = all.iter().rev().take(ring.len()).collect();
            prop_assert!(ring.len() >= all.len().min(3), "three messages always fit");
            for (at, name) in names.iter().enumerate() {
                let mut expected: Vec<&str> = kept.iter()
                    .filter(|(of, _)| *of == at).take(3).map(|(_, text)| text.as_str()).collect();
                expected.reverse();
                prop_assert_eq!(texts(&ring, ONE, name, 0), expected);
            }
        }
    }
}
