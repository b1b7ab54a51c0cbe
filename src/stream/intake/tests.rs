use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::stream::ledger::Seq;
use crate::telemetry::metrics::Metrics;

const LIMITS: Limits = Limits {
    span: 8,
    span_bytes: 1_000_000,
    in_flight: 20,
    in_flight_bytes: 1_000_000,
    poison: PoisonLimits {
        max_consecutive: 5,
        max_ratio: 1.0,
        ratio_over: 100,
    },
};

fn polled(topic: &str, partition: i32, offset: i64) -> Polled<'_> {
    Polled {
        topic,
        partition,
        offset,
        at: Millis(offset),
        key: Some(b"k"),
        value: Some(b"vv"),
        replay: None,
    }
}

/// Three partitions, and what the consumer was told of each.
struct World {
    metrics: Metrics,
    intake: Intake,
    paused: BTreeMap<i32, bool>,
    ids: Vec<AssignmentId>,
}

impl World {
    fn new() -> Self {
        let metrics = Metrics::new().unwrap();
        let mut intake = Intake::new(2, LIMITS);
        let topic: Arc<str> = "t".into();
        let mut ids = Vec::new();
        let mut paused = BTreeMap::new();
        for partition in 0..3 {
            let kind = InputKind::Messages;
            let series = metrics.partition(&topic, partition);
            let owned = intake.assign(&topic, partition, kind, 0, series);
            ids.push(owned.assignment.id);
            paused.insert(partition, true);
        }
        Self {
            metrics,
            intake,
            paused,
            ids,
        }
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = PauseChange>) {
        for change in changes {
            let was = self.paused.insert(change.partition, change.pause);
            assert_eq!(was, Some(!change.pause), "told twice");
        }
    }

    fn restore_all(&mut self) {
        for id in self.ids.clone() {
            let change = self.intake.hold(id, Hold::Restoring, false);
            self.tell(change);
        }
    }
}

#[test]
fn a_partition_waits_for_its_state_and_a_message_before_that_stops_the_worker() {
    let mut world = World::new();
    assert!(world.paused.values().all(|paused| *paused));
    world.restore_all();
    assert!(world.paused.values().all(|paused| !paused));
    assert!(world.intake.take(polled("t", 0, 0)));
    assert!(!world.intake.take(polled("t", 0, 0)), "a repeat is no work");
    assert!(!world.intake.take(polled("t", 9, 0)), "not ours");
    assert!(world.intake.failure.is_none());
    world.intake.hold(world.ids[1], Hold::Stopped, true);
    assert!(!world.intake.take(polled("t", 1, 0)));
    assert!(world.intake.failure.is_some());
}

#[test]
fn too_many_dead_letters_in_a_row_stop_the_worker_and_say_why() {
    let mut world = World::new();
    world.restore_all();
    for offset in 0..6 {
        world.intake.take(polled("t", 0, offset));
        let ticket = Ticket {
            assignment: world.ids[0],
            seq: Seq(offset as u64),
        };
        let fate = Fate::DeadLetter("invalid_json");
        world.intake.apply(Event::Judged(vec![(ticket, fate)]));
    }
    let failure = world.intake.failure.unwrap().to_string();
    assert!(
        failure.contains("t[0]: 6 dead letters in a row, the limit is 5"),
        "{failure}"
    );
    assert!(failure.contains("`invalid_json`"), "{failure}");
}

#[test]
fn what_is_committed_is_the_watermark_with_a_mark_of_the_owner() {
    let mut world = World::new();
    world.restore_all();
    let id = world.ids[0];
    world.intake.assignments.get_mut(id).unwrap().deaths = 2;
    world.intake.take(polled("t", 0, 0));
    let offset_and_mark = |intake: &Intake, open| {
        let list = intake.offsets(open, |owned| owned.assignment.id == id);
        let entries = list.elements();
        (entries[0].offset(), entries[0].metadata().to_owned())
    };
    let before = offset_and_mark(&world.intake, true);
    assert_eq!(
        before,
        (Offset::Offset(0), "dmwatch1 deaths=2 open".to_owned())
    );
    let ticket = Ticket {
        assignment: id,
        seq: Seq(0),
    };
    world
        .intake
        .apply(Event::Judged(vec![(ticket, Fate::Complete)]));
    let after = offset_and_mark(&world.intake, false);
    assert_eq!(
        after,
        (Offset::Offset(1), "dmwatch1 deaths=0 closed".to_owned())
    );
    let list = world.intake.offsets(true, |_| true);
    world.intake.committed(&list);
    assert_eq!(world.intake.assignments.get(id).unwrap().committed, Some(1));
}

#[test]
fn series_end_with_the_assignment() {
    let mut world = World::new();
    assert_eq!(world.metrics.partitions().snapshot().len(), 3);
    world.intake.release(world.ids[2]);
    assert_eq!(world.metrics.partitions().snapshot().len(), 2);
    assert!(!world.intake.take(polled("t", 2, 0)));
}

proptest! {
    /// Whatever arrives and is acknowledged: what the consumer was told is what the holds say, no
    /// span passes its limit by more than what was polled before the next decision, and all flows
    /// again when everything is done.
    #[test]
    fn pauses_bound_the_work_in_flight(steps in proptest::collection::vec((0..3_usize, any::<bool>()), 1..400)) {
        let mut world = World::new();
        world.restore_all();
        let mut next = [0_i64; 3];
        let mut open: [Vec<u64>; 3] = Default::default();
        for (at, arrive) in steps {
            if arrive && !world.paused[&(at as i32)] {
                prop_assert!(world.intake.take(polled("t", at as i32, next[at])));
                open[at].push(next[at] as u64);
                next[at] += 1;
            } else if let Some(seq) = open[at].pop() {
                let ticket = Ticket { assignment: world.ids[at], seq: Seq(seq) };
                world.intake.apply(Event::Delivered(vec![ticket]));
            }
            let changes = world.intake.regulate(false);
            world.tell(changes);
            for owned in world.intake.assignments.iter() {
                prop_assert_eq!(owned.is_held(), world.paused[&owned.assignment.partition]);
                prop_assert!(owned.ledger.span() <= LIMITS.span);
            }
            prop_assert!(world.intake.in_flight().0 <= LIMITS.in_flight);
        }
        for (at, seqs) in open.iter_mut().enumerate() {
            for seq in seqs.drain(..) {
                let ticket = Ticket { assignment: world.ids[at], seq: Seq(seq) };
                world.intake.apply(Event::Delivered(vec![ticket]));
            }
        }
        let changes = world.intake.regulate(false);
        world.tell(changes);
        prop_assert!(world.paused.values().all(|paused| !paused));
        prop_assert_eq!(world.intake.in_flight(), (0, 0));
    }
}
