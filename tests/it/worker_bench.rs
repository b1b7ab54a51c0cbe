//! What the whole worker costs a message, on a real Kafka broker: CPU time of its process by
//! `/proc`, at several shares of flagged messages, beside librdkafka alone reading the same topic.
//!
//! `make bench` runs it. Arguments, all optional: thousands of messages of a run [1000], then the
//! percentages of flagged messages to measure [0 1 5 100]; with percentages, latency is left out.
//! Where everything is flagged, a second line shows what an item costs without a context window.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on should fail, and prints its figures"
)]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the test kit holds more than this needs"
)]

mod support;

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use support::cluster::Cluster;
use support::random::Random;
use support::site::{Plan, Site};
use support::usage;
use support::worker::{Start, Worker};

const PARTITIONS: i32 = 8;
/// Messages a second at which latency is measured.
const RATES: [u64; 4] = [25_000, 50_000, 100_000, 200_000];
const CLEAN: [&str; 4] = [
    "are we still on for football tomorrow or did practice move again?",
    "did you finish the maths sheet? number four is horrible, ask mia",
    "bus is late again, start without me and save me a seat please",
    "could you send me the recipe with the lemons before the weekend",
];
/// Fires a rule of the starter pack.
const FLAGGED: &str = "i know where you live and i will find you after school tomorrow";

fn main() {
    // `cargo bench` passes `--bench`; plain numbers are ours.
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let messages = numbers.next().unwrap_or(1_000) * 1_000;
    let asked: Vec<u64> = numbers.collect();
    let shares = if asked.is_empty() {
        vec![0, 1, 5, 100]
    } else {
        asked.clone()
    };
    let cluster = Cluster::shared();
    println!("machine: {}", machine());
    println!(
        "{messages} messages of about 430 bytes a run ({} at 100 %), {PARTITIONS} partitions, one broker on the same machine",
        messages / 4
    );
    println!("flagged  librdkafka alone  worker           messages/s  resident");
    for share in shares {
        let count = if share == 100 { messages / 4 } else { messages };
        run(cluster, share, count, None);
        if share == 100 {
            run(cluster, share, count, Some("context.messages=0"));
        }
    }
    if asked.is_empty() {
        for rate in RATES {
            latency(cluster, rate);
        }
    }
}

fn run(cluster: &Cluster, share: u64, count: u64, setting: Option<&str>) {
    let site = site(cluster);
    fill(cluster, &site.messages, share, count, None);
    let alone = librdkafka_alone(cluster, &site.messages, count);
    let start = setting.map_or_else(start, |setting| start().set(setting));
    let mut worker = Worker::start_with(&site, &start);
    let begun = Instant::now();
    wait_for(&worker, count);
    let wall = begun.elapsed();
    let cpu = cpu(worker.id()).as_secs_f64() * 1e6 / count as f64;
    println!(
        "{share:>5} %  {alone:>10.2} us CPU  {cpu:>6.2} us CPU  {:>12.0}  {:>5} MB  {}",
        count as f64 / wall.as_secs_f64(),
        usage::memory(worker.id(), "VmHWM") / 1_000_000,
        setting.unwrap_or_default(),
    );
    worker.terminate();
}

/// End to end at a steady rate, with the writer and the broker on the same machine.
fn latency(cluster: &Cluster, rate: u64) {
    let count = rate * 15;
    let site = site(cluster);
    let mut worker = Worker::start_with(&site, &start());
    let begun = Instant::now();
    fill(cluster, &site.messages, 1, count, Some(rate));
    let written = count as f64 / begun.elapsed().as_secs_f64();
    wait_for(&worker, count);
    let page = worker.metrics().expect("metrics");
    println!(
        "at {written:.0} of {rate} messages/s, 1 % flagged: end to end p50 <= {} s, p99 <= {} s (bucket bounds)",
        quantile(&page, 0.5),
        quantile(&page, 0.99),
    );
    worker.terminate();
}

fn site(cluster: &Cluster) -> Site<'_> {
    let plan = Plan {
        partitions: PARTITIONS,
        ..Plan::default()
    };
    Site::new(cluster, "bench", plan)
}

fn start() -> Start<'static> {
    let rules = concat!("rules.dir=", env!("CARGO_MANIFEST_DIR"), "/rules");
    Start::default().set(rules).set("log.level=error")
}

/// Writes messages; with a rate, that many a second.
fn fill(cluster: &Cluster, topic: &str, share: u64, count: u64, rate: Option<u64>) {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("queue.buffering.max.messages", "1000000")
        .set("linger.ms", "5")
        .create()
        .expect("a producer");
    let mut random = Random::new(7);
    let begun = Instant::now();
    for number in 0..count {
        let conversation = random.below(20_000);
        let text = if random.below(100) < share {
            FLAGGED
        } else {
            random.pick(&CLEAN)
        };
        let key = format!("c-{conversation:08}");
        let value = format!(
            r#"{{"message_id":"018f3c1e-7a55-7d1c-9f0e-{number:012}","conversation_id":"{key}","sent_at":"2026-11-24T10:15:30.250Z","text":"{text}","sender":{{"id":"u-{conversation:06}","age_band":"16_17","region":"US","account_age_days":412}},"recipients":[{{"id":"u-{number:06}","age_band":"16_17","region":"IE","account_age_days":90}}],"first_contact":false,"lang":"en","edited_at":null,"attachments":[]}}"#
        );
        let mut record = BaseRecord::to(topic).key(&key).payload(&value);
        while let Err((_, refused)) = producer.send(record) {
            record = refused;
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(rate) = rate
            && number % 500 == 499
        {
            let due = Duration::from_secs_f64(number as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    producer
        .flush(Duration::from_secs(60))
        .expect("all delivered");
}

/// Microseconds of CPU a message of the plain limit: poll every message and look at its length.
fn librdkafka_alone(cluster: &Cluster, topic: &str, count: u64) -> f64 {
    let before = cpu(std::process::id());
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("group.id", "bench-alone")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let mut seen = 0;
    while seen < count {
        match consumer.poll(Duration::from_secs(30)) {
            Some(Ok(_)) => seen += 1,
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => panic!("{error}"),
            None => panic!("no message within 30 s"),
        }
    }
    (cpu(std::process::id()) - before).as_secs_f64() * 1e6 / count as f64
}

fn wait_for(worker: &Worker, count: u64) {
    worker.wait_metric("dmwatch_verdicts_total", &[], |sum| sum >= count as f64);
    worker.wait_metric("dmwatch_in_flight_messages", &[], |left| left == 0.0);
}

/// User and system time of a process.
fn cpu(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("a running process");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    let ticks: u64 = [fields[11], fields[12]]
        .iter()
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Upper bound of the bucket that holds a quantile.
fn quantile(page: &str, quantile: f64) -> String {
    let buckets: Vec<(&str, f64)> = page
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("dmwatch_end_to_end_seconds_bucket{le=\"")?;
            let (bound, count) = rest.split_once("\"} ")?;
            Some((bound, count.parse().ok()?))
        })
        .collect();
    let total = buckets.last().map_or(0.0, |(_, count)| *count);
    let found = buckets.iter().find(|(_, count)| *count >= total * quantile);
    found.map_or_else(String::new, |(bound, _)| (*bound).to_owned())
}

fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |name| {
            name.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}
