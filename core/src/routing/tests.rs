use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn queue(name: &str, due: u32, bands: &[(AgeBand, u32)], priority: u8) -> Queue {
    Queue {
        name: name.into(),
        due: due * MINUTE,
        due_by_age_band: bands
            .iter()
            .map(|(band, due)| (*band, *due * MINUTE))
            .collect(),
        priority,
    }
}

fn row(when: When, queue: &str, due: Option<u32>, priority: Option<u8>) -> Row {
    Row {
        when,
        queue: queue.to_owned(),
        due: due.map(|due| due * MINUTE),
        priority,
    }
}

fn reason<'a>(policy: &'a str, rule: &'a str, severity: Severity) -> ReasonFacts<'a> {
    ReasonFacts {
        policy,
        rule,
        severity,
        queue: None,
        due: None,
    }
}

fn flag<'a>(reasons: &'a [ReasonFacts<'a>]) -> ItemFacts<'a> {
    ItemFacts {
        kind: Kind::Flag,
        report_reason: None,
        sender: AgeBand::Adult,
        recipients: &[AgeBand::Adult],
        minor_with_adult_or_unknown: false,
        reasons,
    }
}

fn table() -> Routing {
    let queues = vec![
        queue("general", 480, &[(AgeBand::From13To15, 120)], 30),
        queue("child-safety", 60, &[(AgeBand::Under13, 15)], 90),
        queue("reports", 240, &[], 40),
    ];
    let minor_safety = When {
        policy: Some(vec!["minor-safety".into()]),
        severity_at_least: Some(Severity::High),
        ..When::default()
    };
    let reported = When {
        kind: Some(Kind::Report),
        ..When::default()
    };
    let rows = vec![
        row(minor_safety, "child-safety", Some(30), None),
        row(reported, "reports", None, Some(7)),
    ];
    Routing::new(queues, rows, "general").unwrap()
}

#[test]
fn the_first_row_that_applies_decides_the_queue() {
    let reasons = [
        reason("spam", "spam.links", Severity::Critical),
        reason("minor-safety", "grooming.secrecy", Severity::High),
    ];
    let route = table().route(&flag(&reasons));
    assert_eq!(&*route.queue, "child-safety");
    assert_eq!((route.priority, route.due_millis), (100, 30 * 60_000));
}

#[test]
fn conditions_on_reasons_must_hold_for_one_and_the_same() {
    // Severe, and minor safety, but not both at once.
    let reasons = [
        reason("spam", "spam.links", Severity::Critical),
        reason("minor-safety", "grooming.secrecy", Severity::Low),
    ];
    assert_eq!(&*table().route(&flag(&reasons)).queue, "general");
}

#[test]
fn without_a_row_the_most_severe_rule_decides() {
    let mut reasons = [
        reason("a", "a.1", Severity::High),
        reason("a", "a.2", Severity::High),
        reason("a", "a.3", Severity::Critical),
        reason("a", "a.4", Severity::Low),
    ];
    reasons[0].queue = Some("reports");
    reasons[0].due = Some(50 * MINUTE);
    reasons[1].queue = Some("child-safety");
    reasons[1].due = Some(40 * MINUTE);
    reasons[2].queue = Some("no-such-queue");
    reasons[3].queue = Some("reports");
    reasons[3].due = Some(20 * MINUTE);
    let route = table().route(&flag(&reasons));
    assert_eq!(&*route.queue, "child-safety");
    // The deadline is the shortest of all reasons, whichever decided the queue.
    assert_eq!(route.due_millis, 20 * 60_000);
}

#[test]
fn a_report_needs_no_reason_and_a_row_may_lower_the_priority() {
    let facts = ItemFacts {
        kind: Kind::Report,
        report_reason: Some("bullying"),
        ..flag(&[])
    };
    let route = table().route(&facts);
    assert_eq!((&*route.queue, route.priority), ("reports", 7));
    assert_eq!(route.due_millis, 240 * 60_000);
}

#[test]
fn the_age_band_shortens_the_deadline() {
    let facts = ItemFacts {
        recipients: &[AgeBand::Adult, AgeBand::From13To15],
        sender: AgeBand::From16To17,
        ..flag(&[])
    };
    assert_eq!(table().route(&facts).due_millis, 120 * 60_000);
}

#[test]
fn a_minor_with_an_adult_gets_the_shortest_deadline_of_all_queues() {
    let facts = ItemFacts {
        recipients: &[AgeBand::From16To17],
        minor_with_adult_or_unknown: true,
        ..flag(&[])
    };
    let route = table().route(&facts);
    assert_eq!((&*route.queue, route.due_millis), ("general", 15 * 60_000));
}

#[test]
fn wrong_tables_are_refused_with_every_fault() {
    let queues = vec![queue("a", 1, &[], 0), queue("a", 2, &[], 0)];
    let rows = vec![row(When::default(), "b", None, None)];
    let errors = Routing::new(queues, rows, "c").unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "queue `a` is declared twice",
            "queue `b` is not declared",
            "queue `c` is not declared"
        ]
    );
}

#[test]
fn globs() {
    for (pattern, name, expected) in [
        ("grooming.*", "grooming.secrecy", true),
        ("grooming.*", "grooming", false),
        ("*", "", true),
        ("*.links", "spam.links", true),
        ("*.links", "spam.links.more", false),
        ("a*b*c", "aXbXbXc", true),
        ("a*a", "a", false),
        ("ab*bc", "abc", false),
        ("**", "x", true),
        ("a.b", "axb", false),
    ] {
        assert_eq!(
            Glob::new(pattern).matches(name),
            expected,
            "{pattern} {name}"
        );
    }
}

/// Globs by definition: try every length for every star.
fn naive_glob(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| naive_glob(rest, &name[skip..])),
        Some((byte, rest)) => name.first() == Some(byte) && naive_glob(rest, &name[1..]),
    }
}

const QUEUES: [&str; 4] = ["q0", "q1", "q2", "undeclared"];
const POLICIES: [&str; 3] = ["p0", "p1", "p2"];
const RULES: [&str; 4] = ["p0.a", "p0.b", "p1.a", "x"];
const REPORTS: [&str; 2] = ["bullying", "spam"];

fn select<T: Clone + std::fmt::Debug + 'static>(from: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(from.to_vec())
}

fn maybe<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    prop::option::weighted(0.3, strategy)
}

fn some_of(from: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(from).prop_map(str::to_owned), 1..3)
}

fn when() -> impl Strategy<Value = When> {
    let globs = prop::collection::vec(
        select(&["p0.*", "*a", "x", "*.b*"]).prop_map(Glob::new),
        1..3,
    );
    (
        maybe(some_of(&POLICIES)),
        maybe(select(&Severity::ALL)),
        maybe(globs),
        maybe(any::<bool>()),
        maybe(prop::collection::vec(select(&AgeBand::ALL), 1..3)),
        maybe(select(&[Kind::Flag, Kind::Report])),
        maybe(some_of(&REPORTS)),
    )
        .prop_map(|(policy, severity, rule, pair, bands, kind, report)| When {
            policy,
            severity_at_least: severity,
            rule,
            minor_with_adult_or_unknown: pair,
            recipient_age_band: bands,
            kind,
            report_reason: report,
        })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let one = (
        when(),
        select(&QUEUES[..3]),
        maybe(1_u32..600),
        maybe(0_u8..=100),
    )
        .prop_map(|(when, queue, due, priority)| row(when, queue, due, priority));
    prop::collection::vec(one, 0..6)
}

fn queues() -> impl Strategy<Value = Vec<Queue>> {
    let bands = prop::collection::btree_map(select(&AgeBand::ALL), 1_u32..600, 0..4);
    let one = (1_u32..600, bands, 0_u8..=100);
    prop::collection::vec(one, 3).prop_map(|list| {
        let named = QUEUES.iter().zip(list);
        named
            .map(|(name, (due, bands, priority))| {
                let bands: Vec<(AgeBand, u32)> = bands.into_iter().collect();
                queue(name, due, &bands, priority)
            })
            .collect()
    })
}

fn reasons() -> impl Strategy<Value = Vec<ReasonFacts<'static>>> {
    let due = maybe((1_u32..600).prop_map(|due| due * MINUTE));
    let one = (
        select(&POLICIES),
        select(&RULES),
        select(&Severity::ALL),
        maybe(select(&QUEUES)),
        due,
    )
        .prop_map(|(policy, rule, severity, queue, due)| ReasonFacts {
            queue,
            due,
            ..reason(policy, rule, severity)
        });
    prop::collection::vec(one, 0..5)
}

/// The contract, step by step, over plain loops.
fn naive_route(queues: &[Queue], rows: &[Row], facts: &ItemFacts<'_>) -> (String, u8, u64) {
    let mut matched = None;
    for candidate in rows {
        let when = &candidate.when;
        let mut item_holds = true;
        if let Some(kind) = when.kind {
            item_holds &= kind == facts.kind;
        }
        if let Some(pair) = when.minor_with_adult_or_unknown {
            item_holds &= pair == facts.minor_with_adult_or_unknown;
        }
        if let Some(bands) = &when.recipient_age_band {
            item_holds &= bands.iter().any(|band| facts.recipients.contains(band));
        }
        if let Some(wanted) = &when.report_reason {
            item_holds &= wanted
                .iter()
                .any(|want| Some(want.as_str()) == facts.report_reason);
        }
        let mut reason_holds =
            when.policy.is_none() && when.severity_at_least.is_none() && when.rule.is_none();
        for reason in facts.reasons {
            let policy = match &when.policy {
                Some(list) => list.contains(&reason.policy.to_owned()),
                None => true,
            };
            let severity = match when.severity_at_least {
                Some(least) => least <= reason.severity,
                None => true,
            };
            let rule = match &when.rule {
                Some(globs) => globs
                    .iter()
                    .any(|glob| naive_glob(glob.as_str().as_bytes(), reason.rule.as_bytes())),
                None => true,
            };
            reason_holds |= policy && severity && rule;
        }
        if item_holds && reason_holds {
            matched = Some(candidate);
            break;
        }
    }
    let declared = |name: &str| queues.iter().any(|queue| &*queue.name == name);
    let queue_name = if let Some(row) = matched {
        row.queue.clone()
    } else {
        let mut name = "q0".to_owned();
        'found: for severity in Severity::ALL.into_iter().rev() {
            let mut best: Option<(Duration, &str)> = None;
            for reason in facts.reasons {
                let asked = reason.queue.filter(|queue| declared(queue));
                if let (true, Some(asked)) = (reason.severity == severity, asked) {
                    let due = reason.due.unwrap_or(Duration::MAX);
                    if best.is_none_or(|(shortest, _)| due < shortest) {
                        best = Some((due, asked));
                    }
                }
            }
            if let Some((_, asked)) = best {
                name = asked.to_owned();
                break 'found;
            }
        }
        name
    };
    let queue = queues
        .iter()
        .find(|queue| *queue.name == *queue_name)
        .unwrap();
    let mut dues = Vec::new();
    for band in facts.recipients.iter().chain([&facts.sender]) {
        let mut due = queue.due;
        for (name, by_band) in &queue.due_by_age_band {
            if name == band {
                due = *by_band;
            }
        }
        dues.push(due);
    }
    dues.extend(facts.reasons.iter().filter_map(|reason| reason.due));
    dues.extend(matched.and_then(|row| row.due));
    if facts.minor_with_adult_or_unknown {
        for queue in queues {
            dues.push(queue.due);
            dues.extend(queue.due_by_age_band.iter().map(|(_, due)| *due));
        }
    }
    dues.sort();
    let mut priority = queue.priority;
    for reason in facts.reasons {
        priority = priority.max([25, 50, 75, 100][reason.severity as usize]);
    }
    let priority = matched.and_then(|row| row.priority).unwrap_or(priority);
    (queue_name, priority, dues[0].as_secs() * 1_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn a_route_is_what_the_contract_says(
        queues in queues(),
        rows in rows(),
        reasons in reasons(),
        sender in select(&AgeBand::ALL),
        recipients in prop::collection::vec(select(&AgeBand::ALL), 1..4),
        pair in any::<bool>(),
        kind in select(&[Kind::Flag, Kind::Report]),
        report_reason in prop::option::of(select(&REPORTS)),
    ) {
        let facts = ItemFacts {
            kind,
            report_reason,
            sender,
            recipients: &recipients,
            minor_with_adult_or_unknown: pair,
            reasons: &reasons,
        };
        let routing = Routing::new(queues.clone(), rows.clone(), "q0").unwrap();
        let route = routing.route(&facts);
        let (queue, priority, due) = naive_route(&queues, &rows, &facts);
        prop_assert_eq!(&*route.queue, queue.as_str());
        prop_assert_eq!(route.priority, priority);
        prop_assert_eq!(u64::try_from(route.due_millis).unwrap(), due);
    }

    #[test]
    fn globs_match_what_trying_everything_matches(pattern in "[ab*]{0,7}", name in "[ab]{0,8}") {
        let expected = naive_glob(pattern.as_bytes(), name.as_bytes());
        prop_assert_eq!(Glob::new(pattern).matches(&name), expected);
    }
}
