//! Arbitrary rule files and texts: never a panic, every fault with a place.

use proptest::prelude::*;

use super::*;
use crate::document::mutated::mutated;

const SAMPLE: &str = "\
policy: minor-safety
rules:
  - id: a.b
    title: Title
    status: canary 10
    severity: high
    when:
      all:
        - phrases: {list: words, views: [folded]}
        - phrases: ['*sub*', dont tell, \"é\"]
        - regex: 'a[bc]+\\d{2,5}(x|y)'
        - any: [{sender: {age_band: [adult], account_age_days: {less_than: 3}}}, {pair: minor_adult}]
        - not: {recipient: {region: [US]}}
        - count: {of: [{first_contact: true}, {lang: en}], at_least: 1}
        - attachments: {kind: [image], match: true}
        - length: {at_least: 2, at_most: 50}
        - rate: {of: {regex: x}, at_least: 3, within: 10m}
    unless: {phrases: [joke]}
    route: {queue: child-safety, due: 15m}
    expires: 2027-06-01
    tests:
      match: [{text: x, sender: {age_band: 13_15}, attachments: [{kind: image}]}]
      no_match: [y]
      conversations:
        - turns: [{from: a, text: x, after: 5m, times: 3}, {from: b, text: y}]
          fires_at: never
";

const PIECES: &[&str] = &[
    "]",
    "{",
    "'",
    "#",
    "*",
    "(",
    ")",
    "\\",
    "null",
    "true",
    "-1",
    "0",
    "99999999999999999999",
    "{1000}",
    "(?u)\\b",
    "\\p{L}",
    "[^a]",
    "when:",
    "not:",
    "rate:",
    "phrases:",
];

#[test]
fn the_sample_itself_is_good() {
    let ruleset = load(&[
        ("sample.yaml", SAMPLE),
        ("lists/words.txt", "one\ntwo words\n"),
    ]);
    assert_eq!(ruleset.rules.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_load_or_say_where(file in mutated(SAMPLE, PIECES), list in "[ -~\n\\*#é]{0,40}", text in "\\PC{0,40}") {
        let sources = sources(&[("sample.yaml", &file), ("lists/words.txt", &list)]);
        match Ruleset::read(&sources, Faults::new()) {
            Ok(ruleset) => {
                let _ = testing::run(&ruleset).unwrap();
                let _ = judge(ruleset, &message(&text));
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                let shown = render(&faults, false);
                for fault in &faults {
                    let source = fault.place.source.as_ref().unwrap();
                    prop_assert!(source.text().get(fault.place.range.clone()).is_some());
                    prop_assert!(shown.contains(&fault.place.to_string()), "{} in {shown}", fault.place);
                }
            }
        }
    }

    #[test]
    fn any_text_is_judged(texts in prop::collection::vec(".{0,60}", 1..4)) {
        let ruleset = load(&[("sample.yaml", SAMPLE), ("lists/words.txt", "one\n*wo\n字\n")]);
        let mut judge = Judge::new(Arc::new(ruleset));
        for text in &texts {
            let verdict = judge.judge(&message(text), at(1), &mut Store::default());
            for span in verdict.reasons.iter().flat_map(|reason| &reason.spans) {
                prop_assert!(text.get(span.bytes.clone()).is_some());
            }
        }
    }
}
