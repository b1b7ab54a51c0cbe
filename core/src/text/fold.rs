//! What folding does to each character.
//!
//! The answer for a character is looked up in a two-stage table. Its pages (256 characters each)
//! are computed from the Unicode data on first use and shared by all threads; chat touches a dozen.

use std::ops::Range;
use std::sync::OnceLock;

use unicode_normalization::char::{compose, decompose_compatible, is_combining_mark};

use super::segments::Segments;

/// What becomes of one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold<'a> {
    /// It stays.
    Keep,
    /// It is white space.
    Space,
    /// It is invisible and leaves nothing.
    Drop,
    /// It is a mark on the character before it and leaves nothing.
    Mark,
    /// It may melt into the character before it (Hangul, kana voicing, Indic vowel signs).
    Join,
    /// It becomes this.
    Text(&'a str),
}

const PAGES: usize = 0x1100;
static TABLE: [OnceLock<Page>; PAGES] = [const { OnceLock::new() }; PAGES];

/// 256 characters. An entry is a tag in the low three bits; for `TEXT` the length follows in eight
/// bits, then the offset into `texts`.
struct Page {
    entries: Box<[u32; 256]>,
    texts: Box<str>,
}

const KEEP: u32 = 0;
const SPACE: u32 = 1;
const DROP: u32 = 2;
const MARK: u32 = 3;
const JOIN: u32 = 4;
const TEXT: u32 = 5;

impl Page {
    fn build(page: u32) -> Self {
        let mut entries = Box::new([KEEP; 256]);
        let mut texts = String::new();
        let mut folded = String::new();
        for (low, entry) in (0u32..).zip(entries.iter_mut()) {
            let Some(c) = char::from_u32(page << 8 | low) else {
                continue;
            };
            folded.clear();
            *entry = match classify(c, &mut folded) {
                // No folding is longer than 18 characters (U+FDFA), so both numbers fit.
                TEXT => match (u32::try_from(texts.len()), u8::try_from(folded.len())) {
                    (Ok(at), Ok(len)) => {
                        texts.push_str(&folded);
                        TEXT | u32::from(len) << 3 | at << 11
                    }
                    _ => KEEP,
                },
                tag => tag,
            };
        }
        Self {
            entries,
            texts: texts.into_boxed_str(),
        }
    }

    fn get(&self, low: u8) -> Fold<'_> {
        let entry = self.entries[usize::from(low)];
        match entry & 7 {
            SPACE => Fold::Space,
            DROP => Fold::Drop,
            MARK => Fold::Mark,
            JOIN => Fold::Join,
            TEXT => {
                let at = (entry >> 11) as usize;
                let len = (entry >> 3 & 0xFF) as usize;
                self.texts.get(at..at + len).map_or(Fold::Keep, Fold::Text)
            }
            _ => Fold::Keep,
        }
    }
}

fn look_up(c: char) -> Fold<'static> {
    let page = u32::from(c) >> 8;
    let low = u32::from(c).to_le_bytes()[0];
    TABLE.get(page as usize).map_or(Fold::Keep, |slot| {
        slot.get_or_init(|| Page::build(page)).get(low)
    })
}

/// The tag of a character; for `TEXT`, `out` holds what it becomes.
fn classify(c: char, out: &mut String) -> u32 {
    if let Some(text) = replacement(c) {
        out.push_str(text);
        return TEXT;
    }
    if c.is_whitespace() || c == '\u{2800}' {
        return SPACE;
    }
    if is_invisible(c) {
        return DROP;
    }
    if is_plain_mark(c) {
        return MARK;
    }
    if is_combining_mark(c) || is_joining_jamo(c) {
        return JOIN;
    }
    if is_kept_sign(c) {
        return KEEP;
    }
    decompose_compatible(c, |part| {
        for lower in part.to_lowercase() {
            if is_plain_mark(lower) || is_invisible(lower) {
                continue;
            }
            if let Some(text) = replacement(lower) {
                out.push_str(text);
                continue;
            }
            push_composed(out, lower);
        }
    });
    let mut chars = out.chars();
    match (chars.next(), chars.next()) {
        (None, _) => DROP,
        (Some(' '), None) => SPACE,
        (Some(only), None) if only == c => KEEP,
        _ => TEXT,
    }
}

/// Appends a character, melted into the last one where Unicode composes the two.
fn push_composed(out: &mut String, c: char) {
    if let Some(last) = out.chars().next_back()
        && let Some(both) = compose(last, c)
    {
        let _ = out.pop();
        out.push(both);
        return;
    }
    out.push(c);
}

/// Folded view and map of any text.
pub(super) fn fold(original: &str, out: &mut String, segments: &mut Segments) {
    out.reserve(original.len());
    let mut rest = original;
    while !rest.is_empty() {
        let at = original.len() - rest.len();
        let run = plain_run(rest.as_bytes());
        if run > 0 {
            let (ascii, after) = rest.split_at(run);
            rest = after;
            push_ascii(ascii, at, out, segments);
            continue;
        }
        let mut chars = rest.chars();
        if let Some(c) = chars.next() {
            rest = chars.as_str();
            push_char(c, at, out, segments);
        }
    }
}

/// Bytes at the front that only need lower case. Stops before a second space.
fn plain_run(bytes: &[u8]) -> usize {
    let mut before = 0u8;
    for (at, &byte) in bytes.iter().enumerate() {
        let plain = matches!(byte, b' '..=b'~');
        if !plain || (byte == b' ' && before == b' ') {
            return at;
        }
        before = byte;
    }
    bytes.len()
}

fn push_ascii(ascii: &str, at: usize, out: &mut String, segments: &mut Segments) {
    let (ascii, at) = match ascii.strip_prefix(' ') {
        Some(stripped) if out.ends_with(' ') => (stripped, at + 1),
        _ => (ascii, at),
    };
    if ascii.is_empty() {
        return;
    }
    let start = out.len();
    out.push_str(ascii);
    if let Some(pushed) = out.get_mut(start..) {
        pushed.make_ascii_lowercase();
    }
    segments.keep(start, at, ascii.len());
}

fn push_char(c: char, at: usize, out: &mut String, segments: &mut Segments) {
    let place = at..at + c.len_utf8();
    let folded = out.len();
    match look_up(c) {
        Fold::Keep => {
            out.push(c);
            segments.keep(folded, at, place.len());
        }
        Fold::Space => {
            if !out.ends_with(' ') {
                out.push(' ');
                replace(' ', folded, place, segments);
            }
        }
        Fold::Drop => {}
        Fold::Mark => {
            // A mark after something invisible is on nothing that is seen.
            if let Some(last) = out.chars().next_back()
                && segments.reaches(at)
            {
                segments.attach(last.len_utf8(), place.end);
            }
        }
        Fold::Join => push_join(c, place, out, segments),
        Fold::Text(text) => {
            out.push_str(text);
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(only), None) => replace(only, folded, place, segments),
                _ => segments.replace(folded, place),
            }
        }
    }
}

/// One character that became one other: part of a run if the length stayed.
fn replace(by: char, folded: usize, place: Range<usize>, segments: &mut Segments) {
    if by.len_utf8() == place.len() {
        segments.keep(folded, place.start, place.len());
    } else {
        segments.replace(folded, place);
    }
}

fn push_join(c: char, place: Range<usize>, out: &mut String, segments: &mut Segments) {
    if let Some(last) = out.chars().next_back()
        && let Some(both) = compose(last, c)
    {
        segments.attach(last.len_utf8(), place.end);
        let _ = out.pop();
        out.push(both);
        return;
    }
    segments.keep(out.len(), place.start, place.len());
    out.push(c);
}

/// Foldings that NFKC and lower case do not give.
fn replacement(c: char) -> Option<&'static str> {
    Some(match c {
        // Phones write typographic quotes by themselves; lists are written with plain ones.
        '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{02BC}' | '\u{02B9}' | '\u{2032}'
        | '\u{00B4}' | '\u{FF07}' => "'",
        '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{201F}' | '\u{2033}' | '\u{FF02}' => "\"",
        // Full case folding, where lower case keeps two forms of one letter.
        'ß' | 'ẞ' => "ss",
        'ς' => "σ",
        _ => return None,
    })
}

/// Signs that NFKC would turn into letters of the word before them.
const fn is_kept_sign(c: char) -> bool {
    matches!(
        c,
        '™' | '℠' | '¨' | '¯' | '¸' | '˘' | '˙' | '˚' | '˛' | '˜' | '˝' | '‗'
    )
}

/// Marks on letters of alphabets, which people leave out or pile up. Not the vowel signs and viramas
/// of Indic scripts, nor the voicing marks of kana: without them it is another word.
const fn is_plain_mark(c: char) -> bool {
    matches!(c as u32,
        0x0300..=0x036F
        | 0x0483..=0x0489
        | 0x0591..=0x05BD | 0x05BF | 0x05C1..=0x05C2 | 0x05C4..=0x05C5 | 0x05C7
        | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670
        | 0x06D6..=0x06DC | 0x06DF..=0x06E4 | 0x06E7..=0x06E8 | 0x06EA..=0x06ED
        | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F
        | 0x1F3FB..=0x1F3FF)
}

/// Controls, and Default_Ignorable_Code_Point of Unicode 17 (with what it reserves).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x0640 | 0x115F..=0x1160 | 0x17B4..=0x17B5
            | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164
            | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFF8 | 0x1BCA0..=0x1BCA3
            | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Hangul vowels and finals, which melt into the initial before them.
const fn is_joining_jamo(c: char) -> bool {
    matches!(c as u32, 0x1161..=0x1175 | 0x11A8..=0x11C2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folding_fits_its_entry() {
        let mut out = String::new();
        for c in '\0'..=char::MAX {
            out.clear();
            if classify(c, &mut out) == TEXT {
                assert!(
                    !out.is_empty() && out.len() <= 255,
                    "U+{:04X}",
                    u32::from(c)
                );
            }
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        let mut once = String::new();
        let mut twice = String::new();
        for c in '\0'..=char::MAX {
            once.clear();
            twice.clear();
            let text = String::from(c);
            fold(&text, &mut once, &mut Segments::default());
            fold(&once, &mut twice, &mut Segments::default());
            assert_eq!(once, twice, "U+{:04X}", u32::from(c));
        }
    }
}
