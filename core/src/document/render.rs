//! Faults → text for a terminal, in the look of `rustc`.

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin as Header, Renderer, Snippet,
    normalize_untrusted_str,
};

use super::{Fault, FaultSeverity, Origin, Place, Source};

/// A line longer than this is not shown: its place is.
const MAX_LINE: usize = 2_000;

/// Renders faults one below the other, in the order given, each with `file:line:column`, its line
/// and a caret. Control characters in file or message are shown, never sent to the terminal.
#[must_use]
pub fn render(faults: &[Fault], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for fault in faults {
        text.push_str(&renderer.render(&[group(fault)]));
        text.push_str("\n\n");
    }
    text
}

fn group(fault: &Fault) -> Group<'_> {
    let level = match fault.severity {
        FaultSeverity::Error => Level::ERROR,
        FaultSeverity::Warning => Level::WARNING,
    };
    let mut group = level
        .primary_title(fault.message.as_str())
        .id(fault.code)
        .elements(std::iter::empty::<annotate_snippets::Element<'_>>());
    let mut elsewhere = Vec::new();
    match window(&fault.place) {
        None => {
            // Of what nobody wrote there is nothing to show.
            if fault.place.origin != Origin::Default {
                group = group.element(header(&fault.place));
            }
            elsewhere.extend(&fault.related);
        }
        Some(window) => {
            let primary = window.annotation(AnnotationKind::Primary, &fault.label);
            let mut snippet = window.snippet().annotation(primary);
            for other in &fault.related {
                // A related place on the same line goes into the same snippet.
                match self::window(&other.place).filter(|found| found.is_line_of(&window)) {
                    Some(found) => {
                        let context = found.annotation(AnnotationKind::Context, &other.label);
                        snippet = snippet.annotation(context);
                    }
                    None => elsewhere.push(other),
                }
            }
            group = group.element(snippet);
        }
    }
    for other in elsewhere {
        match window(&other.place) {
            Some(window) => {
                let context = window.annotation(AnnotationKind::Context, &other.label);
                group = group.element(window.snippet().annotation(context));
            }
            None if other.place.origin == Origin::Default => {}
            None => {
                let note = format!("{}: {}", other.place, other.label);
                group = group.element(Level::NOTE.message(note));
            }
        }
    }
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

fn header(place: &Place) -> Header<'_> {
    match &place.source {
        Some(source) => {
            let (line, column) = source.line_and_column(place.range.start);
            Header::path(source.name()).line(line).char_column(column)
        }
        None => Header::path(place.to_string()),
    }
}

/// The one line that is shown: a range over several lines is clipped to its first.
struct Window<'a> {
    source: &'a Source,
    line: usize,
    text: &'a str,
    start: usize,
    end: usize,
}

fn window(place: &Place) -> Option<Window<'_>> {
    let source = place.source.as_deref()?;
    let (line, _) = source.line_and_column(place.range.start);
    let range = source.line_range(line);
    let text = source.text().get(range.clone())?;
    if text.len() > MAX_LINE {
        return None;
    }
    let inside = |offset: usize| {
        super::floor_char_boundary(text, offset.saturating_sub(range.start).min(text.len()))
    };
    let (start, end) = (inside(place.range.start), inside(place.range.end));
    // Trailing white space and a comment are not part of what is wrong with a mapping.
    let marked = text.get(start..end)?.trim_end();
    Some(Window {
        source,
        line,
        text,
        start,
        end: start + marked.len(),
    })
}

impl<'a> Window<'a> {
    fn is_line_of(&self, other: &Window<'_>) -> bool {
        self.line == other.line && std::ptr::eq(self.source, other.source)
    }

    fn snippet(&self) -> Snippet<'a, Annotation<'a>> {
        Snippet::source(self.text)
            .line_start(self.line)
            .path(self.source.name())
    }

    fn annotation(&self, kind: AnnotationKind, label: &'a str) -> Annotation<'a> {
        let annotation = kind.span(self.start..self.end);
        if label.is_empty() {
            annotation
        } else {
            annotation.label(normalize_untrusted_str(label))
        }
    }
}
