//! Durations (`15m`) and sizes (`64MiB`) as people write them.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

const SIZES: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads `15m`, `500ms`, `1h30m`, `2d`. The unit is required, so that nobody has to guess it.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, tail) = leading_number(rest)?;
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let (_, millis) = DURATIONS.into_iter().find(|(name, _)| *name == unit)?;
        // `30m1h` is a slip, not a notation.
        if millis >= last_unit {
            return None;
        }
        last_unit = millis;
        total = total.checked_add(number.checked_mul(millis)?)?;
        rest = after;
    }
    Some(Duration::from_millis(total))
}

/// Reads `1MiB`, `64KiB`, `2GB`, `512B`. The unit is required.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text.trim())?;
    let unit = unit.trim_start();
    let (_, bytes) = SIZES.into_iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(bytes)
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

/// The shortest way to write a duration, to the millisecond: `1h30m`, `500ms`, `0s`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, millis) in DURATIONS {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    text
}

/// The shortest exact way to write a size: `64MiB`, `1000B`.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let exact = SIZES
        .into_iter()
        .filter(|(unit, _)| unit.len() != 2)
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    let (unit, factor) = exact.unwrap_or(("B", 1));
    format!("{}{unit}", bytes / factor)
}
