//! Conditions, by example and against a naive evaluator.

use proptest::prelude::*;

use super::super::condition::{Condition, Fact, Phrases};
use super::super::phrase::Phrase;
use super::*;
use crate::message::Attachment;
use crate::text::View;
use crate::verdict::Severity;

fn holds(when: &str, message: &Message<'_>) -> bool {
    !fires(one(&rule("a", when)), message).is_empty()
}

#[test]
fn facts_of_parties() {
    let mut message = message("hello");
    message.sender = party("s", AgeBand::Adult);
    message.sender.account_age_days = Some(3);
    message.recipients = [
        party("r", AgeBand::Unknown),
        party("q", AgeBand::From13To15),
    ]
    .into_iter()
    .collect();
    message.recipients[1].region = "us".into();
    for (when, expected) in [
        ("{sender: {age_band: adult}}", true),
        ("{sender: {age_band: [unknown, 16_17]}}", false),
        ("{recipient: {age_band: [under_13, 13_15]}}", true),
        ("{recipient: {age_band: 13_15, region: IE}}", false),
        ("{recipient: {age_band: 13_15, region: [DE, US]}}", true),
        ("{sender: {account_age_days: {less_than: 4}}}", true),
        ("{sender: {account_age_days: {less_than: 3}}}", false),
        ("{recipient: {account_age_days: {less_than: 100}}}", false),
        ("{pair: minor_adult}", true),
        ("{region: [US]}", true),
        ("{region: DE}", false),
        ("{first_contact: true}", false),
        ("{first_contact: false}", false),
        ("{not: {sender: {age_band: adult}}}", false),
    ] {
        assert_eq!(holds(when, &message), expected, "{when}");
    }
    message.recipients.truncate(1);
    assert!(!holds("{pair: minor_adult}", &message));
    message.first_contact = Some(false);
    assert!(holds("{first_contact: false}", &message));
}

#[test]
fn facts_of_messages() {
    let mut message = message("ж".repeat(5).leak());
    message.lang = Some("en-GB".into());
    message.attachments = [Attachment {
        kind: "image".into(),
        hash: None,
        known: Some("terror-list".into()),
    }]
    .into_iter()
    .collect();
    for (when, expected) in [
        ("{lang: en}", true),
        ("{lang: [de, EN-gb]}", true),
        ("{lang: e}", false),
        ("{lang: en-US}", false),
        ("{attachments: {kind: image}}", true),
        ("{attachments: {kind: [video, link]}}", false),
        ("{attachments: {match: true}}", true),
        ("{attachments: {match: [terror-list]}}", true),
        ("{attachments: {kind: image, match: other}}", false),
        ("{length: {at_least: 5}}", true),
        ("{length: {at_least: 6}}", false),
        ("{length: {at_most: 5}}", true),
        ("{length: {at_most: 4}}", false),
        ("{length: {at_least: 1, at_most: 10}}", true),
    ] {
        assert_eq!(holds(when, &message), expected, "{when}");
    }
}

#[test]
fn combinations() {
    let when = "{all: [{count: {of: [{phrases: [one]}, {phrases: [two]}, {regex: 'thr[e3]+'}], at_least: 2}}, {not: {phrases: [stop]}}]}";
    for (text, expected) in [
        ("one", false),
        ("one two", true),
        ("THREE two", true),
        ("one two thr3 stop", false),
        ("", false),
    ] {
        assert_eq!(holds(when, &message(text)), expected, "{text}");
    }
    assert!(holds("{not: {phrases: [x]}}", &message("")));
}

#[test]
fn unless_takes_back() {
    let text = "  - {id: a, title: T, status: stable, severity: low, when: {phrases: [kill]}, unless: {phrases: [killing time, the lights]}}\n";
    assert_eq!(fires(one(text), &message("kill")), ["a"]);
    assert!(fires(one(text), &message("kill the lights")).is_empty());
}

/// The same meaning, without index, terms or scratch.
fn naive(condition: &Condition, message: &Message<'_>) -> bool {
    match condition {
        Condition::All(of) => of.iter().all(|inner| naive(inner, message)),
        Condition::Any(of) => of.iter().any(|inner| naive(inner, message)),
        Condition::Not(inner) => !naive(inner, message),
        Condition::Count { of, at_least } => {
            of.iter().filter(|inner| naive(inner, message)).count() >= *at_least
        }
        Condition::Phrases(phrases) => phrases.phrases.iter().any(|phrase| {
            message
                .text
                .reveal()
                .split(' ')
                .any(|word| word == &*phrase.literal)
        }),
        Condition::Regex(regex) => message.text.reveal().contains(&**regex),
        Condition::Fact(fact) => fact.holds(message),
        Condition::Rate(_) => unreachable!("not generated here"),
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let phrases = prop::collection::vec("[abc]", 1..3).prop_map(|words| {
        Condition::Phrases(Phrases {
            list: None,
            phrases: words
                .iter()
                .map(|word| Phrase::parse(word).unwrap())
                .collect(),
            views: vec![View::Folded],
        })
    });
    let leaf = prop_oneof![
        4 => phrases,
        2 => prop::sample::select(vec!["ab", "b", "ca"]).prop_map(|regex| Condition::Regex(regex.into())),
        1 => any::<bool>().prop_map(|wanted| Condition::Fact(Fact::FirstContact(wanted))),
        1 => (0usize..8).prop_map(|most| Condition::Fact(Fact::Length { at_least: None, at_most: Some(most) })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several.clone().prop_map(Condition::All),
            several.clone().prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
            (several, 1usize..4).prop_map(|(of, at_least)| Condition::Count {
                at_least: at_least.min(of.len()),
                of,
            }),
        ]
    })
}

fn bare(number: usize, when: Condition, unless: Option<Condition>) -> Rule {
    Rule {
        id: format!("r{number}").into(),
        version: "".into(),
        policy: "test".into(),
        title: "T".into(),
        explanation: None,
        status: Status::Stable,
        severity: Severity::Low,
        when,
        unless,
        route: None,
        expires: None,
        clause: None,
        owner: None,
        known_false_positives: Vec::new(),
        tests: Default::default(),
        place: Place::elsewhere(Origin::Default),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// The index never leaves out a rule that would fire, whatever the tree.
    #[test]
    fn rules_fire_like_naively_evaluated(
        conditions in prop::collection::vec((condition(), prop::option::of(condition())), 1..6),
        messages in prop::collection::vec(("[abc]{0,2}( [abc]{1,2}){0,4}", any::<Option<bool>>()), 1..5),
    ) {
        let rules = (0..).zip(&conditions).map(|(number, (when, unless))| bare(number, when.clone(), unless.clone()));
        let mut judge = Judge::new(Arc::new(Ruleset::new(rules.collect()).unwrap()));
        for (text, first_contact) in &messages {
            let mut message = message(text);
            message.first_contact = *first_contact;
            let verdict = judge.judge(&message, at(1), &mut Store::default());
            let fired: Vec<u32> = verdict.reasons.iter().map(|reason| reason.rule.0).collect();
            let expected: Vec<u32> = (0..)
                .zip(&conditions)
                .filter(|(_, (when, unless))| {
                    naive(when, &message) && !unless.as_ref().is_some_and(|unless| naive(unless, &message))
                })
                .map(|(index, _)| index)
                .collect();
            prop_assert_eq!(fired, expected, "{}", text);
        }
    }
}

#[test]
fn only_touched_rules_are_evaluated() {
    let ruleset = one(&[
        rule("phrase", "{all: [{sender: {age_band: adult}}, {phrases: [word]}]}"),
        rule("either", "{any: [{phrases: [word]}, {regex: 'x+'}]}"),
        rule("facts", "{sender: {age_band: adult}}"),
        rule("negative", "{all: [{not: {phrases: [word]}}, {length: {at_least: 3}}]}"),
        rule("most", "{count: {of: [{phrases: [a]}, {phrases: [b]}, {first_contact: true}], at_least: 2}}"),
        rule("few", "{count: {of: [{phrases: [a]}, {first_contact: true}, {pair: minor_adult}], at_least: 2}}"),
    ]
    .concat());
    assert_eq!(
        ruleset.program().always_evaluated(),
        ["facts", "negative", "few"].map(|id| {
            RuleIndex(
                ruleset
                    .rules
                    .iter()
                    .position(|rule| &*rule.id == id)
                    .unwrap() as u32,
            )
        })
    );
}
