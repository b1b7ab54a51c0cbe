//! What judging costs, in CPU time of one thread: normalising, and whole judging by the rules that
//! are shipped. The budget is 600 ns for a clean message of 60 bytes.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot set up has nothing to measure"
)]

#[path = "../../benches/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dmwatch_core::conversation::Store;
use dmwatch_core::judge::{Judge, Position};
use dmwatch_core::message::{AgeBand, Message, MessageText, Millis, Party};
use dmwatch_core::rules::Ruleset;
use dmwatch_core::text::Text;
use support::ThreadCpuTime;

/// Clean chat, 60 bytes on average.
const CLEAN: [&str; 32] = [
    "lol ok",
    "are you coming tonight?",
    "Just got home, traffic was terrible the whole way from the airport",
    "haha no way, did she really say that in front of everybody??",
    "can u send me the notes from chemistry, i was asleep again",
    "Happy birthday!! Hope you have an amazing day, see you on Saturday",
    "the bus is late so I'll be there around ten past, order me a coffee please",
    "omg look at this dog",
    "My favourite food is anything I didn't have to cook myself.",
    "yeah that works for me, let's do 7 at the usual place and then decide",
    "did you watch the match yesterday? that last goal was unbelievable",
    "no worries, take your time",
    "I think we should repaint the kitchen before your parents visit in spring",
    "brb",
    "What time does the library close today? need to return two books",
    "so my manager wants the report by Friday, guess who is working late again",
    "nice pics from the trip! which lake is that on the third one?",
    "Thanks for helping with the move, I owe you a pizza",
    "ok so the plan is train at 8:15, change in Mannheim, arrive before noon",
    "good night, talk tomorrow",
    "wait which version did you install, the new one crashes on my laptop",
    "we lost again but at least I scored twice lol",
    "can't believe it's already november, this year went by so fast",
    "do you still have my charger? I looked everywhere and it's just gone",
    "That new series is great, watched four episodes in a row, don't spoil it",
    "mom says hi btw",
    "I'll pick up bread and milk on the way, anything else we need for dinner?",
    "the cat knocked over the plant again, third time this week",
    "what did you get for question 5? I have 42 but that seems too simple",
    "see u there",
    "Has anyone seen the blue folder with the contracts? It was on my desk",
    "sounds good",
];

/// The same with what phones add: emoji, typographic quotes, accents.
const CLEAN_UNICODE: [&str; 8] = [
    "haha no way 😂😂 did she really say that??",
    "Don’t worry, I’ll be there around ten past 🚌",
    "café at 7? the usual place ☕️",
    "das wär schön, bis später! 🙂",
    "Привет, ты придёшь сегодня вечером?",
    "qué tal el viaje? subí las fotos ayer 📷",
    "I think we should repaint the kitchen — before your parents visit…",
    "おはよう、今日は忙しい?",
];

const FLAGGED: [&str; 8] = [
    "im gonna kill you if you show up tomorrow",
    "dont tell ur mom about us ok",
    "i know where you live. think about that",
    "just go kill yourself already",
    "send me $300 or i post your pics to all your followers",
    "Guaranteed returns, message me to start",
    "people like you don't belong here",
    "send me a pic of u",
];

fn message(text: &'static str) -> Message<'static> {
    let party = |id: &'static str, age_band| Party {
        id: id.into(),
        age_band,
        region: "US".into(),
        account_age_days: None,
    };
    Message {
        message_id: "m-0123456789".into(),
        conversation_id: "c-0123456789".into(),
        sent_at: "2026-11-24T05:00:00Z".into(),
        text: MessageText::new(text),
        sender: party("u-1", AgeBand::Adult),
        recipients: [party("u-2", AgeBand::From13To15)].into_iter().collect(),
        first_contact: Some(false),
        lang: Some("en".into()),
        edited_at: None,
        attachments: Default::default(),
    }
}

fn pack() -> Arc<Ruleset> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    Arc::new(
        Ruleset::load(&dir)
            .map_err(drop)
            .expect("the rules that are shipped"),
    )
}

fn texts() -> [(&'static str, &'static [&'static str]); 3] {
    [
        ("clean", &CLEAN),
        ("clean unicode", &CLEAN_UNICODE),
        ("flagged", &FLAGGED),
    ]
}

fn normalise(c: &mut Criterion<ThreadCpuTime>) {
    let mut group = c.benchmark_group("normalise");
    for (name, texts) in texts() {
        group.throughput(Throughput::Elements(texts.len() as u64));
        group.bench_function(name, |b| {
            let mut text = Text::new();
            b.iter(|| {
                for original in texts {
                    text.normalise(black_box(original));
                }
            });
        });
    }
    let hostile = [
        ("zalgo", "a\u{336}\u{301}\u{330}".repeat(30)),
        ("wide", "ｋｉｌｌ　".repeat(12)),
    ];
    for (name, original) in hostile {
        group.throughput(Throughput::Bytes(original.len() as u64));
        group.bench_function(name, |b| {
            let mut text = Text::new();
            b.iter(|| text.normalise(black_box(&original)));
        });
    }
    group.finish();
}

fn judge(c: &mut Criterion<ThreadCpuTime>) {
    let pack = pack();
    let mut group = c.benchmark_group("judge");
    for (name, texts) in texts() {
        let messages: Vec<_> = texts.iter().map(|text| message(text)).collect();
        group.throughput(Throughput::Elements(messages.len() as u64));
        group.bench_function(BenchmarkId::new("starter pack", name), |b| {
            let mut judge = Judge::new(Arc::clone(&pack));
            let mut store = Store::default();
            let position = Position {
                offset: 1,
                at: Millis(1_764_000_000_000),
            };
            b.iter(|| {
                for message in &messages {
                    let _ = black_box(judge.judge(black_box(message), position, &mut store));
                }
            });
        });
    }
    group.finish();
}

/// Words that begin matches of the regexes, in an order that never repeats: the worst for an automaton
/// that is built as it goes.
fn mixed(bytes: usize, seed: u64) -> String {
    const WORDS: [&str; 24] = [
        "pay", "send", "or", "post", "leak", "share", "your", "ur", "pics", "her", "address",
        "invest", "20", "300", "get", "make", "do it", "if you", "unless", "video", "all",
        "migrants", "are", "i will",
    ];
    let mut state = seed;
    let mut text = String::new();
    while text.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 33) as usize % WORDS.len()]);
        text.push(' ');
    }
    text
}

/// Texts of 4 KB that are made to be slow, beside one of plain chat.
fn hostile(c: &mut Criterion<ThreadCpuTime>) {
    const BYTES: usize = 4096;
    let pack = pack();
    let repeat = |piece: &str| piece.repeat(BYTES / piece.len());
    let cases = [
        (
            "plain chat",
            CLEAN.concat().chars().cycle().take(BYTES).collect(),
        ),
        (
            "almost regexes",
            repeat("pay send do it or otherwise leak post share invest 20 get 1 "),
        ),
        ("phrases", repeat("kys go die such a loser send nudes f4f ")),
        (
            "prefixes",
            repeat("i will post your pictur ill leak ur phot dont tell your paren "),
        ),
        ("digits", repeat("send $ 99 99 99 make 99 99 ")),
        ("zalgo", repeat("k\u{336}\u{301}y\u{330}s\u{301} ")),
        ("spaces", repeat("a \u{A0} \u{3000}\n")),
    ];
    let mut group = c.benchmark_group("hostile");
    for (name, text) in cases {
        let text: &'static str = text.leak();
        let message = message(text);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            let mut judge = Judge::new(Arc::clone(&pack));
            let mut store = Store::default();
            let position = Position {
                offset: 1,
                at: Millis(1_764_000_000_000),
            };
            b.iter(|| black_box(judge.judge(black_box(&message), position, &mut store)));
        });
    }
    let mixed: Vec<&'static str> = (0..256).map(|seed| &*mixed(BYTES, seed).leak()).collect();
    group.throughput(Throughput::Bytes(
        mixed.iter().map(|text| text.len() as u64).sum(),
    ));
    group.bench_function("256 mixed", |b| {
        let mut judge = Judge::new(Arc::clone(&pack));
        let position = Position {
            offset: 1,
            at: Millis(1_764_000_000_000),
        };
        b.iter(|| {
            for text in &mixed {
                let _ = black_box(judge.judge(&message(text), position, &mut Store::default()));
            }
        });
    });
    group.finish();
}

fn load(c: &mut Criterion<ThreadCpuTime>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let _ = c.bench_function("load and compile the starter pack", |b| {
        b.iter(|| Ruleset::load(black_box(&dir)).is_ok());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadCpuTime);
    targets = normalise, judge, hostile, load
}
criterion_main!(benches);
