//! Settings broken at random.

use self::mutated::mutated;
use super::*;

// Another crate's tests use it too, and what tests use is not in a library.
#[path = "../../../core/src/document/mutated.rs"]
mod mutated;

const PIECES: &[&str] = &[
    "{a: b}",
    "~",
    "999999999999999999999",
    "-1",
    "0",
    "1e9",
    ".nan",
    "true",
    "15",
    "x: ",
    "*",
    "../",
    "10.0.0.1:1",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Files broken at random: no panic, and every fault has a text and a place.
    #[test]
    fn broken_files_never_panic(yaml in prop_oneof![mutated(EXAMPLE, PIECES), mutated(MINIMAL, PIECES)], keys in any::<bool>()) {
        let needs = if keys { Needs::ALL } else { Needs::NOTHING };
        let fixture = Fixture::new(&yaml).needs(needs);
        if let Err(error) = Settings::load(&fixture.options) {
            prop_assert!(!error.faults.is_empty());
            for fault in &error.faults {
                prop_assert!(!fault.message.is_empty());
                let shown = fault.place.to_string();
                prop_assert!(shown.contains("settings.yaml") || shown == "default", "{}", shown);
            }
            prop_assert!(!error.render(true).contains("canary"));
        }
    }

    #[test]
    fn broken_variables_and_flags_never_panic(
        name in "(DMWATCH__)?(KAFKA|STREAM|ROUTING|REGIONS|QUEUES|X)?(__|\\.|_)?[A-Z_\\[\\].]{0,12}",
        value in "[-a-z0-9:,{}\\[\\]'\" ]{0,12}",
    ) {
        let flag = format!("{}={value}", name.to_lowercase());
        let fixture = Fixture::new("").env(&name, &value).set(&flag).needs(Needs::NOTHING);
        let _ = fixture.report();
    }
}
