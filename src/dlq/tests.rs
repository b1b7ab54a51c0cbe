use super::*;
use crate::dead_letter::Stage;

fn letter(offset: i64, attempt: u32, group: &str) -> Letter {
    Letter {
        topic: "dm.messages".to_owned(),
        partition: 3,
        offset,
        at: Millis(1),
        attempt,
        stage: Stage::Decode,
        reason: Reason::InvalidJson,
        worker_version: "0.1.0".to_owned(),
        group: group.to_owned(),
    }
}

fn entry(at: i64, letter: Letter, state: State) -> Entry {
    Entry {
        position: Position {
            partition: 0,
            offset: at,
        },
        at: Millis(at),
        stored_bytes: 1,
        digest: String::new(),
        letter: Ok(letter),
        key_bytes: None,
        value_bytes: None,
        state,
    }
}

#[test]
fn each_failure_is_pending_once() {
    let gap = Letter {
        reason: Reason::RetentionGap,
        ..letter(8, 0, "g")
    };
    let mut contents = Contents {
        entries: vec![
            entry(6, letter(1, 1, "g"), State::Pending),
            entry(1, letter(1, 0, "g"), State::Pending),
            entry(2, letter(2, 0, "g"), State::Pending),
            entry(3, letter(2, 0, "g"), State::Pending),
            entry(4, letter(2, 0, "h"), State::Pending),
            entry(5, letter(3, 0, "g"), State::Reference),
            entry(7, gap, State::Pending),
        ],
        replayed: HashSet::from([identity(&letter(1, 0, "g"))]),
    };
    contents.settle("g");
    let states: Vec<(i64, State)> = contents
        .entries
        .iter()
        .map(|entry| (entry.position.offset, entry.state))
        .collect();
    assert_eq!(
        states,
        [
            (1, State::Replayed),
            (2, State::Pending),
            (3, State::Repeat),
            (4, State::OtherGroup),
            (5, State::Reference),
            // The replay of 1 failed again.
            (6, State::Pending),
            (7, State::Gone),
        ]
    );
}

#[test]
fn a_filter_takes_what_fits_everything() {
    let entry = entry(100, letter(1, 0, "g"), State::Pending);
    let fits = |filter: Filter| filter.takes(&entry);
    assert!(Filter::default().is_empty() && fits(Filter::default()));
    let cases = [
        (
            Filter {
                reasons: vec![Reason::Panic, Reason::InvalidJson],
                topic: Some("dm.messages".to_owned()),
                partition: Some(3),
                since: Some(Millis(100)),
                until: Some(Millis(101)),
                positions: vec![entry.position],
            },
            true,
        ),
        (
            Filter {
                reasons: vec![Reason::Panic],
                ..Filter::default()
            },
            false,
        ),
        (
            Filter {
                topic: Some("dm.reports".to_owned()),
                ..Filter::default()
            },
            false,
        ),
        (
            Filter {
                partition: Some(0),
                ..Filter::default()
            },
            false,
        ),
        (
            Filter {
                since: Some(Millis(101)),
                ..Filter::default()
            },
            false,
        ),
        (
            Filter {
                until: Some(Millis(100)),
                ..Filter::default()
            },
            false,
        ),
        (
            Filter {
                positions: vec![Position {
                    partition: 1,
                    offset: 100,
                }],
                ..Filter::default()
            },
            false,
        ),
    ];
    for (filter, expected) in cases {
        assert!(!filter.is_empty());
        assert_eq!(fits(filter), expected);
    }
}

#[test]
fn a_marker_is_of_its_schema() {
    let position = Position {
        partition: 0,
        offset: 7,
    };
    let headers: serde_json::Map<String, serde_json::Value> =
        marker_headers(&letter(42, 0, "g"), position)
            .into_iter()
            .map(|(name, value)| {
                (
                    name.to_owned(),
                    String::from_utf8(value.into_owned()).unwrap().into(),
                )
            })
            .collect();
    assert_eq!(headers["x-dlq-replayed"], "dm.messages/3/42@0/7");
    let json = serde_json::to_vec(&headers).unwrap();
    crate::schema_check::check("dead-letter.v1#/$defs/marker", &json).unwrap();
}
