//! What sealing costs: one envelope around evidence of usual sizes, in CPU time of one thread.
//! The budget is 2 µs for 500 bytes.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot set up has nothing to measure"
)]

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dmwatch::seal::{Kind, Opener, PrivateKey, Purpose, Sealer, Subject};
use support::ThreadCpuTime;

fn seal(c: &mut Criterion<ThreadCpuTime>) {
    let key = PrivateKey::generate(Purpose::Evidence {
        region: "us".to_owned(),
    })
    .expect("randomness");
    let subject = Subject {
        kind: Kind::Flag,
        id: "0123456789abcdef0123456789abcdef",
        schema: 1,
    };
    let mut sealer = Sealer::new(key.public().clone()).expect("a usable key");
    let mut group = c.benchmark_group("seal");
    for bytes in [100, 500, 4_000, 64_000] {
        let plaintext = vec![b'x'; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("seal", bytes), |b| {
            b.iter(|| {
                let envelope = sealer.seal(&subject, &plaintext, &[]).expect("sealed");
                envelope.ciphertext.map_or(0, |text| text.len())
            });
        });
    }
    let plaintext = [b'x'; 500];
    let envelope = sealer.seal(&subject, &plaintext, &[]).expect("sealed");
    let mut opener = Opener::new(key);
    group.bench_function(BenchmarkId::new("open", 500), |b| {
        b.iter(|| opener.open(&subject, &envelope).expect("opened").len());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadCpuTime);
    targets = seal
}
criterion_main!(benches);
