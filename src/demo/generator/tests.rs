use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use dmwatch_core::conversation::Store;
use dmwatch_core::judge::{Judge, Position};
use dmwatch_core::message::{AgeBand, FieldMap};
use dmwatch_core::rules::Ruleset;
use dmwatch_core::verdict::Outcome;

use super::*;
use crate::demo::lines::Pair;

const START: Millis = Millis(1_760_000_000_000);

fn starter_rules() -> Arc<Ruleset> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    Arc::new(
        Ruleset::load(&dir)
            .unwrap_or_else(|faults| panic!("{}", dmwatch_core::document::render(&faults, false))),
    )
}

fn at(number: usize) -> Millis {
    Millis(START.0 + number as i64)
}

/// The rules that fired on each record, live and shadow, in order.
fn judged(options: Options, records: usize) -> Vec<(Record, Outcome, Vec<String>)> {
    let rules = starter_rules();
    let fields = FieldMap::default();
    let mut judge = Judge::new(rules.clone());
    let mut store = Store::default();
    let mut generator = Generator::new(options);
    let mut all = Vec::new();
    for number in 0..records {
        let record = generator.next(at(number));
        if matches!(record.kind, Kind::Report | Kind::Broken) {
            continue;
        }
        let position = Position {
            offset: number as i64,
            at: at(number),
        };
        let verdict = {
            let message = fields.decode(&record.value).unwrap();
            judge.judge(&message, position, &mut store)
        };
        let reasons = verdict.reasons.iter().chain(&verdict.shadow);
        let fired = reasons.map(|reason| rules.rule(reason.rule).unwrap().id.to_string());
        let fired = fired.collect();
        all.push((record, verdict.outcome, fired));
    }
    all
}

#[test]
fn a_seed_names_a_stream() {
    let stream = |seed| {
        let mut generator = Generator::new(Options::demo(seed));
        (0..2000)
            .map(|number| generator.next(at(number)))
            .collect::<Vec<_>>()
    };
    assert!(stream(7) == stream(7));
    assert!(stream(7) != stream(8));
}

#[test]
fn records_decode_and_are_about_430_bytes_long() {
    let mut generator = Generator::new(Options::bench(0.01));
    let fields = FieldMap::default();
    let (mut bytes, mut distinct) = (0, BTreeSet::new());
    for number in 0..20_000 {
        let record = generator.next(at(number));
        let message = fields.decode(&record.value).unwrap();
        assert_eq!(message.conversation_id, record.key);
        assert!(message.sent_at_millis().unwrap() <= at(number));
        assert!(!message.recipients.is_empty());
        let _new = distinct.insert(message.text.reveal().to_owned());
        bytes += record.value.len();
    }
    let mean = bytes / 20_000;
    assert!((410..=450).contains(&mean), "{mean} bytes");
    assert!(distinct.len() > 400, "{} lines", distinct.len());
}

#[test]
fn harmless_lines_are_clean() {
    let mut flagged = BTreeSet::new();
    for (record, outcome, fired) in judged(Options::bench(0.0), 60_000) {
        if outcome != Outcome::Clean {
            let message: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
            let _new = flagged.insert((message["text"].to_string(), fired));
        }
    }
    assert!(flagged.is_empty(), "{flagged:?}");
}

#[test]
fn a_fixed_share_is_flagged_to_the_message() {
    for share in [0.05, 1.0] {
        for (record, outcome, fired) in judged(Options::bench(share), 5000) {
            let is_cue = matches!(record.kind, Kind::Cue(_));
            let flagged = outcome == Outcome::Flagged;
            assert_eq!(is_cue, flagged, "{:?} fired {fired:?}", record.kind);
        }
    }
    let cues = judged(Options::bench(0.05), 20_000);
    let cues = cues
        .iter()
        .filter(|(record, ..)| record.kind != Kind::Harmless);
    assert!((900..1100).contains(&cues.count()));
}

#[test]
fn every_starter_rule_is_hit_by_its_own_lines() {
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    let options = Options {
        flagged: 0.5,
        ..Options::demo(3)
    };
    for (record, _, fired) in judged(options, 40_000) {
        if let Kind::Cue(rule) = record.kind
            && fired.iter().any(|id| id == rule)
        {
            *hits.entry(rule).or_default() += 1;
        }
    }
    let rules = starter_rules();
    let missing: Vec<&str> = rules
        .rules
        .iter()
        .filter(|rule| rule.status.runs() && !hits.contains_key(&*rule.id))
        .map(|rule| &*rule.id)
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {hits:?}");
    let known: BTreeSet<&str> = rules.rules.iter().map(|rule| &*rule.id).collect();
    assert!(CUES.iter().all(|cue| known.contains(cue.rule)));
}

#[test]
fn lines_for_adults_are_never_written_to_or_by_a_minor() {
    let adults_only: BTreeSet<&str> = CUES
        .iter()
        .filter(|cue| cue.pair == Pair::AdultToAdult)
        .map(|cue| cue.rule)
        .collect();
    assert!(adults_only.contains("sexual-harassment.pressure"));
    let mut generator = Generator::new(Options::bench(1.0));
    let fields = FieldMap::default();
    let mut seen = 0;
    for number in 0..20_000 {
        let record = generator.next(at(number));
        if !matches!(record.kind, Kind::Cue(rule) if adults_only.contains(rule)) {
            continue;
        }
        seen += 1;
        let message = fields.decode(&record.value).unwrap();
        assert!(
            message
                .parties()
                .all(|party| party.age_band == AgeBand::Adult)
        );
    }
    assert!(seen > 1000);
}

#[test]
fn the_demo_has_reports_broken_records_edits_and_first_contacts() {
    let mut generator = Generator::new(Options::demo(5));
    let fields = FieldMap::default();
    let (mut reports, mut broken, mut edits, mut first, mut groups) = (0, 0, 0, 0, 0);
    for number in 0..60_000 {
        let record = generator.next(at(number));
        match record.kind {
            Kind::Report => {
                let report = fields.decode_report(&record.value).unwrap();
                assert_eq!(report.messages[0].conversation_id, record.key);
                reports += 1;
            }
            Kind::Broken => {
                assert!(fields.decode(&record.value).is_err());
                broken += 1;
            }
            Kind::Harmless | Kind::Cue(_) => {
                let message = fields.decode(&record.value).unwrap();
                edits += usize::from(message.edited_at.is_some());
                first += usize::from(message.first_contact == Some(true));
                groups += usize::from(message.recipients.len() > 1);
            }
        }
    }
    assert!((10..60).contains(&reports), "{reports} reports");
    assert!((1..20).contains(&broken), "{broken} broken");
    assert!(
        edits > 300 && first > 300 && groups > 1000,
        "{edits} {first} {groups}"
    );
}

#[test]
fn few_conversations_make_most_of_the_traffic() {
    let mut generator = Generator::new(Options::bench(0.0));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..50_000 {
        *counts.entry(generator.next(at(number)).key).or_default() += 1;
    }
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let busiest: usize = counts.iter().take(200).sum();
    assert!(busiest > 20_000, "{busiest} of 50000 in the busiest 200");
    assert!(counts.len() > 5_000, "{} conversations", counts.len());
}
