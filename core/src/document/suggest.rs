//! "Did you mean": the closest of the words that would have been right.

/// Longer words are not typos of anything that we know, and comparing them costs time.
const MAX_LENGTH: usize = 64;

/// The candidate that `word` is most likely a typo of, if any is close enough.
#[must_use]
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_LENGTH {
        return None;
    }
    let plain = simplify(word);
    let (distance, best) = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&plain, &simplify(candidate));
            (distance, candidate)
        })
        .min_by_key(|(distance, _)| *distance)?;
    // One slip in a short word, up to a third of a long one.
    let allowed = (plain.chars().count().max(best.chars().count()) / 3).max(1);
    let half_a_short_word = best.chars().count() <= 2 && distance >= 1;
    (distance <= allowed && !half_a_short_word).then_some(best)
}

/// `maxBytes`, `max-bytes` and `MAX_BYTES` are the same word to a person.
fn simplify(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}
