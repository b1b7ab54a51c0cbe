//! Where words begin and end in the folded view.
//!
//! A word is a run of letters, digits and the marks on them. Two refinements: `can't` is one word
//! (so that `can` is not found in it, which would turn its meaning round), while other apostrophes
//! end a word (`mom's`, `l'amour`). Scripts that are written without spaces have no borders that a
//! machine could see without a dictionary, so in them every character may begin or end a phrase.

use unicode_normalization::char::is_combining_mark;

/// Whether a phrase may begin at `at`, given the text before it.
#[must_use]
pub fn may_begin(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let (Some(&before), Some(&here)) = (bytes.get(at.wrapping_sub(1)), bytes.get(at)) else {
        return true;
    };
    if before.is_ascii() && here.is_ascii() {
        return !(before.is_ascii_alphanumeric() && here.is_ascii_alphanumeric());
    }
    is_border(text, at)
}

/// Whether a phrase may end at `at`, given the text after it.
#[must_use]
pub fn may_end(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let (Some(&before), Some(&here)) = (bytes.get(at.wrapping_sub(1)), bytes.get(at)) else {
        return true;
    };
    if before.is_ascii() && here.is_ascii() {
        if !before.is_ascii_alphanumeric() {
            return true;
        }
        if here == b'\'' {
            return !is_negation(bytes, at);
        }
        return !here.is_ascii_alphanumeric();
    }
    is_border(text, at)
}

/// `'t` and then the end of the word, at `at`.
fn is_negation(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1) == Some(&b't')
        && !bytes
            .get(at + 2)
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
}

fn is_border(text: &str, at: usize) -> bool {
    let (Some(left), Some(right)) = (text.get(..at), text.get(at..)) else {
        return false;
    };
    let (Some(before), Some(after)) = (left.chars().next_back(), right.chars().next()) else {
        return true;
    };
    !is_word(before) || !is_word(after) || is_unspaced(before) || is_unspaced(after)
}

/// Letters, digits, and marks that were kept because they carry meaning (Indic vowel signs).
#[must_use]
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c))
}

/// Scripts written without spaces between words: Thai, Lao, Myanmar, Khmer, kana and Han.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF
        | 0x1000..=0x109F
        | 0x1780..=0x17FF
        | 0x3040..=0x30FF
        | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFF)
}
