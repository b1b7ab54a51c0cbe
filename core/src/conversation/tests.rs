use proptest::prelude::*;

use super::*;

const KEY: Key<'static> = Key {
    conversation_id: "c",
    sender_id: "s",
    cue: "rule#0",
};

fn key(cue: &str) -> Key<'_> {
    Key { cue, ..KEY }
}

#[test]
fn a_message_counts_once() {
    let mut store = Store::default();
    let entry = store.observe(KEY, 7, Millis(1_000)).unwrap();
    assert_eq!(
        (entry.offset, entry.at, &*entry.cue),
        (7, Millis(1_000), "rule#0")
    );
    assert!(store.observe(KEY, 7, Millis(1_000)).is_none());
    assert_eq!(store.count(KEY, 7, Millis(0)), 1);
    assert_eq!(store.len(), 1);
}

#[test]
fn keys_do_not_mix() {
    let mut store = Store::default();
    let _ = store.observe(KEY, 1, Millis(1));
    let _ = store.observe(key("other#0"), 2, Millis(2));
    let _ = store.observe(
        Key {
            sender_id: "t",
            ..KEY
        },
        3,
        Millis(3),
    );
    let _ = store.observe(
        Key {
            conversation_id: "d",
            ..KEY
        },
        4,
        Millis(4),
    );
    assert_eq!(store.count(KEY, i64::MAX, Millis(0)), 1);
    assert_eq!(store.len(), 4);
}

#[test]
fn expired_entries_come_back_for_deletion() {
    let mut store = Store::default();
    for offset in 0..10 {
        let _ = store.observe(KEY, offset, Millis(offset * 100));
    }
    let dropped = store.expire(Millis(300));
    assert_eq!(
        dropped.iter().map(|entry| entry.offset).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert_eq!(store.len(), 6);
    assert_eq!(store.expire(Millis(10_000)).len(), 6);
    assert!(store.is_empty() && store.series.is_empty());
}

#[test]
fn a_flood_stays_within_the_bound() {
    let mut store = Store::new(100);
    for offset in 0..10_000 {
        let _ = store.observe(KEY, offset, Millis(offset));
        assert!(store.len() <= 200);
    }
    let dropped = store.expire(Millis(-1)).len();
    assert_eq!(dropped + store.len(), 10_000);
}

proptest! {
    /// Entries in any order, with repeats and with record times that go backward, against a list.
    #[test]
    fn counts_like_a_list(
        added in prop::collection::vec((0usize..3, 0i64..40, 0i64..100), 0..120),
        expire in prop::option::of(0i64..100),
        up_to in -1i64..45,
        after in -1i64..100,
        at_least in 0usize..8,
    ) {
        let cues = ["a#0", "a#1", "b#0"];
        let mut store = Store::default();
        let mut list: Vec<(usize, i64, i64)> = Vec::new();
        for (cue, offset, at) in added {
            let new = store.observe(key(cues[cue]), offset, Millis(at)).is_some();
            prop_assert_eq!(new, !list.iter().any(|known| (known.0, known.1) == (cue, offset)));
            if new {
                list.push((cue, offset, at));
            }
        }
        if let Some(before) = expire {
            let dropped = store.expire(Millis(before));
            let known = list.len();
            list.retain(|&(_, _, at)| at > before);
            prop_assert_eq!(dropped.len(), known - list.len());
        }
        prop_assert_eq!(store.len(), list.len());
        for (index, cue) in cues.iter().enumerate() {
            let naive = list
                .iter()
                .filter(|&&(of, offset, at)| of == index && offset <= up_to && at > after)
                .count();
            prop_assert_eq!(store.count(key(cue), up_to, Millis(after)), naive);
            let reached = store.reaches(key(cue), up_to, Millis(after), at_least);
            prop_assert_eq!(reached, naive >= at_least);
        }
    }

    /// The claim on [`Store`]: as long as redelivery reaches back less than the bound allows, the
    /// bounded store answers like one that forgets nothing, whatever the record times do.
    #[test]
    fn the_bound_changes_no_answer(
        times in prop::collection::vec(0i64..200, 1..200),
        at_least in 1usize..6,
        in_flight in 0usize..10,
        window in 1i64..100,
    ) {
        let mut bounded = Store::new(at_least + in_flight);
        let mut whole = Store::new(usize::MAX / 4);
        for (newest, &at) in times.iter().enumerate() {
            let _ = bounded.observe(KEY, newest as i64, Millis(at));
            let _ = whole.observe(KEY, newest as i64, Millis(at));
            let again = times.iter().enumerate().take(newest + 1);
            for (offset, &at) in again.skip(newest.saturating_sub(in_flight)) {
                let after = Millis(at - window);
                prop_assert_eq!(
                    bounded.reaches(KEY, offset as i64, after, at_least),
                    whole.reaches(KEY, offset as i64, after, at_least),
                );
            }
        }
    }

    #[test]
    fn restoring_in_any_order_gives_the_same_store(
        added in prop::collection::vec((0i64..40, 0i64..100), 0..60),
        seed in any::<u64>(),
    ) {
        let mut store = Store::default();
        let mut entries: Vec<Entry> =
            added.iter().filter_map(|&(offset, at)| store.observe(KEY, offset, Millis(at))).collect();
        entries.sort_by_key(|entry| (entry.offset as u64).wrapping_mul(seed | 1));
        let mut restored = Store::default();
        for entry in entries.iter().chain(entries.iter().take(5)) {
            restored.restore(entry.clone());
        }
        prop_assert_eq!(restored.len(), store.len());
        for up_to in 0..40 {
            prop_assert_eq!(restored.count(KEY, up_to, Millis(50)), store.count(KEY, up_to, Millis(50)));
        }
    }
}
