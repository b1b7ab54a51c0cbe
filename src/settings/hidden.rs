//! Secrets that somebody wrote into a settings file.
//!
//! They are refused (secrets come from files of their own), and a fault shows the line that it is
//! about. So the values of keys that sound like a secret are blanked before anything else sees
//! the text.

use std::ops::Range;
use std::sync::Arc;

use dmwatch_core::document::{Faults, Node, Source, Value, parse};

const WORDS: [&str; 8] = [
    "passw",
    "passphrase",
    "secret",
    "token",
    "credential",
    "jaas",
    "private_key",
    "api_key",
];

/// Endings of names that sound like a secret and name a place.
const PLACES: [&str; 4] = ["_file", "_url", "_path", ".location"];

/// Whether a value under that key is not to be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let sounds_like_one = WORDS.iter().any(|word| key.contains(word));
    sounds_like_one && !PLACES.iter().any(|ending| key.ends_with(ending))
}

/// A text with such values blanked.
pub(super) struct Hidden {
    /// Of the same length, so that places stay true.
    pub(super) text: String,
    /// Whether the original is not even YAML: blanking may have mended that.
    pub(super) is_broken: bool,
}

/// Blanks such values.
pub(super) fn hide(text: &str) -> Hidden {
    let source = Arc::new(Source::new("", text));
    let mut ranges = Vec::new();
    let mut faults = Faults::new();
    let node = parse(&source, &mut faults);
    if let Some(node) = &node {
        find(node, false, &mut ranges);
    }
    // What a fault made the parser leave out is not in the tree.
    if faults.has_errors() {
        find_in_lines(text, &mut ranges);
    }
    ranges.sort_by_key(|range| range.start);
    Hidden {
        text: blank(text, &ranges),
        is_broken: node.is_none(),
    }
}

/// Scalars under a key that sounds like a secret.
fn find(node: &Node, is_hidden: bool, ranges: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                find(value, is_hidden || is_secret(&key.name), ranges);
            }
        }
        Value::Seq(items) => {
            for item in items {
                find(item, is_hidden, ranges);
            }
        }
        _ if is_hidden => ranges.push(node.place.range.clone()),
        _ => {}
    }
}

/// In text that does not parse: all that follows such a word and a colon in a line, and all lines
/// that are further in.
fn find_in_lines(text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut offset = 0;
    let mut deeper_than: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let is_blank = line.trim().is_empty();
        let is_inside = deeper_than.is_some_and(|limit| is_blank || indent > limit);
        if is_inside {
            ranges.push(offset..offset + line.len());
        } else {
            deeper_than = None;
            if let Some(start) = value_start(line) {
                ranges.push(offset + start..offset + line.len());
                deeper_than = Some(indent);
            }
        }
        offset += line.len();
    }
}

fn value_start(line: &str) -> Option<usize> {
    line.match_indices(':').map(|(at, _)| at).find_map(|colon| {
        let before = line[..colon].trim_end_matches(['"', '\'', ' ', '\t']);
        let key_start = before
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |at| {
                at + before[at..].chars().next().map_or(1, char::len_utf8)
            });
        is_secret(&before[key_start..]).then_some(colon + 1)
    })
}

fn blank(text: &str, ranges: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut ranges = ranges.iter().peekable();
    let mut hidden_until = 0;
    for (at, character) in text.char_indices() {
        while let Some(range) = ranges.next_if(|range| range.start <= at) {
            hidden_until = hidden_until.max(range.end);
        }
        let is_hidden = at < hidden_until;
        if is_hidden && !character.is_whitespace() {
            // As many bytes, and plain text in YAML.
            out.extend(std::iter::repeat_n('x', character.len_utf8()));
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_secrets_wherever_they_are_written() {
        for text in [
            "password: canary\n",
            "a:\n  sasl.password: 'canary'\n",
            "a: {password_file: x, client_secret: canary, b: 1}\n",
            "{\"password\":\"canary\"}\n",
            "token:\n  canary\nb: 1\n",
            "a:\n  secret: |\n    x\n\n    canary\n  b: 1\n",
            "secrets: [a, {b: canary}]\n",
            "- api_key: canary",
            "ssl.key.password : canary",
            // Broken on purpose.
            "password: a\npassword: canary\n",
            "a: {token: a, token: canary}\n",
            "password: \"canary\n",
            "a: [\ntoken:\n  canary\n",
            "a: ]\n'secret' : canary\n",
            "a: {b: 1, my_password: canary\n",
        ] {
            let hidden = hide(text).text;
            assert!(!hidden.contains("canary"), "{text:?} → {hidden:?}");
            assert_eq!(hidden.len(), text.len());
            assert_eq!(hidden.lines().count(), text.lines().count());
        }
    }

    #[test]
    fn leaves_everything_else_alone() {
        for text in [
            "password_file: /run/secrets/p\ntoken_endpoint_url: https://x/token:80\nb: 1\n",
            "client_id: \"my token: x\" # secret: comment\n",
            "a: [\npassword_file: x\n",
        ] {
            assert_eq!(hide(text).text, text);
        }
        let mixed = hide("ä: 1\r\npassword: öx\r\nb: 2");
        assert_eq!(mixed.text, "ä: 1\r\npassword: xxx\r\nb: 2");
    }
}
