//! The rules that are shipped: they load without a warning, pass their own tests, and reach every
//! queue.

use std::collections::BTreeSet;
use std::path::Path;

use dmwatch_core::document::render;
use dmwatch_core::rules::{Ruleset, testing};

fn pack() -> Ruleset {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    Ruleset::load(&dir).unwrap_or_else(|faults| panic!("{}", render(&faults, false)))
}

#[test]
fn it_loads_without_a_warning() {
    let warnings = pack().warnings;
    assert!(warnings.is_empty(), "{}", render(&warnings, false));
}

#[test]
fn its_own_tests_hold() {
    let report = testing::run(&pack()).unwrap();
    let failed = report.failed();
    assert!(failed.is_empty(), "{}", render(&failed, false));
    assert!(report.passed() > 100, "{}", report.passed());
}

#[test]
fn every_rule_is_described_routed_and_tested() {
    let pack = pack();
    for rule in pack.rules.iter() {
        assert!(rule.explanation.is_some(), "{}", rule.id);
        assert!(rule.clause.is_some(), "{}", rule.id);
        assert!(!rule.known_false_positives.is_empty(), "{}", rule.id);
        assert!(
            rule.route.as_ref().is_some_and(|route| route.due.is_some()),
            "{}",
            rule.id
        );
        let fires = rule
            .tests
            .conversations
            .iter()
            .filter(|test| test.fires_at.is_some());
        let fires = rule.tests.matches.len() + 2 * fires.count();
        assert!(
            fires >= 2 && rule.tests.no_matches.len() >= 2,
            "{}",
            rule.id
        );
    }
    let queues: BTreeSet<&str> = pack
        .rules
        .iter()
        .filter_map(|rule| rule.route.as_ref())
        .map(|route| &*route.queue)
        .collect();
    let expected = [
        "blackmail",
        "child-safety",
        "harassment",
        "hate",
        "scams",
        "self-harm",
        "spam",
        "threats",
    ];
    assert!(queues.iter().eq(&expected), "{queues:?}");
}

/// Almost every message is clean, and must cost no more than the search for patterns: no rule of
/// the pack is evaluated without one.
#[test]
fn no_rule_is_evaluated_for_every_message() {
    assert!(pack().program().always_evaluated().is_empty());
}
