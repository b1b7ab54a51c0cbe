//! What came out, counted by what identifies it: a repeat on the wire counts once.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;

/// Counts of delivered items and dead letters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    seen: HashSet<u64>,
    pub(super) flagged: u64,
    pub(super) reports: u64,
    pub(super) dead_letters: u64,
    /// Records that are not review items: there must be none.
    pub(super) unreadable: u64,
    pub(super) queues: BTreeMap<String, u64>,
    /// An item of each queue that somebody may read: the first flag, else the first report.
    pub(super) samples: BTreeMap<String, Sample>,
}

/// An item as it was delivered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    flag: bool,
    pub(super) value: Vec<u8>,
}

/// What is counted by. The rest of an item is passed over here.
#[derive(Deserialize)]
struct Item {
    item_id: String,
    kind: String,
    queue: String,
    evidence: Option<serde::de::IgnoredAny>,
}

impl Tally {
    /// A record of a review topic.
    pub(super) fn item(&mut self, value: &[u8]) {
        let Ok(item) = serde_json::from_slice::<Item>(value) else {
            self.unreadable += 1;
            return;
        };
        if !self.is_new(&item.item_id) {
            return;
        }
        match item.kind.as_str() {
            "flag" => self.flagged += 1,
            "report" => self.reports += 1,
            _ => self.unreadable += 1,
        }
        if item.evidence.is_some() {
            // What rules found shows more than what somebody reported.
            let flag = item.kind == "flag";
            let sample = self.samples.entry(item.queue.clone()).or_default();
            if sample.value.is_empty() || (flag && !sample.flag) {
                *sample = Sample {
                    flag,
                    value: value.to_vec(),
                };
            }
        }
        *self.queues.entry(item.queue).or_default() += 1;
    }

    /// A record of the dead-letter topic, by where its source stood.
    pub(super) fn dead_letter(&mut self, source: &str) {
        if self.is_new(source) {
            self.dead_letters += 1;
        }
    }

    fn is_new(&mut self, id: &str) -> bool {
        // A hash keeps a run of days small.
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, kind: &str, queue: &str, evidence: bool) -> Vec<u8> {
        let evidence = evidence.then(|| serde_json::json!({"sealed": "x"}));
        let item = serde_json::json!({"item_id": id, "kind": kind, "queue": queue, "evidence": evidence, "v": 1});
        serde_json::to_vec(&item).unwrap()
    }

    #[test]
    fn a_repeat_counts_once_and_the_first_readable_item_of_a_queue_is_kept() {
        let mut tally = Tally::default();
        tally.item(&item("a", "flag", "threats", false));
        let readable = item("b", "flag", "threats", true);
        tally.item(&readable);
        tally.item(&readable);
        tally.item(&item("c", "flag", "threats", true));
        let report = item("d", "report", "reports", true);
        tally.item(&report);
        tally.item(&item("e", "report", "threats", true));
        tally.item(b"{}");
        tally.dead_letter("dm.messages/0/7");
        tally.dead_letter("dm.messages/0/7");
        tally.dead_letter("dm.messages/1/7");
        assert_eq!((tally.flagged, tally.reports), (3, 2));
        assert_eq!((tally.dead_letters, tally.unreadable), (2, 1));
        assert_eq!(
            tally.queues,
            BTreeMap::from([("reports".into(), 1), ("threats".into(), 4)])
        );
        assert_eq!(tally.samples["threats"].value, readable);
        assert_eq!(tally.samples["reports"].value, report);
        tally.item(&item("f", "flag", "reports", true));
        assert!(tally.samples["reports"].flag);
    }
}
