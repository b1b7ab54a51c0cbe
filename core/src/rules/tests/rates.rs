//! `rate` conditions: counting over record time, the same whenever it is asked.

use proptest::prelude::*;

use super::*;
use crate::conversation::Entry;

fn flood() -> Ruleset {
    one(
        "  - {id: flood, title: T, status: stable, severity: low, when: {all: [{rate: {of: {phrases: [buy]}, at_least: 3, within: 10s}}, {sender: {age_band: adult}}]}}\n",
    )
}

fn run(judge: &mut Judge, store: &mut Store, text: &str, position: Position) -> (bool, Vec<Entry>) {
    let verdict = judge.judge(&message(text), position, store);
    (verdict.outcome == Outcome::Flagged, verdict.state)
}

#[test]
fn fires_when_the_count_is_reached_in_the_window() {
    let ruleset = flood();
    assert_eq!(ruleset.longest_window(), Millis(10_000));
    let mut judge = Judge::new(Arc::new(ruleset));
    let mut store = Store::default();
    let mut step = |text: &str, second: i64| run(&mut judge, &mut store, text, at(second)).0;
    assert!(!step("buy", 1));
    assert!(!step("hello", 2));
    assert!(!step("buy", 5));
    assert!(step("buy", 10));
    assert!(!step("hello", 10), "only a message that counts fires");
    // The first one is exactly ten seconds ago: outside.
    assert!(!step("buy", 15));
    assert!(step("buy", 16));
}

#[test]
fn state_is_named_once_with_the_rule() {
    let mut judge = Judge::new(Arc::new(flood()));
    let mut store = Store::default();
    let (_, state) = run(&mut judge, &mut store, "buy", at(1));
    assert_eq!(state.len(), 1);
    assert_eq!(
        (
            &*state[0].cue,
            &*state[0].conversation_id,
            &*state[0].sender_id
        ),
        ("flood#0", "c1", "s")
    );
    assert!(run(&mut judge, &mut store, "buy", at(1)).1.is_empty());
    assert!(run(&mut judge, &mut store, "hello", at(2)).1.is_empty());
    assert_eq!(store.len(), 1);
}

#[test]
fn a_message_counts_whoever_sends_it_and_each_sender_alone() {
    // The rule only fires on adults, but what is counted does not depend on the rest of the rule.
    let mut judge = Judge::new(Arc::new(flood()));
    let mut store = Store::default();
    for second in 0..4 {
        let mut message = message("buy");
        message.sender.id = format!("s{}", second % 2).into();
        let verdict = judge.judge(&message, at(second), &mut store);
        assert_eq!(verdict.outcome, Outcome::Clean);
        assert_eq!(verdict.state.len(), 1);
    }
    let mut minor = message("buy");
    minor.sender.age_band = AgeBand::Unknown;
    assert_eq!(judge.judge(&minor, at(5), &mut store).state.len(), 1);
}

#[test]
fn a_rate_can_be_part_of_anything() {
    let ruleset = one(&rule(
        "a",
        "{any: [{phrases: [now]}, {not: {rate: {of: {regex: 'x'}, at_least: 2, within: 1m}}}]}",
    ));
    let mut judge = Judge::new(Arc::new(ruleset));
    let mut store = Store::default();
    assert!(run(&mut judge, &mut store, "x", at(1)).0);
    assert!(!run(&mut judge, &mut store, "x", at(2)).0);
    assert!(run(&mut judge, &mut store, "y", at(3)).0);
}

#[test]
fn spans_of_a_flood_are_those_of_what_was_counted() {
    let mut judge = Judge::new(Arc::new(flood()));
    let mut store = Store::default();
    let mut last = None;
    for second in 0..3 {
        last = Some(judge.judge(&message("please buy it"), at(second), &mut store));
    }
    assert_eq!(last.unwrap().reasons[0].spans[0].bytes, 7..10);
}

proptest! {
    /// Whatever was already judged, and in whatever order it comes again, the verdict on a message
    /// is the one it had the first time.
    #[test]
    fn a_redelivered_message_is_judged_the_same(
        texts in prop::collection::vec((any::<bool>(), 0i64..20), 1..40),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        restart in any::<prop::sample::Index>(),
    ) {
        let ruleset = Arc::new(flood());
        let mut judge = Judge::new(Arc::clone(&ruleset));
        let mut store = Store::default();
        let message_at = |index: usize| {
            let (buy, second) = texts[index];
            let position = Position { offset: index as i64, at: Millis(second * 1_000) };
            (if buy { "buy" } else { "hello" }, position)
        };
        let mut first = Vec::new();
        let mut durable = Vec::new();
        for index in 0..texts.len() {
            let (text, position) = message_at(index);
            let (flagged, state) = run(&mut judge, &mut store, text, position);
            first.push(flagged);
            durable.extend(state);
        }
        for index in again {
            let index = index.index(texts.len());
            let (text, position) = message_at(index);
            let (flagged, state) = run(&mut judge, &mut store, text, position);
            prop_assert_eq!(flagged, first[index]);
            prop_assert!(state.is_empty());
        }
        // After a crash: state up to anywhere was durable, and everything from there comes again.
        let from = restart.index(texts.len());
        let mut restored = Store::default();
        durable.into_iter().filter(|entry| entry.offset < from as i64).for_each(|entry| restored.restore(entry));
        for (index, expected) in first.iter().enumerate().skip(from) {
            let (text, position) = message_at(index);
            prop_assert_eq!(run(&mut judge, &mut restored, text, position).0, *expected);
        }
    }
}
