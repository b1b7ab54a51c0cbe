//! The one-screen summary: redrawn in place on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::summary::Summary;

/// How often a line is written where the screen cannot be redrawn.
const PLAIN: Duration = Duration::from_secs(2);

/// Columns that are used at most.
const WIDTH: usize = 78;

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    redraw: bool,
    lines: usize,
    plain_at: Option<Instant>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            redraw: io::stdout().is_terminal(),
            lines: 0,
            plain_at: None,
        }
    }

    /// Whether colours and redrawing make sense.
    pub(super) const fn is_terminal(&self) -> bool {
        self.redraw
    }

    /// Shows the summary.
    pub(super) fn draw(&mut self, summary: &Summary) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.redraw {
            let lines = lines(summary);
            if self.lines > 0 {
                // Up to the first line of the summary before, and clear from there.
                write!(out, "\x1b[{}A\x1b[J", self.lines)?;
            }
            for line in &lines {
                writeln!(out, "{line}")?;
            }
            self.lines = lines.len();
        } else if self.plain_at.is_none_or(|at| at.elapsed() >= PLAIN) {
            writeln!(out, "{}", plain(summary))?;
            self.plain_at = Some(Instant::now());
        }
        out.flush()
    }

    /// Writes lines that stay.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.lines = 0;
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

fn lines(summary: &Summary) -> Vec<String> {
    let mut lines = vec![
        format!(
            "  {:>4} s   {:>9} messages/s   {:>11} consumed   lag {}",
            summary.elapsed.as_secs(),
            thousands(summary.rate as u64),
            thousands(summary.consumed),
            summary.lag,
        ),
        format!(
            "  end to end  p50 {}   p99 {}   in flight {}",
            millis(summary.p50),
            millis(summary.p99),
            summary.in_flight,
        ),
        format!(
            "  clean {}   flagged {}   not scanned {}   reports {}   dead letters {}",
            thousands(summary.clean),
            thousands(summary.flagged),
            thousands(summary.not_scanned),
            summary.reports,
            summary.dead_letters,
        ),
    ];
    let mut line = String::from(" ");
    for (queue, items) in &summary.queues {
        let part = format!(" {queue} {items}  ");
        if line.len() + part.trim_end().len() > WIDTH {
            lines.push(std::mem::replace(&mut line, String::from(" ")));
        }
        line.push_str(&part);
    }
    lines.push(line);
    lines
}

fn plain(summary: &Summary) -> String {
    let queues: Vec<String> = summary
        .queues
        .iter()
        .map(|(queue, items)| format!("{queue}={items}"))
        .collect();
    format!(
        "{}s messages/s={} consumed={} lag={} p50={} p99={} clean={} flagged={} not_scanned={} reports={} dead_letters={} {}",
        summary.elapsed.as_secs(),
        summary.rate as u64,
        summary.consumed,
        summary.lag,
        millis(summary.p50).replace(' ', ""),
        millis(summary.p99).replace(' ', ""),
        summary.clean,
        summary.flagged,
        summary.not_scanned,
        summary.reports,
        summary.dead_letters,
        queues.join(" "),
    )
}

fn millis(seconds: Option<f64>) -> String {
    seconds.map_or_else(
        || "-".to_owned(),
        |seconds| format!("{:.1} ms", seconds * 1e3),
    )
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let names = [
            "blackmail",
            "child-safety",
            "harassment",
            "hate",
            "reports",
            "scams",
            "self-harm",
            "spam",
            "threats",
        ];
        Summary {
            elapsed: Duration::from_secs(12),
            rate: 10_012.7,
            consumed: 1_184_000,
            p50: Some(0.0084),
            clean: 110_233,
            flagged: 612,
            queues: names.map(|name| (name.to_owned(), 123)).into(),
            ..Summary::default()
        }
    }

    #[test]
    fn the_screen_is_no_wider_than_a_terminal_and_shows_every_queue() {
        let lines = lines(&summary());
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
        let text = lines.join("\n");
        assert!(text.contains("10,012 messages/s") && text.contains("1,184,000 consumed"));
        assert!(text.contains("p50 8.4 ms   p99 -"));
        assert!(summary().queues.keys().all(|queue| text.contains(queue)));
    }

    #[test]
    fn elsewhere_it_is_one_line() {
        let line = plain(&summary());
        assert!(line.starts_with("12s messages/s=10012 consumed=1184000 lag=0 p50=8.4ms p99=- "));
        assert!(line.ends_with("spam=123 threats=123") && !line.contains('\n'));
    }

    #[test]
    fn thousands_are_grouped() {
        let numbers = [0, 999, 1000, 12_345, 1_234_567].map(thousands);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
