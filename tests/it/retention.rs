//! Retention that overtakes the group: the partition stops, and only a person goes on.

use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::generate::Mix;
use crate::support::oracle;
use crate::support::scenario::Scenario;
use crate::support::site::Plan;
use crate::support::wait;
use crate::support::worker::{Start, Worker};

#[test]
fn a_gap_stops_its_partition_until_a_person_accepts_the_loss() {
    // Messages that are gone were never counted, so what counts them cannot be foreseen here.
    let mix = Mix {
        insisting: 0,
        ..Mix::default()
    };
    let mut scenario = Scenario::planned(Cluster::shared(), "retention", Plan::default(), mix);
    let mut first = Worker::start(&scenario.site);
    scenario.feed(800);
    scenario.wait_done();
    first.terminate();
    scenario.feed(800);
    let missing = scenario.expire(1);
    assert!(missing > 50, "only {missing} messages are gone");

    let mut second = Worker::spawn(&scenario.site, &Start::default());
    let (cluster, site) = (scenario.site.cluster, &scenario.site);
    let committed = || cluster.committed(&site.group, &site.messages);
    let before = committed()[&1];
    scenario.feed(400);
    let site = &scenario.site;
    wait::until(
        "the other partitions go on",
        Duration::from_secs(60),
        || {
            let committed = cluster.committed(&site.group, &site.messages);
            let ends = cluster.watermarks(&site.messages);
            [0, 2, 3]
                .iter()
                .all(|partition| committed[partition] == ends[partition].1)
        },
    );
    let now = cluster.committed(&site.group, &site.messages)[&1];
    assert_eq!(now, before, "the stopped partition has moved");
    let (status, reasons) = second.get("/readyz").expect("an answer");
    assert_eq!(status, 503, "{reasons}");
    let errors = second.errors();
    let names_it = errors.contains(&site.messages) && errors.contains("accept-loss");
    assert!(names_it, "the log does not say what to do:\n{errors}");
    second.terminate();

    let start = Start {
        arguments: vec!["--accept-loss", "ann: retention was set too short"],
        ..Start::default()
    };
    let mut third = Worker::start_with(&scenario.site, &start);
    scenario.settle(&[&second, &third]);
    let gaps = oracle::gaps(&scenario.site);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].partition, gaps[0].offset), (1, before));
    let lost = third.metric("dmwatch_lost_messages_total", &[]);
    assert_eq!(lost, Some(missing as f64));
    third.terminate();
}
