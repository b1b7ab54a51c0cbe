//! The pure part: what came in and what came out, compared.

use std::collections::{BTreeMap, HashMap};

use super::{Arrived, Content, DeadLetter, Evidence, Evidences, Fault, Item, Report, Source};
use crate::support::generate::{Expected, Flag};

/// Compares what was read with what was planned. Repeats are allowed, differences are not.
pub fn judge(read: &Evidences) -> Report {
    let mut report = Report::default();
    let arrived: HashMap<&Source, &Arrived> = read
        .arrived
        .iter()
        .map(|record| (&record.source, record))
        .collect();
    let items = by_source(&read.items, |item| &item.source);
    let dead_letters = by_source(&read.dead_letters, |dead_letter| &dead_letter.source);

    for record in &read.arrived {
        let items = items.get(&record.source).map_or(&[][..], Vec::as_slice);
        let dead_letters = dead_letters
            .get(&record.source)
            .map_or(&[][..], Vec::as_slice);
        judge_record(record, items, dead_letters, &mut report);
    }
    for source in items.keys().chain(dead_letters.keys()) {
        if !arrived.contains_key(*source) {
            report.faults.push(Fault::Invented((*source).clone()));
        }
    }
    judge_identity(&items, &mut report);
    report
}

fn judge_record(
    record: &Arrived,
    items: &[&Item],
    dead_letters: &[&DeadLetter],
    report: &mut Report,
) {
    let source = &record.source;
    let mut fault = |fault: Fault| report.faults.push(fault);
    let (wanted, unwanted) = match &record.expected {
        Expected::Clean | Expected::NotScanned => (usize::MAX, items.len() + dead_letters.len()),
        Expected::Flagged(_) => (items.len(), dead_letters.len()),
        Expected::DeadLettered { .. } => (dead_letters.len(), items.len()),
    };
    if wanted == 0 {
        fault(Fault::Lost(source.clone()));
    }
    if unwanted > 0 {
        fault(Fault::Invented(source.clone()));
    }
    match &record.expected {
        Expected::Clean | Expected::NotScanned => return,
        Expected::Flagged(flag) => {
            let differences = items.iter().filter_map(|item| item_difference(flag, item));
            differences.for_each(|what| fault(Fault::Changed(source.clone(), what)));
            let came_out = match flag.report {
                Some(_) => &mut report.reported,
                None => &mut report.flagged,
            };
            *came_out += usize::from(wanted > 0);
        }
        Expected::DeadLettered { reason } => {
            let content = Content {
                key: record.key.clone(),
                value: record.value.clone(),
            };
            let differences = dead_letters
                .iter()
                .filter_map(|letter| dead_letter_difference(reason, &content, letter));
            differences.for_each(|what| fault(Fault::Changed(source.clone(), what)));
            report.dead_lettered += usize::from(wanted > 0);
        }
    }
    report.repeats += wanted.saturating_sub(1);
}

fn item_difference(flag: &Flag, item: &Item) -> Option<&'static str> {
    if item.message_id != flag.message_id {
        return Some("message_id");
    }
    if item.conversation_id != flag.conversation_id {
        return Some("conversation_id");
    }
    if item.region != flag.region {
        return Some("region");
    }
    if item.queue != flag.queue {
        return Some("queue");
    }
    if item.rules != flag.rules {
        return Some("rules");
    }
    if item.report != flag.report {
        return Some("report");
    }
    match &item.evidence {
        Evidence::Text(text) if *text != flag.text => Some("text"),
        Evidence::Absent if !flag.text_may_be_absent => Some("text is absent"),
        _ => None,
    }
}

fn dead_letter_difference(
    reason: &str,
    content: &Content,
    letter: &DeadLetter,
) -> Option<&'static str> {
    if letter.reason != reason {
        return Some("reason");
    }
    letter
        .content
        .as_ref()
        .is_some_and(|found| found != content)
        .then_some("key or value")
}

/// One id per record, one record per id.
fn judge_identity(items: &BTreeMap<&Source, Vec<&Item>>, report: &mut Report) {
    let mut owners: HashMap<&str, &Source> = HashMap::new();
    for (source, deliveries) in items {
        for item in deliveries {
            let first_id = &deliveries[0].item_id;
            let owner = *owners.entry(item.item_id.as_str()).or_insert(source);
            if item.item_id != *first_id || owner != *source {
                report.faults.push(Fault::Identity((*source).clone()));
                break;
            }
        }
    }
}

fn by_source<'a, T>(
    records: &'a [T],
    source: impl Fn(&'a T) -> &'a Source,
) -> BTreeMap<&'a Source, Vec<&'a T>> {
    let mut groups: BTreeMap<&Source, Vec<&T>> = BTreeMap::new();
    for record in records {
        groups.entry(source(record)).or_default().push(record);
    }
    groups
}
