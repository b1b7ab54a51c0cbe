//! Rule files → [`Rule`]s, with every fault of every file.

mod condition;
mod facts;
mod patterns;
mod regexes;
mod tests_section;

pub use condition::MAX_RATE;

use std::collections::HashMap;
use std::sync::Arc;

use super::condition::Condition;
use super::lists::Lists;
use super::rule::{Rule, RuleRoute, Status};
use super::sources::Sources;
use super::testing::Tests;
use crate::document::{self, Fault, Faults, MapReader, Node, Place, Source, Value};
use crate::message::Millis;
use crate::verdict::Severity;

/// Longest title, id or queue name, in bytes.
const MAX_NAME: usize = 200;
/// Longest time in which a decision may be due.
const MAX_DUE: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 3600);

/// Reads every rule of every file. Faults go to `faults`; a rule with an error is left out.
pub(super) fn read(sources: &Sources, faults: &mut Faults) -> Vec<Rule> {
    let mut reader = Reader {
        lists: Lists::new(sources),
        ids: HashMap::new(),
        counters: 0,
    };
    let mut rules = Vec::new();
    for source in &sources.files {
        reader.file(source, &mut rules, faults);
    }
    reader.lists.finish(faults);
    rules
}

struct Reader<'s> {
    lists: Lists<'s>,
    ids: HashMap<String, Place>,
    /// `rate` conditions around the condition that is being read.
    counters: usize,
}

impl Reader<'_> {
    fn file(&mut self, source: &Arc<Source>, rules: &mut Vec<Rule>, faults: &mut Faults) {
        let Some(node) = document::parse(source, faults) else {
            return;
        };
        if node.value == Value::Null {
            faults.push(Fault::error(
                "empty-file",
                "expected `policy` and `rules`, found nothing",
                &node.place,
            ));
            return;
        }
        let Some(mut map) = node.map(faults) else {
            return;
        };
        let policy = map
            .required("policy", faults)
            .and_then(|node| name(node, "a policy", faults));
        let list = map
            .required("rules", faults)
            .and_then(|node| node.list(faults));
        map.finish(faults);
        // Without a policy the rules are still read, for their faults.
        let policy = policy.unwrap_or_default();
        for node in list.unwrap_or_default() {
            rules.extend(self.rule(node, &policy, faults));
        }
    }

    fn rule(&mut self, node: &Node, policy: &Arc<str>, faults: &mut Faults) -> Option<Rule> {
        let errors = faults.errors();
        let mut map = node.map(faults)?;
        let id = map
            .required("id", faults)
            .and_then(|node| self.id(node, faults));
        let title = map
            .required("title", faults)
            .and_then(|node| line(node, faults));
        let explanation = text(&mut map, "explanation", faults);
        let status = map
            .required("status", faults)
            .and_then(|node| status(node, faults));
        let severity = map.required("severity", faults).and_then(|node| {
            let words = Severity::ALL.map(|severity| (severity.as_str(), severity));
            node.one_of(&words, faults)
        });
        let when = map
            .required("when", faults)
            .and_then(|node| self.condition(node, faults));
        let unless = map
            .optional("unless")
            .and_then(|node| self.condition(node, faults));
        let route = map.optional("route").and_then(|node| route(node, faults));
        let expires = map.optional("expires").and_then(|node| date(node, faults));
        let tests = map
            .optional("tests")
            .map(|node| tests_section::read(node, faults));
        let known_false_positives = map
            .optional("known_false_positives")
            .and_then(|node| node.strings(faults))
            .into_iter()
            .flatten()
            .map(|(text, _)| text.into())
            .collect();
        let clause = text(&mut map, "clause", faults);
        let owner = text(&mut map, "owner", faults);
        let place = map.key("id").map_or(map.place(), |key| &key.place).clone();
        map.finish(faults);
        let tests = tests.unwrap_or_default();
        let complete = || {
            Some(Rule {
                id: id?,
                version: "".into(),
                policy: Arc::clone(policy),
                title: title?,
                explanation,
                status: status?,
                severity: severity?,
                when: when?,
                unless,
                route,
                expires,
                clause,
                owner,
                known_false_positives,
                tests,
                place,
            })
        };
        let mut rule = complete()?;
        if faults.errors() > errors {
            return None;
        }
        warn_untested(&rule, faults);
        rule.version = rule.content_hash().into();
        Some(rule)
    }

    /// A rule's id: words of lower-case letters, digits, `-` and `_`, joined by dots.
    fn id(&mut self, node: &Node, faults: &mut Faults) -> Option<Arc<str>> {
        let id = name(node, "an id", faults)?;
        if let Some(first) = self.ids.get(&*id) {
            let fault = Fault::error(
                "duplicate-id",
                format!("there are two rules `{id}`"),
                &node.place,
            );
            faults.push(fault.label("again here").related(first, "first here"));
            return None;
        }
        let _ = self.ids.insert(id.to_string(), node.place.clone());
        Some(id)
    }

    fn condition(&mut self, node: &Node, faults: &mut Faults) -> Option<Condition> {
        condition::read(node, self, faults)
    }
}

/// A name of ours: it ends up in metrics, topics and file names.
fn name(node: &Node, what: &str, faults: &mut Faults) -> Option<Arc<str>> {
    let text = node.string(faults)?;
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
    };
    if text.len() <= MAX_NAME && text.split('.').all(word) {
        return Some(text.into());
    }
    let expected =
        format!("{what} such as `grooming.secrecy` (lower-case letters, digits, `-`, `_`, `.`)");
    faults.push(
        node.expected("name", &expected)
            .label(format!("not {what}")),
    );
    None
}

/// One line of text.
fn line(node: &Node, faults: &mut Faults) -> Option<Arc<str>> {
    let text = node.string(faults)?.trim();
    if text.len() <= MAX_NAME && !text.contains(['\n', '\r']) {
        return Some(text.into());
    }
    let expected = format!("one line of at most {MAX_NAME} bytes");
    faults.push(
        Fault::error("out-of-range", format!("expected {expected}"), &node.place).label("too long"),
    );
    None
}

fn text(map: &mut MapReader<'_>, key: &'static str, faults: &mut Faults) -> Option<Arc<str>> {
    map.optional(key)?
        .string(faults)
        .map(|text| text.trim().into())
}

fn status(node: &Node, faults: &mut Faults) -> Option<Status> {
    let Some(percent) = canary(node) else {
        let words = [
            ("draft", Status::Draft),
            ("shadow", Status::Shadow),
            ("canary 10", Status::Canary(10)),
            ("stable", Status::Stable),
            ("retired", Status::Retired),
        ];
        return node.one_of(&words, faults);
    };
    match percent.trim().trim_end_matches('%').parse::<u8>() {
        Ok(percent) if (1..=99).contains(&percent) => Some(Status::Canary(percent)),
        _ => {
            let expected = "`canary` and a percentage from 1 to 99, as in `canary 10`";
            faults.push(
                node.expected("status", expected)
                    .label("no such percentage"),
            );
            None
        }
    }
}

/// What follows the word `canary`.
fn canary(node: &Node) -> Option<&str> {
    let Value::Str(text) = &node.value else {
        return None;
    };
    let rest = text.strip_prefix("canary")?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
}

fn route(node: &Node, faults: &mut Faults) -> Option<RuleRoute> {
    let mut map = node.map(faults)?;
    let queue = map
        .required("queue", faults)
        .and_then(|node| name(node, "a queue", faults));
    let shortest = std::time::Duration::from_secs(1);
    let due = map
        .optional("due")
        .and_then(|node| node.duration_in(shortest..=MAX_DUE, faults));
    map.finish(faults);
    Some(RuleRoute { queue: queue?, due })
}

/// The start of a day, UTC.
fn date(node: &Node, faults: &mut Faults) -> Option<Millis> {
    if let Value::Str(text) = &node.value
        && let Ok(date) = text.parse::<jiff::civil::Date>()
        && let Ok(start) = jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0))
    {
        return Some(Millis(start.as_millisecond()));
    }
    faults.push(node.expected("date", "a date such as `2027-06-01`"));
    None
}

fn warn_untested(rule: &Rule, faults: &mut Faults) {
    if rule.status == Status::Retired {
        return;
    }
    let Tests {
        matches,
        no_matches,
        conversations,
    } = &rule.tests;
    let fires = conversations
        .iter()
        .any(|conversation| conversation.fires_at.is_some());
    let missing = match (matches.is_empty() && !fires, no_matches.is_empty()) {
        (false, false) => return,
        (true, true) => "neither match nor no-match tests",
        (true, false) => "no match tests",
        (false, true) => "no no-match tests",
    };
    let message = format!("the rule `{}` has {missing}", rule.id);
    faults.push(Fault::warning("untested", message, &rule.place));
}
