use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;
use crate::message::{AgeBand, MessageText};

fn region(name: &str, members: &[&str]) -> Region {
    Region {
        name: name.into(),
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        basis: Basis::default(),
    }
}

fn party((code, age_band): (&'static str, AgeBand)) -> Party<'static> {
    Party {
        id: "p".into(),
        age_band,
        region: code.into(),
        account_age_days: None,
    }
}

type Facts = (&'static str, AgeBand);

fn message(sender: Facts, recipients: &[Facts]) -> Message<'static> {
    Message {
        message_id: "m".into(),
        conversation_id: "c".into(),
        sent_at: "0".into(),
        text: MessageText::new(""),
        sender: party(sender),
        recipients: recipients
            .iter()
            .copied()
            .map(party)
            .collect::<SmallVec<_>>(),
        first_contact: None,
        lang: None,
        edited_at: None,
        attachments: SmallVec::new(),
    }
}

fn shipped() -> Regions {
    let regions = vec![region("us", &["US", "PR"]), region("eu", &["IE", "DE"])];
    let precedence = [
        PrecedenceStep::AnyParty("us".into()),
        PrecedenceStep::Minor,
        PrecedenceStep::Recipient,
    ];
    Regions::new(regions, &precedence, Basis::default()).unwrap()
}

fn owner(regions: &Regions, sender: Facts, recipients: &[Facts]) -> String {
    regions
        .name(regions.owner(&message(sender, recipients)))
        .to_owned()
}

#[test]
fn shipped_precedence() {
    use AgeBand::{Adult, From13To15, Unknown};
    let regions = shipped();
    assert_eq!(owner(&regions, ("PR", Adult), &[("IE", From13To15)]), "us");
    assert_eq!(owner(&regions, ("IE", From13To15), &[("GB", Adult)]), "eu");
    assert_eq!(owner(&regions, ("GB", Adult), &[("DE", Adult)]), "eu");
    assert_eq!(
        owner(&regions, ("DE", Adult), &[("GB", Unknown)]),
        UNASSIGNED
    );
    assert_eq!(owner(&regions, ("", Adult), &[("us", Adult)]), UNASSIGNED);
}

#[test]
fn a_minor_of_unknown_region_does_not_hide_another_minor() {
    use AgeBand::{Adult, From16To17, Under13};
    let regions = shipped();
    let parties = [("XX", Under13), ("DE", From16To17)];
    assert_eq!(owner(&regions, ("GB", Adult), &parties), "eu");
}

#[test]
fn a_report_is_owned_over_all_its_messages() {
    use AgeBand::Adult;
    let regions = shipped();
    let messages = [
        message(("IE", Adult), &[("DE", Adult)]),
        message(("US", Adult), &[("DE", Adult)]),
    ];
    assert_eq!(regions.name(regions.owner_of(&messages)), "us");
    assert_eq!(regions.name(regions.owner_of(&[])), UNASSIGNED);
}

#[test]
fn contradictions_are_all_found() {
    let regions = vec![
        region("us", &["US", "US"]),
        region("us", &["PR"]),
        region("eu", &["US"]),
        region("Bad.Name", &[]),
        region(UNASSIGNED, &[]),
    ];
    let precedence = [PrecedenceStep::AnyParty("uk".into())];
    let errors = Regions::new(regions, &precedence, Basis::default()).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 5, "{texts:#?}");
    assert_eq!(texts[0], "region `us` is declared twice");
    assert_eq!(texts[1], "the region code `US` is in both `us` and `eu`");
}

#[test]
fn no_scanning_without_both_switch_and_legal_basis() {
    let entry = |policy: &str, scan, legal_basis: Option<&str>, flag_is_purpose| PolicyBasis {
        policy: policy.into(),
        scan,
        legal_basis: legal_basis.map(str::to_owned),
        flag_is_purpose,
    };
    let basis = Basis::new(vec![
        entry("*", true, Some("terms of service"), true),
        entry("spam", false, Some("terms of service"), true),
        entry("hate", true, None, true),
        entry("minor-safety", true, Some("legal duty"), false),
    ]);
    assert!(basis.scans("anything"));
    assert!(basis.scans("minor-safety"));
    assert!(!basis.scans("spam") && !basis.scans("hate"));
    assert!(basis.flag_is_purpose("anything"));
    assert!(!basis.flag_is_purpose("spam") && !basis.flag_is_purpose("hate"));
    assert!(!basis.flag_is_purpose("minor-safety"));
    assert!(!Basis::default().scans("anything") && !Basis::default().scans_anything());
    let regions = Regions::new(Vec::new(), &[], basis).unwrap();
    assert!(regions.basis(Owner::Unassigned).scans("anything"));
    assert!(!regions.flag_is_purpose(Owner::Unassigned, "anything"));
}

const CODES: [&str; 6] = ["A1", "A2", "B1", "C1", "XX", ""];

/// The contract, written down naively: region names by hand, every step spelled out.
fn naive_owner(steps: &[PrecedenceStep], sender: Facts, recipients: &[Facts]) -> &'static str {
    let name = |code: &str| match code {
        "A1" | "A2" => Some("a"),
        "B1" => Some("b"),
        "C1" => Some("c"),
        _ => None,
    };
    let mut everybody = vec![sender];
    everybody.extend(recipients);
    for step in steps {
        match step {
            PrecedenceStep::AnyParty(wanted) => {
                for (code, _) in &everybody {
                    if name(code) == Some(wanted) {
                        return name(code).unwrap();
                    }
                }
            }
            PrecedenceStep::Minor => {
                for band in [AgeBand::Under13, AgeBand::From13To15, AgeBand::From16To17] {
                    for (code, age_band) in &everybody {
                        if *age_band == band && name(code).is_some() {
                            return name(code).unwrap();
                        }
                    }
                }
            }
            PrecedenceStep::Recipient => {
                for (code, _) in recipients {
                    if let Some(name) = name(code) {
                        return name;
                    }
                }
            }
            PrecedenceStep::Sender => {
                if let Some(name) = name(sender.0) {
                    return name;
                }
            }
        }
    }
    UNASSIGNED
}

fn facts() -> impl Strategy<Value = Facts> {
    let codes = prop::sample::select(CODES.to_vec());
    (codes, prop::sample::select(AgeBand::ALL.to_vec()))
}

fn step() -> impl Strategy<Value = PrecedenceStep> {
    prop_oneof![
        prop::sample::select(vec!["a", "b", "c"])
            .prop_map(|name| PrecedenceStep::AnyParty(name.to_owned())),
        Just(PrecedenceStep::Minor),
        Just(PrecedenceStep::Recipient),
        Just(PrecedenceStep::Sender),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn owner_is_what_the_contract_says(
        steps in prop::collection::vec(step(), 0..5),
        sender in facts(),
        recipients in prop::collection::vec(facts(), 1..4),
    ) {
        let regions = vec![region("a", &["A1", "A2"]), region("b", &["B1"]), region("c", &["C1"])];
        let regions = Regions::new(regions, &steps, Basis::default()).unwrap();
        prop_assert_eq!(
            owner(&regions, sender, &recipients),
            naive_owner(&steps, sender, &recipients)
        );
    }
}
