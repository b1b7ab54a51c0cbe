use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use rdkafka::statistics::{Broker, ConsumerGroup, Partition, Topic, Window};

use super::page::{PAGE, all};
use super::*;

/// Metrics with at least one series in every family.
fn exercised() -> (Metrics, PartitionMetrics) {
    let metrics = Metrics::new().unwrap();
    for labels in [&metrics.verdicts, &metrics.panics, &metrics.replays] {
        labels.with_label_values(&["x"]).inc();
    }
    let topic = metrics.topic("dm.messages");
    topic.messages.inc_by(3);
    topic.bytes.inc_by(1290);
    metrics
        .not_scanned
        .with_label_values(&["eu", "insults"])
        .inc();
    let live: &[HitStatus] = &[HitStatus::Live];
    RuleHits::new(&metrics, [("grooming.secrecy", live)]).add(0, HitStatus::Live, 1);
    metrics
        .items
        .with_label_values(&["child-safety", "us", "flag"])
        .inc();
    metrics.items_shed.with_label_values(&["context"]).inc();
    metrics
        .dead_letters
        .with_label_values(&["bad_json", "decode"])
        .inc();
    metrics
        .lost_messages
        .with_label_values(&["dm.messages"])
        .inc();
    metrics.isolations.with_label_values(&["killer"]).inc();
    metrics.loop_time().add_wait(Duration::from_millis(1500));
    metrics
        .delivered_records
        .with_label_values(&["review.us"])
        .inc();
    metrics
        .delivered_bytes
        .with_label_values(&["review.us"])
        .inc();
    metrics
        .producer_errors
        .with_label_values(&["QueueFull"])
        .inc();
    metrics
        .commit_failures
        .with_label_values(&["RebalanceInProgress"])
        .inc();
    metrics.rebalances.with_label_values(&["assign"]).inc();
    metrics.set_settings("aa");
    metrics.set_ruleset("bb", [("stable", 3), ("shadow", 1)]);
    let partition = metrics.partition("dm.messages", 0);
    partition.set_watermark(41, Some(1_700_000_000_123));
    partition.set_span(2, 860);
    let statistics = statistics();
    metrics.kafka_statistics(KafkaClient::Consumer, &statistics);
    metrics.kafka_statistics(KafkaClient::Producer, &statistics);
    (metrics, partition)
}

/// What librdkafka reports of two partitions, one of them with a lag it does not know.
fn statistics() -> rdkafka::Statistics {
    let partition = |lag: i64| Partition {
        leader: 1,
        fetchq_cnt: 40,
        consumer_lag: lag,
        consumer_lag_stored: -1,
        hi_offset: if lag < 0 { -1001 } else { 1000 },
        ls_offset: -1001,
        next_offset: 990,
        app_offset: 950,
        ..Partition::default()
    };
    let topic = Topic {
        partitions: [(0, partition(120)), (1, partition(-1))].into(),
        ..Topic::default()
    };
    let window = |p99| {
        Some(Window {
            p99,
            ..Window::default()
        })
    };
    let broker = Broker {
        nodeid: 1,
        state: "UP".to_owned(),
        rtt: window(12_500),
        throttle: window(4),
        connects: Some(2),
        ..Broker::default()
    };
    rdkafka::Statistics {
        rx_bytes: 1000,
        cgrp: Some(ConsumerGroup::default()),
        topics: [("dm.messages".to_owned(), topic)].into(),
        brokers: [("localhost:9092/1".to_owned(), broker)].into(),
        ..rdkafka::Statistics::default()
    }
}

fn value(scrape: &str, series: &str) -> Option<f64> {
    let line = scrape.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}

#[test]
fn the_page_is_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(
        page == markdown(),
        "{PAGE} is not what the table says: UPDATE_DOCS=1 cargo test --lib metrics"
    );
}

#[test]
fn a_scrape_shows_every_declared_metric_and_no_other() {
    let (metrics, _partition) = exercised();
    let scrape = metrics.render().unwrap();
    let scraped: BTreeSet<(&str, &str)> = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let declared = all()
        .map(|metric| (metric.name, metric.kind.as_str()))
        .collect();
    assert_eq!(scraped, declared);
}

#[test]
fn names_labels_and_buckets_follow_the_rules_of_the_table() {
    let documented: BTreeSet<&str> = LABELS.iter().map(|(label, _)| *label).collect();
    let mut names = BTreeSet::new();
    let mut used = BTreeSet::new();
    for metric in all() {
        let name = metric.name;
        assert!(names.insert(name), "{name} is declared twice");
        assert!(
            name.starts_with("dmwatch_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(
            metric.kind == Kind::Counter,
            name.ends_with("_total"),
            "{name}"
        );
        assert!(
            metric.help.ends_with('.') && !metric.help.contains('|'),
            "{name}"
        );
        let buckets = metric.buckets.len();
        let wanted = if metric.kind == Kind::Histogram {
            8..=14
        } else {
            0..=0
        };
        assert!(wanted.contains(&buckets), "{name} has {buckets} buckets");
        assert!(metric.buckets.is_sorted(), "{name}");
        used.extend(metric.labels);
    }
    assert_eq!(used, documented);
}

#[test]
fn promtool_finds_no_fault_in_a_scrape() {
    let (metrics, _partition) = exercised();
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut check = check.expect("promtool, from the package `prometheus`");
    let scrape = metrics.render().unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(scrape.as_bytes())
        .unwrap();
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn a_thousand_rebalances_leave_no_series_of_a_revoked_partition() {
    let metrics = Metrics::new().unwrap();
    let statistics = statistics();
    let kept = metrics.partition("dm.messages", 63);
    for round in 0..1000_i32 {
        let partition = metrics.partition("dm.messages", round % 32);
        partition.set_span(1, 430);
        partition.set_state(PartitionState::Restoring, true);
        metrics.kafka_statistics(KafkaClient::Consumer, &statistics);
        let during = metrics.render().unwrap();
        let series = format!(
            "dmwatch_ledger_span_messages{{partition=\"{}\",topic=\"dm.messages\"}}",
            round % 32
        );
        assert_eq!(value(&during, &series), Some(1.0));
        drop(partition);
        // librdkafka goes on reporting the revoked partition.
        metrics.kafka_statistics(KafkaClient::Consumer, &statistics);
    }
    let scrape = metrics.render().unwrap();
    let stale: Vec<&str> = scrape
        .lines()
        .filter(|line| line.contains("partition=\"") && !line.contains("partition=\"63\""))
        .collect();
    assert!(stale.is_empty(), "{stale:?}");
    assert_eq!(value(&scrape, "dmwatch_partitions_assigned"), Some(1.0));
    drop(kept);
    assert!(!metrics.render().unwrap().contains("partition=\""));
}

#[test]
fn the_revoke_of_an_older_generation_leaves_the_newer_ones_series() {
    let metrics = Metrics::new().unwrap();
    let older = metrics.partition("dm.messages", 0);
    let newer = metrics.partition("dm.messages", 0);
    newer.set_span(7, 70);
    older.set_span(1, 10);
    drop(older);
    let span = "dmwatch_ledger_span_messages{partition=\"0\",topic=\"dm.messages\"}";
    assert_eq!(value(&metrics.render().unwrap(), span), Some(7.0));
}

#[test]
fn lag_comes_from_the_statistics_and_unknown_is_not_zero() {
    let (metrics, _partition) = exercised();
    let unknown = metrics.partition("dm.messages", 1);
    let statistics = statistics();
    metrics.kafka_statistics(KafkaClient::Consumer, &statistics);
    let scrape = metrics.render().unwrap();
    let lag = |partition| {
        let labels = format!("{{partition=\"{partition}\",topic=\"dm.messages\"}}");
        value(&scrape, &format!("dmwatch_consumer_lag_messages{labels}"))
    };
    assert_eq!(lag(0), Some(120.0));
    assert_eq!(lag(1), None);
    let backlog = "dmwatch_partition_backlog_messages{partition=\"0\",topic=\"dm.messages\"}";
    // 50 not read yet, and the two in flight.
    assert_eq!(value(&scrape, backlog), Some(52.0));
    let rtt = "dmwatch_kafka_broker_rtt_p99_seconds{broker=\"1\",client=\"consumer\"}";
    assert_eq!(value(&scrape, rtt), Some(0.0125));
    let throttle = "dmwatch_kafka_broker_throttle_p99_seconds{broker=\"1\",client=\"consumer\"}";
    assert_eq!(value(&scrape, throttle), Some(0.004));
    drop(unknown);
}

#[test]
fn whoever_has_fetched_up_to_the_end_is_idle_also_behind_the_end_of_a_transaction() {
    let metrics = Metrics::new().unwrap();
    let _partition = metrics.partition("dm.messages", 0);
    let idle_with = |next_offset, fetchq_cnt| {
        let mut statistics = statistics();
        let topic = statistics.topics.get_mut("dm.messages").unwrap();
        let seen = topic.partitions.get_mut(&0).unwrap();
        // The last message is 948; 949 ends its transaction and is never handed over.
        (seen.app_offset, seen.hi_offset) = (949, 950);
        (seen.next_offset, seen.fetchq_cnt) = (next_offset, fetchq_cnt);
        metrics.kafka_statistics(KafkaClient::Consumer, &statistics);
        metrics.partitions().snapshot()[0].is_idle()
    };
    assert!(idle_with(950, 0));
    assert!(!idle_with(949, 0), "the fetcher stands still");
    assert!(!idle_with(950, 1), "a message waits to be handed over");
}

#[test]
fn progress_age_counts_only_while_there_is_something_to_do() {
    let metrics = Metrics::new().unwrap();
    let partition = metrics.partition("dm.messages", 0);
    std::thread::sleep(Duration::from_millis(60));
    let age = || {
        let series =
            "dmwatch_partition_progress_age_seconds{partition=\"0\",topic=\"dm.messages\"}";
        value(&metrics.render().unwrap(), series).unwrap()
    };
    assert_eq!(age(), 0.0);
    // Work arrives at an idle partition: its clock starts now, not at its last message.
    partition.set_span(1, 10);
    assert!(age() < 0.05);
    std::thread::sleep(Duration::from_millis(60));
    assert!(age() >= 0.05);
    partition.set_watermark(5, None);
    assert!(age() < 0.05);
}

#[test]
fn a_new_ruleset_ends_the_series_of_the_one_before() {
    let (metrics, _partition) = exercised();
    metrics.set_ruleset("cc", [("stable", 4)]);
    let scrape = metrics.render().unwrap();
    assert!(scrape.contains("dmwatch_ruleset_info{hash=\"cc\"} 1"));
    assert!(
        !scrape.contains("hash=\"bb\"") && !scrape.contains("dmwatch_rules{status=\"shadow\"}")
    );
}

#[test]
fn five_hundred_rules_on_sixty_four_partitions_stay_within_two_thousand_series() {
    let (metrics, _partition) = exercised();
    let ids: Vec<String> = (0..500).map(|rule| format!("rule.{rule}")).collect();
    let live: &[HitStatus] = &[HitStatus::Live];
    let _hits = RuleHits::new(&metrics, ids.iter().map(|id| (id.as_str(), live)));
    let partitions: Vec<PartitionMetrics> = (0..64)
        .map(|partition| metrics.partition("dm.messages", partition))
        .collect();
    for partition in &partitions {
        partition.set_watermark(1, Some(1));
    }
    let statistics = statistics();
    metrics.kafka_statistics(KafkaClient::Consumer, &statistics);
    let scrape = metrics.render().unwrap();
    let series = scrape.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series <= 2000, "{series} series");
}

#[test]
fn every_metric_is_written_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut source = String::new();
    for part in [
        "app.rs",
        "stream",
        "stream.rs",
        "telemetry/metrics.rs",
        "telemetry/metrics",
    ] {
        read_into(&root.join(part), &mut source);
    }
    let fields = include_str!("table.rs").lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (_kind, field) = (words.next()?, words.next()?);
        words.next()?.starts_with("\"dmwatch_").then_some(field)
    });
    let unused: Vec<&str> = fields
        .filter(|field| {
            !source.contains(&format!(".{field}")) && !source.contains(&format!("&{field},"))
        })
        .collect();
    assert!(unused.is_empty(), "declared and never written: {unused:?}");
}

/// The product's source under that path; not its tests, not the table.
fn read_into(path: &std::path::Path, source: &mut String) {
    let name = path.file_name().unwrap().to_str().unwrap();
    if name.starts_with("tests") || name == "table.rs" {
        return;
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            read_into(&entry.unwrap().path(), source);
        }
    } else {
        source.push_str(&std::fs::read_to_string(path).unwrap());
    }
}
