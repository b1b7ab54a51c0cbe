//! The oracle must fail on every kind of fault, and on nothing else.

use super::*;
use crate::support::generate::{Generator, Mix, Planned};

fn read(planned: &[Planned]) -> Evidences {
    let mut read = Evidences::default();
    for (offset, record) in (0..).zip(planned) {
        let source = Source {
            topic: "in".into(),
            partition: 0,
            offset,
        };
        match &record.expected {
            Expected::Clean | Expected::NotScanned => {}
            Expected::Flagged(flag) => read.items.push(Item {
                source: source.clone(),
                item_id: format!("item-{offset}"),
                message_id: flag.message_id.clone(),
                conversation_id: flag.conversation_id.clone(),
                region: flag.region.into(),
                queue: flag.queue.into(),
                rules: flag.rules.iter().map(|rule| (*rule).to_owned()).collect(),
                evidence: Evidence::Text(flag.text.clone()),
                report: flag.report.clone(),
            }),
            Expected::DeadLettered { reason } => read.dead_letters.push(DeadLetter {
                source: source.clone(),
                reason: (*reason).to_owned(),
                content: Some(Content {
                    key: record.input.key.clone(),
                    value: record.input.value.clone(),
                }),
            }),
        }
        read.arrived.push(Arrived {
            source,
            key: record.input.key.clone(),
            value: record.input.value.clone(),
            expected: record.expected.clone(),
        });
    }
    read
}

fn stream() -> Evidences {
    let mut generator = Generator::new("oracle", 7, Mix::default());
    let mut planned = generator.take(200);
    planned.extend(generator.reports(200));
    planned[13].expected = Expected::DeadLettered {
        reason: "undecodable",
    };
    read(&planned)
}

#[test]
fn a_faithful_stream_is_faultless() {
    let read = stream();
    let report = judge(&read);
    report.assert_faultless();
    assert_eq!(report.flagged + report.reported, read.items.len());
    assert!(report.flagged > 30);
    assert_eq!(report.reported, 2);
    assert_eq!(report.dead_lettered, 1);
    assert_eq!(report.repeats, 0);
}

#[test]
fn repeats_are_counted_and_allowed() {
    let mut read = stream();
    read.items.extend_from_within(3..8);
    read.dead_letters.extend_from_within(..);
    let report = judge(&read);
    report.assert_faultless();
    assert_eq!(report.repeats, 6);
}

/// Spoils one thing in a faithful stream and gives the faults.
fn faults_after(spoil: impl FnOnce(&mut Evidences)) -> Vec<Fault> {
    let mut read = stream();
    spoil(&mut read);
    judge(&read).faults
}

#[test]
fn a_lost_item_is_a_fault() {
    let faults = faults_after(|read| {
        read.items.remove(5);
    });
    assert!(matches!(faults[..], [Fault::Lost(_)]), "{faults:?}");
}

#[test]
fn a_lost_dead_letter_is_a_fault() {
    let faults = faults_after(|read| read.dead_letters.clear());
    assert!(matches!(faults[..], [Fault::Lost(_)]), "{faults:?}");
}

#[test]
fn an_item_for_a_clean_message_is_a_fault() {
    let faults = faults_after(|read| {
        let clean = read
            .arrived
            .iter()
            .find(|record| record.expected == Expected::Clean);
        let mut item = read.items[0].clone();
        item.source = clean.expect("a clean message").source.clone();
        item.item_id = "item-new".into();
        read.items.push(item);
    });
    assert!(matches!(faults[..], [Fault::Invented(_)]), "{faults:?}");
}

#[test]
fn an_item_without_an_input_record_is_a_fault() {
    let faults = faults_after(|read| {
        let mut item = read.items[0].clone();
        item.source.offset = 100_000;
        item.item_id = "item-new".into();
        read.items.push(item);
    });
    assert!(matches!(faults[..], [Fault::Invented(_)]), "{faults:?}");
}

#[test]
fn a_flagged_message_that_is_dead_lettered_is_a_fault() {
    let faults = faults_after(|read| {
        let item = read.items.remove(0);
        let mut letter = read.dead_letters[0].clone();
        letter.source = item.source;
        read.dead_letters.push(letter);
    });
    assert!(
        matches!(faults[..], [Fault::Lost(_), Fault::Invented(_)]),
        "{faults:?}"
    );
}

#[test]
fn a_changed_part_is_a_fault() {
    let spoils: [fn(&mut Item); 8] = [
        |item| item.message_id.push('x'),
        |item| item.conversation_id.push('x'),
        |item| item.region = "elsewhere".into(),
        |item| item.queue = "elsewhere".into(),
        |item| drop(item.rules.pop()),
        |item| item.evidence = Evidence::Text("something else".into()),
        |item| item.evidence = Evidence::Absent,
        |item| item.report = Some("r-1".into()),
    ];
    for spoil in spoils {
        let faults = faults_after(|read| spoil(&mut read.items[2]));
        assert!(matches!(faults[..], [Fault::Changed(..)]), "{faults:?}");
    }
}

#[test]
fn a_changed_dead_letter_is_a_fault() {
    let spoils: [fn(&mut DeadLetter); 2] = [
        |letter| letter.reason.push('x'),
        |letter| {
            letter.content = Some(Content {
                key: None,
                value: None,
            })
        },
    ];
    for spoil in spoils {
        let faults = faults_after(|read| spoil(&mut read.dead_letters[0]));
        assert!(matches!(faults[..], [Fault::Changed(..)]), "{faults:?}");
    }
}

#[test]
fn a_repeat_under_another_id_is_a_fault() {
    let faults = faults_after(|read| {
        let mut again = read.items[4].clone();
        again.item_id.push('x');
        read.items.push(again);
    });
    assert!(matches!(faults[..], [Fault::Identity(_)]), "{faults:?}");
}

#[test]
fn an_id_used_for_two_messages_is_a_fault() {
    let faults = faults_after(|read| read.items[4].item_id = read.items[5].item_id.clone());
    assert!(matches!(faults[..], [Fault::Identity(_)]), "{faults:?}");
}
