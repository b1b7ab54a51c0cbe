use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What can happen to the partitions of one consumer.
#[derive(Debug, Clone)]
enum Event {
    /// A message arrives `gap` offsets after the newest one.
    Arrive { gap: i64 },
    /// An offset that arrived before arrives again.
    Repeat { back: usize },
    /// The ack of the n-th message that ever arrived, whichever assignment it came in.
    Ack { nth: usize },
    /// The n-th message is dropped unstarted.
    Drop { nth: usize },
    /// The partition is revoked and assigned again at the watermark.
    Reassign,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_i64).prop_map(|gap| Event::Arrive { gap }),
        1 => (0..5_usize).prop_map(|back| Event::Repeat { back }),
        8 => any::<usize>().prop_map(|nth| Event::Ack { nth }),
        1 => any::<usize>().prop_map(|nth| Event::Drop { nth }),
        1 => Just(Event::Reassign),
    ]
}

/// The naive model: for the current assignment, every offset and whether it is complete.
#[derive(Default)]
struct Model {
    start: i64,
    offsets: BTreeMap<i64, State>,
}

impl Model {
    fn watermark(&self) -> i64 {
        let incomplete = self
            .offsets
            .iter()
            .find(|(_, state)| **state != State::Complete);
        match incomplete {
            Some((&offset, _)) => {
                // Below it everything is complete; a gap below it belongs to nobody.
                let below = self.offsets.range(..offset).next_back();
                below.map_or(self.start, |(&last, _)| last + 1)
            }
            None => self
                .offsets
                .last_key_value()
                .map_or(self.start, |(&last, _)| last + 1),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_a_naive_model(
        start in 0..1_000_i64,
        events in proptest::collection::vec(event(), 0..200),
    ) {
        let mut generation = 0_u32;
        let mut ledger = Ledger::new(start);
        let mut model = Model { start, offsets: BTreeMap::new() };
        // Every message that ever arrived: its assignment, seq and offset.
        let mut arrived: Vec<(u32, Seq, i64)> = Vec::new();
        let mut stored = start;
        for event in events {
            match event {
                Event::Arrive { gap } => {
                    let offset = ledger.next_offset() + gap;
                    let seq = ledger.arrive(offset, 10);
                    prop_assert!(seq.is_some());
                    arrived.push((generation, seq.unwrap(), offset));
                    model.offsets.insert(offset, State::Pending);
                }
                Event::Repeat { back } => {
                    let offset = ledger.next_offset() - 1 - back as i64;
                    prop_assert_eq!(ledger.arrive(offset, 10), None);
                }
                Event::Ack { nth } | Event::Drop { nth } if !arrived.is_empty() => {
                    let (of, seq, offset) = arrived[nth % arrived.len()];
                    // The table of assignments drops acks of another generation.
                    if of != generation {
                        continue;
                    }
                    let state = model.offsets.get_mut(&offset).unwrap();
                    let pending = *state == State::Pending;
                    if matches!(event, Event::Ack { .. }) {
                        ledger.complete(seq);
                        if pending { *state = State::Complete; }
                    } else {
                        ledger.abandon(seq);
                        if pending { *state = State::Dropped; }
                    }
                }
                Event::Ack { .. } | Event::Drop { .. } => {}
                Event::Reassign => {
                    generation += 1;
                    let start = ledger.watermark();
                    ledger = Ledger::new(start);
                    model = Model { start, offsets: BTreeMap::new() };
                }
            }
            let watermark = ledger.watermark();
            prop_assert_eq!(watermark, model.watermark());
            prop_assert!(watermark >= stored, "moved backward");
            stored = watermark;
            let open = |state: &&State| **state != State::Complete;
            prop_assert!(model.offsets.iter().all(|(&offset, state)| {
                *state == State::Complete || offset >= stored
            }), "stored past a slot that is not complete");
            let waiting = model.offsets.values().filter(|state| **state == State::Pending);
            prop_assert_eq!(ledger.pending(), waiting.count());
            let first_open = model.offsets.iter().position(|(_, state)| open(&state));
            let span = first_open.map_or(0, |at| model.offsets.len() - at);
            prop_assert_eq!(ledger.span(), span);
            prop_assert_eq!(ledger.span_bytes(), span as u64 * 10);
        }
    }
}

#[test]
fn acks_out_of_order_move_the_watermark_only_over_a_closed_prefix() {
    let mut ledger = Ledger::new(5);
    let slots: Vec<Seq> = [5, 6, 9]
        .into_iter()
        .filter_map(|offset| ledger.arrive(offset, 1))
        .collect();
    ledger.complete(slots[2]);
    ledger.complete(slots[1]);
    assert_eq!((ledger.watermark(), ledger.span()), (5, 3));
    ledger.complete(slots[0]);
    assert_eq!((ledger.watermark(), ledger.span()), (10, 0));
    ledger.complete(slots[0]);
    ledger.complete(Seq(77));
    assert_eq!(ledger.watermark(), 10);
}
