//! The matcher against one that walks over words.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::matcher::{Hits, Matcher};
use super::super::phrase::{Phrase, PhraseError};
use super::*;
use crate::text::{Text, View, words};

fn phrase(written: &str) -> Phrase {
    Phrase::parse(written).unwrap()
}

#[test]
fn phrases_are_read() {
    let parsed = phrase("  Don’t  TELL mom ");
    assert_eq!(
        (&*parsed.literal, parsed.open_start, parsed.open_end),
        ("don't tell mom", false, false)
    );
    let parsed = phrase("*Sub*");
    assert_eq!(
        (&*parsed.literal, parsed.open_start, parsed.open_end),
        ("sub", true, true)
    );
    assert_eq!(Phrase::parse(" \u{200B} "), Err(PhraseError::Empty));
    assert_eq!(Phrase::parse("*"), Err(PhraseError::Empty));
    assert_eq!(Phrase::parse("a*b"), Err(PhraseError::InnerWildcard));
    assert_eq!(Phrase::parse("pay *"), Err(PhraseError::LooseWildcard));
    assert_eq!(Phrase::parse("a*"), Err(PhraseError::TooOpen));
    assert_eq!(Phrase::parse(&"a".repeat(300)), Err(PhraseError::TooLong));
}

#[test]
fn words_are_whole_unless_the_phrase_is_open() {
    let found = |written: &str, text: &str| {
        let ruleset = one(&rule("a", &format!("{{phrases: ['{written}']}}")));
        judge(ruleset, &message(text)).outcome == Outcome::Flagged
    };
    assert!(found("ass", "an ass!"));
    assert!(!found("ass", "class"));
    assert!(!found("ass", "assess"));
    assert!(found("*ass", "class"));
    assert!(!found("*ass", "classes"));
    assert!(found("ass*", "assess"));
    assert!(found("*ass*", "classes"));
    assert!(found("kill you", "KILL\tyou"));
    assert!(!found("kill you", "kill your time"));
    assert!(found("#challenge", "the #challenge is on"));
    assert!(!found("can", "i can't"));
}

/// Every phrase at every place of the text, one after the other.
fn naive(phrases: &[Phrase], view: &str) -> Vec<(u32, usize, usize)> {
    let mut found = Vec::new();
    for (index, phrase) in (0..).zip(phrases) {
        for (start, _) in view.char_indices() {
            let end = start + phrase.literal.len();
            if view.get(start..end) == Some(&phrase.literal)
                && (phrase.open_start || words::may_begin(view, start))
                && (phrase.open_end || words::may_end(view, end))
            {
                found.push((index, start, end));
            }
        }
    }
    found.sort_unstable();
    found
}

/// Whole words in a text of plain words, found by splitting it: knows nothing of borders.
fn by_splitting(phrase: &str, text: &str) -> bool {
    let wanted: Vec<&str> = phrase.split(' ').collect();
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    words.windows(wanted.len()).any(|window| window == wanted)
}

fn scan(matcher: &Matcher, hits: &mut Hits, text: &str) -> Vec<(u32, usize, usize)> {
    let mut scratch = Text::new();
    scratch.normalise(text);
    matcher.scan(scratch.view(View::Folded), hits);
    let places = hits.places.iter();
    let mut found: Vec<_> = places
        .map(|hit| (hit.pattern.0, hit.range.start, hit.range.end))
        .collect();
    found.sort_unstable();
    found
}

proptest! {
    #[test]
    fn the_matcher_finds_what_a_naive_one_finds(
        written in prop::collection::vec("\\*?[abé' ]{1,4}\\*?", 1..12),
        texts in prop::collection::vec("[abéB' _.😀\u{301}\u{200B}]{0,20}", 1..6),
    ) {
        let mut phrases: Vec<Phrase> = written.iter().filter_map(|text| Phrase::parse(text).ok()).collect();
        phrases.sort();
        phrases.dedup();
        let matcher = Matcher::compile(phrases.clone(), &[]).unwrap();
        // One scratch for all texts: nothing may be left over from the last.
        let mut hits = matcher.hits();
        for text in texts {
            let view = crate::text::folded(&text);
            let expected = naive(&phrases, &view);
            prop_assert_eq!(scan(&matcher, &mut hits, &text), &*expected);
            let mut patterns: Vec<u32> = hits.patterns.iter().map(|pattern| pattern.0).collect();
            patterns.sort_unstable();
            let mut naive: Vec<u32> = expected.iter().map(|hit| hit.0).collect();
            naive.dedup();
            prop_assert_eq!(patterns, naive);
        }
    }

    #[test]
    fn whole_words_are_found_like_by_splitting(
        phrases in prop::collection::vec("[ab]{1,2}( [ab]{1,2}){0,2}", 1..8),
        text in "([ab]{1,3} ){0,8}",
    ) {
        let mut phrases = phrases;
        phrases.sort();
        phrases.dedup();
        let matcher = Matcher::compile(phrases.iter().map(|text| phrase(text)).collect(), &[]).unwrap();
        let mut hits = matcher.hits();
        let found: HashMap<u32, ()> = scan(&matcher, &mut hits, &text).iter().map(|hit| (hit.0, ())).collect();
        for (index, phrase) in (0..).zip(&phrases) {
            prop_assert_eq!(found.contains_key(&index), by_splitting(phrase, &text), "{:?} in {:?}", phrase, text);
        }
    }
}

#[test]
fn large_lists_are_found_like_small_ones() {
    // Enough for the contiguous NFA.
    let phrases: Vec<Phrase> = (0..20_000)
        .map(|number| phrase(&format!("word{number} tail")))
        .collect();
    let matcher = Matcher::compile(phrases, &[]).unwrap();
    let mut hits = matcher.hits();
    let found = scan(
        &matcher,
        &mut hits,
        "x word777 tail, word7777 tail and word77 tails",
    );
    assert_eq!(found, [(777, 2, 14), (7777, 16, 29)]);
}
