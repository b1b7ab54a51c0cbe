//! An item as a reviewer would see it, in a few lines.

use std::borrow::Cow;
use std::ops::Range;

use dmwatch_core::message::AgeBand;

use crate::item::{PartyMeta, ReviewItem, Role};

/// Begin and end of a highlight on a terminal and elsewhere.
const TERMINAL: (&str, &str) = ("\x1b[7m", "\x1b[27m");
const PLAIN: (&str, &str) = ("[[", "]]");

/// The item with the text of its first message, what the rules found highlighted.
pub(super) fn card(item: &ReviewItem<'_>, text: &str, color: bool) -> String {
    let severity = item.severity.map_or("", |severity| severity.as_str());
    let minutes = (item.due_millis - item.provenance.timestamp).max(0) / 60_000;
    let due = match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    };
    let mut card = format!(
        "{:<14} {:<9} priority {:>3}   due within {due}   region {}\n",
        item.queue,
        severity,
        item.priority,
        item.region.as_deref().unwrap_or("none"),
    );
    let spans: Vec<Range<usize>> = item
        .reasons
        .iter()
        .filter(|reason| reason.message == 0)
        .flat_map(|reason| &reason.spans)
        .map(|span| span.bytes[0]..span.bytes[1])
        .collect();
    card.push_str(&format!("  “{}”\n", highlight(text, spans, color)));
    for reason in &item.reasons {
        card.push_str(&format!("  {} ({})\n", reason.title, reason.rule));
    }
    if let Some(report) = &item.report {
        let reason = report.reason.as_deref().unwrap_or("in words of their own");
        card.push_str(&format!("  reported by a user: {reason}\n"));
    }
    card.push_str(&format!(
        "  {}   {} messages of context   {}/{}/{}",
        pair(&item.parties),
        item.context.messages,
        item.provenance.topic,
        item.provenance.partition,
        item.provenance.offset,
    ));
    card
}

fn pair(parties: &[PartyMeta<'_>]) -> String {
    let bands = |role: Role| {
        let bands = parties.iter().filter(|party| party.role == role);
        let mut bands: Vec<AgeBand> = bands.map(|party| party.age_band).collect();
        bands.dedup();
        let names: Vec<&str> = bands.iter().map(|band| band.as_str()).collect();
        names.join(", ")
    };
    format!("{} to {}", bands(Role::Sender), bands(Role::Recipient))
}

/// The text with its spans marked. Spans that overlap are one; one that is not on characters of
/// the text is left out. Control characters do not reach the terminal.
fn highlight(text: &str, mut spans: Vec<Range<usize>>, color: bool) -> String {
    let (begin, end) = if color { TERMINAL } else { PLAIN };
    spans.sort_unstable_by_key(|span| span.start);
    let mut shown = String::new();
    let mut at = 0;
    for span in spans {
        let span = span.start.max(at)..span.end;
        let (Some(before), Some(marked)) = (text.get(at..span.start), text.get(span.clone()))
        else {
            continue;
        };
        if marked.is_empty() {
            continue;
        }
        shown.push_str(&harmless(before));
        shown.push_str(begin);
        shown.push_str(&harmless(marked));
        shown.push_str(end);
        at = span.end;
    }
    shown.push_str(&harmless(text.get(at..).unwrap_or_default()));
    shown
}

fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.replace(char::is_control, "\u{fffd}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a list of one span")]
mod tests {
    use super::*;

    #[test]
    fn spans_are_marked_in_the_original_text() {
        let marked =
            |spans: &[Range<usize>]| highlight("add me on snap, ok", spans.to_vec(), false);
        assert_eq!(marked(&[]), "add me on snap, ok");
        assert_eq!(marked(&[0..14]), "[[add me on snap]], ok");
        assert_eq!(marked(&[10..14, 0..3]), "[[add]] me on [[snap]], ok");
        assert_eq!(marked(&[0..6, 4..9]), "[[add me]][[ on]] snap, ok");
        assert_eq!(marked(&[0..6, 0..3]), "[[add me]] on snap, ok");
        assert_eq!(marked(&[0..99]), "add me on snap, ok");
    }

    #[test]
    fn a_span_inside_a_character_and_control_characters_do_no_harm() {
        assert_eq!(highlight("é!", vec![1..2], false), "é!");
        let shown = highlight("a\x1b[2Jb", vec![0..1], true);
        assert_eq!(shown, "\x1b[7ma\x1b[27m\u{fffd}[2Jb");
    }
}
