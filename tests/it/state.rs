//! What the rules that count write to `dmwatch.state`, read back by a program that is not ours.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::foreign;
use crate::support::generate::Mix;
use crate::support::scenario::Scenario;
use crate::support::schema;
use crate::support::site::Plan;
use crate::support::worker::Worker;

/// Where a message of the counting rule stands, and what its state record must say.
type Counted = (i32, i64, String, String, i64);

/// Every message that a counting rule has seen is one record of the published schema, in the
/// partition of its message, so that a restart restores it before anything is judged.
#[test]
fn counting_rules_write_state_of_the_published_schema() {
    let mix = Mix {
        flagged: 0,
        insisting: 60,
        conversations: 40,
        ..Mix::default()
    };
    let mut scenario = Scenario::planned(Cluster::shared(), "state-schema", Plan::default(), mix);
    let mut worker = Worker::start(&scenario.site);
    scenario.feed(800);
    scenario.settle(&[&worker]);
    worker.terminate();

    let site = &scenario.site;
    let read = |topic: &str| foreign::read(site.cluster.bootstrap(), topic);
    let mut wanted: BTreeSet<Counted> = BTreeSet::new();
    for record in read(&site.messages) {
        let message: Value = serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
        let text = |pointer: &str| {
            message
                .pointer(pointer)
                .and_then(Value::as_str)
                .expect("text")
        };
        // Nobody counts in the region that may not scan.
        let scanned = text("/recipients/0/region") != "GB";
        if scanned && text("/text").contains("answer me now") {
            let (conversation, sender) = (text("/conversation_id"), text("/sender/id"));
            wanted.insert((
                record.partition,
                record.offset,
                conversation.to_owned(),
                sender.to_owned(),
                record.timestamp,
            ));
        }
    }
    assert!(wanted.len() > 300, "only {} to find", wanted.len());

    let mut found = BTreeSet::new();
    for record in read(&site.state) {
        let value = record.value.as_deref().expect("nothing deletes state");
        let state = schema::check("state.v1", value).unwrap_or_else(|fault| panic!("{fault}"));
        let text = |name: &str| state[name].as_str().expect("text").to_owned();
        let (offset, at) = (state["offset"].as_i64(), state["at"].as_i64());
        let (offset, at) = (offset.expect("a number"), at.expect("a number"));
        let (conversation, sender) = (text("conversation_id"), text("sender_id"));
        assert_eq!(text("topic"), site.messages);
        // Compaction goes by the key, and the topic's retention by the record's own time.
        let key: Value = serde_json::from_slice(&record.key.expect("a key")).expect("JSON");
        let cue = text("cue");
        assert_eq!(
            key,
            json!([site.messages, conversation, sender, cue, offset])
        );
        assert_eq!(record.timestamp, at);
        let is_new = found.insert((record.partition, offset, conversation, sender, at));
        assert!(is_new, "nothing failed, so nothing is written twice");
    }
    let missing = wanted.difference(&found).count();
    let invented = found.difference(&wanted).count();
    assert_eq!((missing, invented), (0, 0), "missing, invented");
}
