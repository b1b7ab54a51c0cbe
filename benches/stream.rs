//! What the stream costs a message besides judging: decoding, the ledger, the copy out of
//! librdkafka's buffers, the context window. CPU time of one thread.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot set up has nothing to measure"
)]

mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dmwatch::stream::assignment::{Assignment, AssignmentId, InputKind};
use dmwatch::stream::batch::{Batch, Incoming, route};
use dmwatch::stream::context::{ContextRing, Limits};
use dmwatch::stream::ledger::Ledger;
use dmwatch_core::message::{FieldMap, Millis};
use support::ThreadCpuTime;

/// A schema-complete record of 430 bytes.
const RECORD: &str = r#"{"message_id":"018f3c1e-7a55-7d1c-9f0e-5f6b1a2c3d4e","conversation_id":"c-00018412","sent_at":"2026-11-24T10:15:30.250Z","text":"are we still on for football tomorrow or did practice move again?","sender":{"id":"u-004711","age_band":"16_17","region":"US","account_age_days":412},"recipients":[{"id":"u-008150","age_band":"16_17","region":"IE","account_age_days":90}],"first_contact":false,"lang":"en","edited_at":null,"attachments":[]}"#;

const MESSAGES: u64 = 256;

fn decode(c: &mut Criterion<ThreadCpuTime>) {
    let fields = FieldMap::default();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(RECORD.len() as u64));
    group.bench_function("430 bytes", |b| {
        b.iter(|| {
            let message = fields.decode(black_box(RECORD.as_bytes()));
            message.is_ok_and(|message| !message.text.is_empty())
        });
    });
    // The plain limit: every byte looked at once.
    group.bench_function("limit: UTF-8 check", |b| {
        b.iter(|| std::str::from_utf8(black_box(RECORD.as_bytes())).map_or(0, str::len));
    });
    group.bench_function("limit: skip the JSON", |b| {
        b.iter(|| serde_json::from_str::<serde::de::IgnoredAny>(black_box(RECORD)).is_ok());
    });
    group.finish();
}

fn ledger(c: &mut Criterion<ThreadCpuTime>) {
    let mut group = c.benchmark_group("ledger");
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("arrive and complete, in order", |b| {
        let mut ledger = Ledger::new(0);
        b.iter(|| {
            for _ in 0..MESSAGES {
                let offset = ledger.next_offset();
                let seq = ledger.arrive(offset, 430).expect("a new offset");
                ledger.complete(seq);
            }
            ledger.watermark()
        });
    });
    group.bench_function("arrive and complete, in reverse", |b| {
        let mut ledger = Ledger::new(0);
        let mut seqs = Vec::new();
        b.iter(|| {
            for _ in 0..MESSAGES {
                let offset = ledger.next_offset();
                seqs.push(ledger.arrive(offset, 430).expect("a new offset"));
            }
            while let Some(seq) = seqs.pop() {
                ledger.complete(seq);
            }
            ledger.watermark()
        });
    });
    group.finish();
}

fn batch(c: &mut Criterion<ThreadCpuTime>) {
    let id = AssignmentId(1);
    let topic = "dm.messages".into();
    let assignment = Arc::new(Assignment::new(id, topic, 3, InputKind::Messages));
    let mut ledger = Ledger::new(0);
    let seq = ledger.arrive(0, 1).expect("a new offset");
    let mut group = c.benchmark_group("batch");
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("route and copy", |b| {
        b.iter(|| {
            let mut batch = Batch::default();
            let mut routes = 0;
            for offset in 0..MESSAGES {
                let key = Some(&b"c-00018412"[..]);
                routes ^= route(black_box(key), 3);
                let incoming = Incoming {
                    seq,
                    offset: offset as i64,
                    at: Millis(0),
                    key,
                    value: Some(RECORD.as_bytes()),
                    suspect: false,
                    replay: None,
                };
                batch.push(&assignment, incoming);
            }
            (batch.bytes(), routes)
        });
    });
    group.finish();
}

fn context(c: &mut Criterion<ThreadCpuTime>) {
    let limits = Limits {
        messages: 10,
        max_age: Millis(86_400_000),
        max_bytes: 32 << 20,
    };
    let mut ring = ContextRing::new(limits);
    // Enough conversations that the ring does not fit into a cache.
    let records: Vec<String> = (0..50_000)
        .map(|at| RECORD.replace("00018412", &format!("{at:08}")))
        .collect();
    let fields = FieldMap::default();
    let decoded = records
        .iter()
        .map(|record| fields.decode(record.as_bytes()));
    let messages: Vec<_> = decoded.filter_map(Result::ok).collect();
    let mut group = c.benchmark_group("context");
    group.throughput(Throughput::Elements(1));
    let mut next = 0;
    group.bench_function("remember a message", |b| {
        b.iter(|| {
            let message = &messages[(next * 7_919) % messages.len()];
            ring.push(
                AssignmentId(1),
                next as i64,
                Millis(next as i64 / 100),
                message,
            );
            next += 1;
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadCpuTime);
    targets = decode, ledger, batch, context
}
criterion_main!(benches);
