//! What rule files say, what is wrong with them, and what a loaded ruleset does.

mod conditions;
mod faults;
mod fuzz;
mod matching;
mod rates;

use std::sync::Arc;

use super::*;
use crate::conversation::Store;
use crate::document::{Source, render};
use crate::judge::{Judge, Position};
use crate::message::{AgeBand, Message, MessageText, Party};
use crate::verdict::{Outcome, Verdict};

/// Files of a folder: rule files, and `lists/NAME.txt`.
fn sources(files: &[(&str, &str)]) -> Sources {
    let mut sources = Sources::default();
    for (name, text) in files {
        let source = Arc::new(Source::new(*name, *text));
        match name
            .strip_prefix("lists/")
            .and_then(|name| name.strip_suffix(".txt"))
        {
            Some(list) => drop(sources.lists.insert(list.to_owned(), source)),
            None => sources.files.push(source),
        }
    }
    sources
}

fn load(files: &[(&str, &str)]) -> Ruleset {
    Ruleset::read(&sources(files), Faults::new())
        .unwrap_or_else(|faults| panic!("{}", render(&faults, false)))
}

/// One file with the given rules under the policy `test`.
fn one(rules: &str) -> Ruleset {
    load(&[("test.yaml", &format!("policy: test\nrules:\n{rules}"))])
}

/// A stable rule with this condition, written in flow style.
fn rule(id: &str, when: &str) -> String {
    format!("  - {{id: {id}, title: T, status: stable, severity: low, when: {when}}}\n")
}

fn party(id: &str, age_band: AgeBand) -> Party<'static> {
    Party {
        id: id.to_owned().into(),
        age_band,
        region: "IE".into(),
        account_age_days: None,
    }
}

fn message(text: &str) -> Message<'_> {
    Message {
        message_id: "m1".into(),
        conversation_id: "c1".into(),
        sent_at: "0".into(),
        text: MessageText::new(text),
        sender: party("s", AgeBand::Adult),
        recipients: [party("r", AgeBand::Adult)].into_iter().collect(),
        first_contact: None,
        lang: None,
        edited_at: None,
        attachments: Default::default(),
    }
}

fn at(offset: i64) -> Position {
    Position {
        offset,
        at: Millis(offset * 1000),
    }
}

fn judge(ruleset: Ruleset, message: &Message<'_>) -> Verdict {
    Judge::new(Arc::new(ruleset)).judge(message, at(1), &mut Store::default())
}

/// The ids of the live rules that fire.
fn fires(ruleset: Ruleset, message: &Message<'_>) -> Vec<String> {
    let ruleset = Arc::new(ruleset);
    let verdict = Judge::new(Arc::clone(&ruleset)).judge(message, at(1), &mut Store::default());
    let ids = verdict
        .reasons
        .iter()
        .map(|reason| ruleset.rule(reason.rule).unwrap().id.to_string());
    ids.collect()
}

#[test]
fn a_whole_file_is_read() {
    let ruleset = load(&[
        (
            "minor-safety.yaml",
            "\
# yaml-language-server: $schema=./rules.schema.json
policy: minor-safety
rules:
  - id: grooming.secrecy
    title: Adult asks a minor to keep the conversation secret
    explanation: Look for who asks, and how often.
    status: canary 10
    severity: high
    when:
      all:
        - phrases: {list: secrecy, views: [folded]}
        - sender: {age_band: [adult, unknown]}
        - recipient: {age_band: [under_13, 13_15, 16_17]}
    unless: {phrases: [surprise party]}
    route: {queue: child-safety, due: 15m}
    expires: 2027-06-01
    clause: MS-4
    owner: child-safety@example.com
    known_false_positives: [plans for a surprise]
    tests:
      match:
        - {text: dont tell ur mom about us, sender: {age_band: adult}, recipient: {age_band: 13_15}}
      no_match:
        - dont tell me the ending
      conversations:
        - parties: {a: {age_band: adult}, b: {age_band: 13_15}}
          turns: [{from: b, text: hi}, {from: a, text: \"Don’t tell ur mom\", after: 5m}]
          fires_at: 2
",
        ),
        (
            "lists/secrecy.txt",
            "# secrecy\ndont tell ur mom\ndon't tell ur mom   # typed by phones\n\n",
        ),
    ]);
    assert!(
        ruleset.warnings.is_empty(),
        "{}",
        render(&ruleset.warnings, false)
    );
    let rule = ruleset.rule(RuleIndex(0)).unwrap();
    assert_eq!(
        (&*rule.id, rule.status),
        ("grooming.secrecy", Status::Canary(10))
    );
    assert_eq!(rule.route.as_ref().unwrap().due.unwrap().as_secs(), 900);
    assert_eq!(rule.expires, Some(Millis(1_811_808_000_000)));
    assert_eq!(&*ruleset.policies(), ["minor-safety".into()]);
    let report = testing::run(&ruleset).unwrap();
    assert_eq!((report.passed(), report.failed().len()), (3, 0));
}

#[test]
fn the_version_covers_what_the_rule_says_and_nothing_else() {
    let text = |status: &str, phrase: &str, tests: &str| {
        format!(
            "  - {{id: a, title: T, status: {status}, severity: low, when: {{phrases: [{phrase}]}}, tests: {{match: [{tests}]}}}}\n"
        )
    };
    let version = |text: &str| {
        let ruleset = one(text);
        (
            ruleset.rules[0].version.to_string(),
            ruleset.hash.to_string(),
        )
    };
    let (stable, stable_set) = version(&text("stable", "x", "x"));
    // Fixed: versions are on items and in reports, so they must not change with a release.
    assert_eq!(stable, "9469f69da7bd");
    let (shadow, shadow_set) = version(&text("shadow", "x", "x y"));
    assert_eq!(stable, shadow);
    assert_ne!(stable_set, shadow_set);
    assert_ne!(stable, version(&text("stable", "y", "x")).0);
}

#[test]
fn a_region_without_legal_basis_never_runs_the_patterns() {
    let ruleset = load(&[
        (
            "a.yaml",
            &format!("policy: a\nrules:\n{}", rule("a.one", "{phrases: [word]}")),
        ),
        (
            "b.yaml",
            &format!("policy: b\nrules:\n{}", rule("b.one", "{regex: word}")),
        ),
    ]);
    let only_b = ruleset.restricted_to(&|policy| policy == "b").unwrap();
    assert_eq!(only_b.program().pattern_count(), 1);
    assert_eq!(only_b.rules.len(), 2);
    assert_eq!(fires(only_b, &message("a word")), ["b.one"]);
    let none = ruleset.restricted_to(&|_| false).unwrap();
    assert_eq!(none.program().pattern_count(), 0);
    assert_eq!(judge(none, &message("a word")).outcome, Outcome::Clean);
}

#[test]
fn status_decides_what_a_hit_is_worth() {
    let with = |status: &str| {
        one(&format!(
            "  - {{id: a, title: T, status: {status}, severity: low, when: {{phrases: [word]}}}}\n"
        ))
    };
    let verdict = |status: &str| {
        let verdict = judge(with(status), &message("a word"));
        (verdict.outcome, verdict.reasons.len(), verdict.shadow.len())
    };
    assert_eq!(verdict("stable"), (Outcome::Flagged, 1, 0));
    assert_eq!(verdict("shadow"), (Outcome::Clean, 0, 1));
    assert_eq!(verdict("draft"), (Outcome::Clean, 0, 0));
    assert_eq!(verdict("retired"), (Outcome::Clean, 0, 0));

    let mut canary = Judge::new(Arc::new(with("canary 20")));
    let mut live = 0;
    for number in 0..1_000 {
        let mut message = message("a word");
        message.conversation_id = format!("conversation-{number}").into();
        let first = canary.judge(&message, at(1), &mut Store::default());
        let again = canary.judge(&message, at(2), &mut Store::default());
        assert_eq!(first.reasons, again.reasons);
        assert_eq!(first.reasons.len() + first.shadow.len(), 1);
        live += first.reasons.len();
    }
    assert!((150..250).contains(&live), "{live}");
    // Fixed: a conversation must not change sides with a release.
    assert_eq!(evaluate::percentile("conversation-1"), 78);
}

#[test]
fn a_rule_expires_by_record_time() {
    let text = "  - {id: a, title: T, status: stable, severity: low, when: {phrases: [word]}, expires: 1970-01-02}\n";
    let mut judge = Judge::new(Arc::new(one(text)));
    let day = 24 * 3600;
    let last = judge.judge(&message("word"), at(day - 1), &mut Store::default());
    let after = judge.judge(&message("word"), at(day), &mut Store::default());
    assert_eq!(
        (last.outcome, after.outcome),
        (Outcome::Flagged, Outcome::Clean)
    );
}

#[test]
fn spans_show_what_made_the_rule_true() {
    let ruleset = one(&rule(
        "a",
        "{all: [{any: [{phrases: [kill, kill you]}, {phrases: [never]}]}, {regex: 'at \\d+'}, {not: {phrases: [joke]}}]}",
    ));
    let text = "ich KÍLL  you 👍 at 12 or kill at 7";
    let verdict = judge(ruleset, &message(text));
    let spans = &verdict.reasons[0].spans;
    let shown: Vec<_> = spans.iter().map(|span| &text[span.bytes.clone()]).collect();
    assert_eq!(shown, ["KÍLL  you", "at 12", "kill", "at 7"]);
    for span in spans {
        let chars: String = text
            .chars()
            .skip(span.chars.start)
            .take(span.chars.len())
            .collect();
        assert_eq!(chars, text[span.bytes.clone()]);
    }
}

#[test]
fn a_flood_of_hits_stays_bounded() {
    let ruleset = one(&rule("a", "{any: [{phrases: [a, a a, b]}, {regex: 'a+'}]}"));
    let text = "a ".repeat(100_000) + "b";
    let verdict = judge(ruleset, &message(&text));
    assert!(verdict.reasons[0].spans.len() <= 64);
    assert!(!verdict.reasons[0].spans.is_empty());
}
