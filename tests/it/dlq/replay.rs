//! `dmwatch dlq replay`: once each, whatever happens to it.

use super::*;

#[test]
fn replays_once_what_is_chosen() {
    let place = Place::new("dlq-replay");
    place.write(&place.letters(0..10));
    let dry = place.run(&["replay", "--reason", "invalid_json", "--dry-run"]);
    dry.expect(0, &["dry run: 5 pending; nothing was changed"]);
    assert_eq!((place.replayed(), place.markers()), (vec![], 0));

    let key = ["--key", "dead-letter.private.key.json"];
    let some = [&["replay", "--reason", "invalid_json"], &key[..]].concat();
    place
        .run(&some)
        .expect(0, &["5 replayed", "replayed 5 of 5"]);
    assert_eq!(place.replayed(), [0, 2, 4, 6, 8]);
    assert_eq!(place.markers(), 5);
    place
        .run(&some)
        .expect(0, &["found 0 pending, 5 replayed", "0 replayed"]);

    let (position, state) = &place.listed(&[])[&3];
    assert_eq!(state, "pending");
    let one = [&["replay", "--at", position], &key[..]].concat();
    place.run(&one).expect(0, &["1 replayed"]);
    place.run(&place.replay_all()).expect(0, &["4 replayed"]);
    assert_eq!(place.replayed(), (0..10).collect::<Vec<_>>());
    let left = place.listed(&[]);
    assert!(left.values().all(|(_, state)| state == "replayed"));
}

#[test]
fn what_failed_again_is_replayed_again_and_a_repeat_is_not() {
    let place = Place::new("dlq-again");
    let first = place.letters(0..1);
    // Written twice by a redelivery.
    place.write(&first);
    place.write(&first);
    place
        .run(&place.replay_all())
        .expect(0, &["1 pending, 1 repeat", "1 replayed"]);
    // The redelivery comes late.
    place.write(&first);
    place.run(&place.replay_all()).expect(0, &["0 replayed"]);
    // The replay failed as well: its dead letter carries the next attempt.
    let again = place.letter(&mut place.maker(&place.group), 0, 1, &value(0));
    place.write(&[again]);
    place.run(&place.replay_all()).expect(0, &["1 replayed"]);
    place.run(&place.replay_all()).expect(0, &["0 replayed"]);
    assert_eq!(place.replayed(), [0, 0]);
}

#[test]
fn what_cannot_be_replayed_is_said_and_stays() {
    let place = Place::new("dlq-odd");
    let mut maker = place.maker(&place.group);
    let mut letters = vec![
        place.letter(&mut maker, 1, 0, &[b'x'; 40_000]),
        place.letter(&mut place.maker("another-group"), 2, 0, &value(2)),
        // Somebody wrote to the topic by hand.
        Input {
            key: Some(b"odd".to_vec()),
            value: Some(CANARY.into()),
            ..Input::default()
        },
        // Headers that were moved to another record's value.
        place.letter(&mut maker, 4, 0, &value(4)),
        place.letter(&mut maker, 5, 0, &value(5)),
    ];
    let elsewhere = letters[3].headers.clone();
    for (name, value) in &mut letters[3].headers {
        if name == "x-dlq-source-offset" {
            *value = "400".to_owned();
        }
    }
    // A topic that is none of ours.
    let mut foreign_topic = Input {
        headers: elsewhere,
        ..letters[4].clone()
    };
    for (name, value) in &mut foreign_topic.headers {
        if name == "x-dlq-source-topic" {
            *value = "somebody-elses".to_owned();
        }
    }
    letters.push(foreign_topic);
    place.write(&letters);

    let states = place.listed(&[]);
    assert_eq!(states[&1].1, "reference");
    assert_eq!(states[&2].1, "other_group");
    assert_eq!(states[&-1].1, "unreadable");
    let ended = place.run(&place.replay_all());
    ended.expect(
        65,
        &[
            "1 replayed",
            "was altered, or belongs to another item",
            "`somebody-elses` is not an input topic",
            "2 of 3 were not replayed",
        ],
    );
    assert_eq!(place.replayed(), [5]);
    assert_eq!(place.markers(), 1);
}

#[test]
fn keys_and_topics_that_are_not_the_right_ones_change_nothing() {
    let place = Place::new("dlq-keys");
    place.write(&place.letters(0..2));
    let other = place.folder.join("other");
    for purpose in [
        Purpose::DeadLetter,
        Purpose::Evidence {
            region: "us".to_owned(),
        },
    ] {
        let key = PrivateKey::generate(purpose).unwrap();
        let _files = key_file::create(&other, &key).unwrap();
    }
    let replay = |key: &str| place.run(&["replay", "--all", "--key", key]);
    replay("other/us.private.key.json").expect(2, &["expected the key for dead letters"]);
    replay("other/dead-letter.private.key.json").expect(65, &["sealed for key"]);
    replay("dead-letter.public.key.json").expect(65, &["expected a private key"]);
    replay("none.json").expect(69, &["none.json"]);
    assert_eq!((place.replayed(), place.markers()), (vec![], 0));

    place
        .run(&["list", "--set", "topics.dead_letter=no-such-topic"])
        .expect(69, &["topic `no-such-topic` does not exist"]);
}

/// A replay that is killed at any moment, again and again, still writes each record once.
#[test]
fn a_replay_that_is_killed_replays_nothing_twice_and_loses_nothing() {
    let place = Place::new("dlq-killed");
    let count = 3_000;
    place.write(&place.letters(0..count));
    let mut random = Random::new(Random::seed("dlq-killed"));
    for round in 0..8 {
        let command = place.command(&place.replay_all());
        let mut replay = Process::start(&format!("replay-{round}"), &place.folder, command);
        // Not before the first transaction: the start takes most of the time.
        wait::until("it replays", Duration::from_secs(60), || {
            replay.errors().contains("replayed 1")
        });
        std::thread::sleep(random.pause(Duration::ZERO, Duration::from_millis(60)));
        replay.kill();
    }
    // Whatever the last one left open is ended first, without waiting for its timeout.
    place.run(&place.replay_all()).expect(0, &["replayed"]);
    place
        .run(&place.replay_all())
        .expect(0, &["found 0 pending, 3000 replayed"]);
    assert_eq!(place.replayed(), (0..count).collect::<Vec<_>>());
    assert_eq!(place.markers(), 3_000);
}

/// Started together, they do the work once; whoever is overtaken says so.
#[test]
fn replays_at_the_same_time_replay_nothing_twice() {
    let place = Place::new("dlq-together");
    let count = 600;
    place.write(&place.letters(0..count));
    let mut replays: Vec<Process> = (0..4)
        .map(|number| {
            let command = place.command(&place.replay_all());
            Process::start(&format!("replay-{number}"), &place.folder, command)
        })
        .collect();
    let mut finished = 0;
    for replay in &mut replays {
        let status = replay.wait(Duration::from_secs(90));
        match status.code() {
            Some(0) => finished += 1,
            Some(1) => assert!(
                replay
                    .errors()
                    .contains("another replay of this consumer group"),
                "{}",
                replay.tail()
            ),
            _ => panic!("{}", replay.tail()),
        }
    }
    assert!(finished >= 1);
    assert_eq!(place.replayed(), (0..count).collect::<Vec<_>>());
    assert_eq!(place.markers(), 600);
}
