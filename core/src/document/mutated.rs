//! Documents broken at random, for the tests of what reads them.

use proptest::prelude::*;

/// A text with some pieces cut out and some put in: those given, those that every YAML document is
/// sensitive to, and any characters.
pub(crate) fn mutated(
    text: &'static str,
    pieces: &[&'static str],
) -> impl Strategy<Value = String> {
    const YAML: &[&str] = &[
        ":", "\n", "  ", "- ", "[", "}", "\"", "&a ", "*a", "!t ", "\u{feff}", "\0", "|\n", "---\n",
    ];
    let known = [YAML, pieces].concat();
    let piece = prop_oneof![
        prop::sample::select(known).prop_map(str::to_owned),
        "\\PC{0,4}",
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0_usize..20, piece), 1..8).prop_map(
        move |edits| {
            let mut chars: Vec<char> = text.chars().collect();
            for (at, cut, insert) in edits {
                let at = at.index(chars.len() + 1);
                let end = (at + cut).min(chars.len());
                chars.splice(at..end, insert.chars());
            }
            chars.into_iter().collect()
        },
    )
}
