use clap::Parser;

use super::*;
use crate::dead_letter::{Letter, LetterError, Stage};
use crate::dlq::Entry;

#[derive(Debug, Parser)]
struct Alone {
    #[command(flatten)]
    args: Args,
}

fn parse(args: &[&str]) -> Result<Args, clap::Error> {
    Alone::try_parse_from(["dlq"].iter().chain(args)).map(|alone| alone.args)
}

fn entry(offset: i64, state: State) -> Entry {
    Entry {
        position: Position {
            partition: 0,
            offset,
        },
        at: Millis(1_700_000_000_123),
        stored_bytes: 400,
        digest: "00ff".to_owned(),
        letter: Ok(Letter {
            topic: "dm.messages".to_owned(),
            partition: 3,
            offset: 42,
            at: Millis(1_699_999_999_000),
            attempt: 0,
            stage: Stage::Decode,
            reason: Reason::InvalidJson,
            worker_version: "0.1.0".to_owned(),
            group: "dmwatch".to_owned(),
        }),
        key_bytes: Some(3),
        value_bytes: Some(2048),
        state,
    }
}

fn unreadable() -> Entry {
    Entry {
        letter: Err(LetterError::Value),
        key_bytes: None,
        value_bytes: None,
        ..entry(17, State::Unreadable)
    }
}

fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn lists_as_a_table_and_as_json() {
    let entries = [entry(9, State::Pending), unreadable()];
    assert_eq!(
        printed(|out| print::list(&entries, Format::Text, out)),
        "\
AT    WRITTEN                   STATE       REASON        SOURCE            SIZE
0/9   2023-11-14T22:13:20.123Z  pending     invalid_json  dm.messages/3/42  2KiB
0/17  2023-11-14T22:13:20.123Z  unreadable  -             -                 -
"
    );
    let json = printed(|out| print::list(&entries, Format::Json, out));
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["source_at"], "2023-11-14T22:13:19Z");
    assert_eq!(first["stored_sha256"], "00ff");
    assert_eq!(json.lines().count(), 2);
}

#[test]
fn shows_every_field_and_no_control_character() {
    let mut odd = entry(9, State::Pending);
    if let Ok(letter) = &mut odd.letter {
        letter.group = "a\u{1b}[2Jb".to_owned();
    }
    let text = printed(|out| print::show(&[odd, unreadable()], Format::Text, out));
    assert!(text.contains("group            a\u{fffd}[2Jb\n"), "{text}");
    assert!(text.contains("fault            the value is not of schema dead-letter.v1\n"));
}

#[test]
fn the_command_line_names_what_it_takes() {
    let unknown = parse(&["list", "--reason", "because"]).unwrap_err();
    assert!(unknown.to_string().contains("expected one of: empty_value"));
    assert!(parse(&["list", "--since", "yesterday"]).is_err());
    assert!(parse(&["list", "--since", "2h", "--until", "2026-11-24T08:00:00Z"]).is_ok());
    assert!(parse(&["show"]).is_err());
    assert!(parse(&["show", "1/x"]).is_err());
    assert!(parse(&["show", "-1/2"]).is_err());
    assert!(parse(&["show", "1/2", "0/7"]).is_ok());
    assert!(parse(&["replay", "--all"]).is_err(), "a key or --dry-run");
    assert!(parse(&["replay", "--all", "--dry-run"]).is_ok());
}

#[test]
fn nothing_is_replayed_without_a_choice() {
    let args = parse(&["replay", "--dry-run"]).unwrap();
    let failure = run(&args, &Global::default()).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
}

#[test]
fn a_relative_time_counts_back() {
    let now = Timestamp::now().as_millisecond();
    let found = time("15m").unwrap().0;
    assert!((now - 900_000..now - 890_000).contains(&found));
}
