//! `dmwatch judge` and `dmwatch rules` as a person runs them: what is printed, and the exit code.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::guard;

const CANARY: &str = "zebra-umbrella-canary";

fn pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

struct Ended {
    code: Option<i32>,
    lines: Vec<Value>,
    out: String,
    errors: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let out = String::from_utf8(output.stdout).unwrap();
        Self {
            code: output.status.code(),
            lines: out
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
            out,
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn dmwatch(folder: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dmwatch"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early closes its input; that is for the exit code to tell.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

fn judge(arguments: &[&str], input: &str) -> Ended {
    let rules = pack();
    let mut all = vec!["judge", "--rules", rules.to_str().unwrap()];
    all.extend(arguments);
    dmwatch(&guard::folder("judge"), &all, input)
}

fn message(id: &str, second: i64, text: &str, sender: &str, recipient: &str) -> String {
    let party = |id: &str, band: &str| {
        let (band, region) = band.split_once('/').unwrap_or((band, "US"));
        json!({"id": id, "age_band": band, "region": region})
    };
    json!({
        "message_id": id, "conversation_id": "c", "sent_at": 1_700_000_000_000_i64 + second * 1000, "text": text,
        "sender": party("a", sender), "recipients": [party("b", recipient)],
    })
    .to_string()
        + "\n"
}

#[test]
fn each_message_is_one_line_in_order() {
    let input = [
        message("m1", 0, "hello, see you at 5", "adult", "adult"),
        message("m2", 1, "👍 Don’t tell  ur MOM about us", "adult", "13_15"),
        message("m3", 2, "dont tell me the ending", "adult", "13_15"),
    ]
    .concat();
    let ended = judge(&[], &input);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let [clean, flagged, also_clean] = &ended.lines[..] else {
        panic!("{}", ended.out);
    };
    let ruleset = &clean["ruleset"];
    assert_eq!(
        *clean,
        json!({
            "message_id": "m1", "verdict": "clean", "queue": null, "priority": null, "reasons": [], "shadow": [],
            "scores": {}, "conversation": {"risk": null, "cues": []}, "ruleset": ruleset,
        })
    );
    assert_eq!(also_clean["verdict"], "clean");
    assert_eq!(
        (&flagged["verdict"], &flagged["queue"], &flagged["priority"]),
        (&json!("flagged"), &json!("child-safety"), &json!(75))
    );
    let reason = &flagged["reasons"][0];
    assert_eq!(
        (&reason["rule"], &reason["policy"], &reason["severity"]),
        (
            &json!("grooming.secrecy"),
            &json!("minor-safety"),
            &json!("high")
        )
    );
    assert_eq!(reason["version"].as_str().map(str::len), Some(12));
    assert_eq!(
        reason["spans"],
        json!([{"bytes": [5, 25], "chars": [2, 20]}])
    );
}

#[test]
fn a_bad_line_stops_no_other_and_shows_no_text() {
    let good = message("m1", 0, "kys", "adult", "adult");
    let input = [
        good.clone(),
        format!("{{\"text\": \"{CANARY}\"\n"),
        good.replace("1700000000000", &format!("\"{CANARY}\"")),
        good.replace("\"kys\"", &format!("[\"{CANARY}\"]")),
        "\n".to_owned(),
        good.replace("m1", "m2"),
    ]
    .concat();
    let ended = judge(&["-"], &input);
    assert_eq!(ended.code, Some(65));
    let ids: Vec<&str> = ended
        .lines
        .iter()
        .filter_map(|line| line["message_id"].as_str())
        .collect();
    assert_eq!(ids, ["m1", "m2"]);
    assert!(
        !ended.out.contains(CANARY) && !ended.errors.contains(CANARY),
        "{}",
        ended.errors
    );
    let objects: Vec<Value> = ended
        .errors
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let told: Vec<_> = objects
        .iter()
        .map(|bad| {
            (
                bad["line"].as_u64(),
                bad["reason"].as_str(),
                bad["field"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(2), Some("invalid_json"), None),
            (Some(3), Some("wrong_type"), Some("sent_at")),
            (Some(4), Some("wrong_type"), Some("text")),
        ]
    );
    assert!(
        ended
            .errors
            .contains("3 of 5 lines of standard input could not be judged"),
        "{}",
        ended.errors
    );
}

#[test]
fn conversation_state_goes_on_from_line_to_line() {
    let turns = |step: i64| {
        (0..6)
            .map(|n| message(&format!("m{n}"), n * step, "such a loser", "adult", "adult"))
            .collect::<String>()
    };
    let verdicts = |ended: &Ended| {
        ended
            .lines
            .iter()
            .map(|line| line["verdict"] == "flagged")
            .collect::<Vec<_>>()
    };
    assert_eq!(
        verdicts(&judge(&[], &turns(60))),
        [false, false, false, true, true, true]
    );
    assert_eq!(verdicts(&judge(&[], &turns(400))), [false; 6]);
}

#[test]
fn settings_decide_who_is_scanned_and_where_it_goes() {
    let folder = guard::folder("judge-settings");
    std::fs::write(
        folder.join("settings.yaml"),
        "\
regions:
  us: {members: [US], policies: {'*': {scan: true, legal_basis: terms, flag_is_purpose: true}}}
  eu: {members: [IE], policies: {minor-safety: {scan: true, legal_basis: law, flag_is_purpose: true}, '*': {scan: false}}}
  nz: {members: [NZ], policies: {'*': {scan: false}}}
region_precedence: [minor, recipient, sender]
input: {fields: {text: body.content}}
routing:
  - when: {rule: ['self-harm.*']}
    queue: general
    priority: 99
",
    )
    .unwrap();
    let input: String = ["US", "IE", "NZ"]
        .into_iter()
        .map(|region| {
            let band = format!("adult/{region}");
            message(region, 0, "kys", &band, &band)
                .replace("\"text\":\"kys\"", "\"body\":{\"content\":\"kys\"}")
        })
        .collect();
    let rules = pack();
    let ended = dmwatch(
        &folder,
        &[
            "--config",
            "settings.yaml",
            "judge",
            "--rules",
            rules.to_str().unwrap(),
        ],
        &input,
    );
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let told: Vec<_> = ended
        .lines
        .iter()
        .map(|line| {
            (
                line["verdict"].as_str().unwrap(),
                line["queue"].as_str(),
                line["priority"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("flagged", Some("general"), Some(99)),
            ("clean", None, None),
            ("not_scanned", None, None)
        ]
    );
}

#[test]
fn what_is_missing_is_said_with_its_code() {
    let folder = guard::folder("judge-missing");
    let ended = dmwatch(
        &folder,
        &[
            "judge",
            "nothing.jsonl",
            "--rules",
            pack().to_str().unwrap(),
        ],
        "",
    );
    assert_eq!(ended.code, Some(69));
    assert!(
        ended.errors.contains("cannot read nothing.jsonl"),
        "{}",
        ended.errors
    );
    let ended = dmwatch(&folder, &["judge"], "");
    assert_eq!(ended.code, Some(65));
    assert!(
        ended.errors.contains("cannot read the folder `rules`"),
        "{}",
        ended.errors
    );
}

#[test]
fn rules_are_checked_and_tested() {
    let rules = pack();
    let rules = rules.to_str().unwrap();
    let folder = guard::folder("rules");
    let check = dmwatch(&folder, &["rules", "check", rules], "");
    assert_eq!((check.code, check.errors.as_str()), (Some(0), ""));
    assert!(
        check.out.contains("30 rules of 10 policies"),
        "{}",
        check.out
    );
    let test = dmwatch(&folder, &["rules", "test", rules, "--format", "json"], "");
    let report: Value = serde_json::from_str(&test.out).unwrap();
    assert_eq!(
        (test.code, &report["ok"], &report["failed"]),
        (Some(0), &json!(true), &json!(0))
    );
    assert_eq!(report["rules"].as_array().map(Vec::len), Some(30));

    let rule = |when: &str| {
        format!(
            "policy: spam\nrules:\n  - id: a\n    title: T\n    status: stable\n    severity: low\n    when: {{{when}}}\n    tests: {{match: [pills], no_match: [spill]}}\n"
        )
    };
    std::fs::create_dir_all(folder.join("rules")).unwrap();
    let write = |when: &str| std::fs::write(folder.join("rules/a.yaml"), rule(when)).unwrap();

    write("phrases: ['*pill*']");
    let test = dmwatch(&folder, &["rules", "test"], "");
    assert_eq!(test.code, Some(65));
    assert!(
        test.errors.contains("error[false-alarm]"),
        "{}",
        test.errors
    );
    assert!(test.errors.contains("rules/a.yaml:8:40"), "{}", test.errors);
    assert!(
        test.errors.contains("1 of 2 tests failed"),
        "{}",
        test.errors
    );

    write("phrasse: [pills]");
    let check = dmwatch(&folder, &["rules", "check"], "");
    assert_eq!(check.code, Some(65));
    assert!(
        check.errors.contains("rules/a.yaml:7:12"),
        "{}",
        check.errors
    );
    assert!(
        check.errors.contains("did you mean `phrases`?"),
        "{}",
        check.errors
    );
    let json = dmwatch(&folder, &["rules", "check", "--format", "json"], "");
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json.code, Some(65));
    let fault = &report["faults"][0];
    assert_eq!(
        (&fault["code"], &fault["line"], &fault["column"]),
        (&json!("unknown-condition"), &json!(7), &json!(12))
    );
}
