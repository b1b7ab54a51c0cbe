//! Lines of bytes, each bounded.

use std::io::{self, BufRead, BufReader, Read};

/// Longest line, in bytes. What is longer is no message: Kafka's own default limit is 1 MiB.
const MAX_LINE: usize = 8 << 20;

/// Bytes that are read at once.
const CAPACITY: usize = 1 << 17;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'b> {
    /// Its bytes, without the line break.
    Bytes(&'b [u8]),
    /// More than [`MAX_LINE`] bytes.
    TooLong,
}

/// Reads lines into one buffer.
pub(super) struct Lines {
    input: BufReader<Box<dyn Read>>,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(super) fn new(input: Box<dyn Read>) -> Self {
        Self {
            input: BufReader::with_capacity(CAPACITY, input),
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// The next line and its number from 1, empty ones left out.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        loop {
            self.buffer.clear();
            let limit = u64::try_from(MAX_LINE)
                .unwrap_or(u64::MAX)
                .saturating_add(1);
            if self
                .input
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer)?
                == 0
            {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.len() > MAX_LINE && !self.buffer.ends_with(b"\n") {
                self.skip_line()?;
                return Ok(Some((self.number, Line::TooLong)));
            }
            // A file that was written on Windows may begin with a byte order mark.
            let mark = if self.number == 1 && self.buffer.starts_with("\u{FEFF}".as_bytes()) {
                3
            } else {
                0
            };
            let line = self.buffer.get(mark..).unwrap_or_default().trim_ascii();
            if !line.is_empty() {
                // Asked again, because the borrow checker does not see that the loop ends here.
                let line = self.buffer.get(mark..).unwrap_or_default().trim_ascii();
                return Ok(Some((self.number, Line::Bytes(line))));
            }
        }
    }

    /// Whether more was read already; if not, the next line may have to be waited for.
    pub(super) fn has_more(&self) -> bool {
        !self.input.buffer().is_empty()
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                return Ok(());
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &'static [u8]) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::new(Box::new(input));
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push(match line {
                Line::Bytes(bytes) => (number, Some(bytes.to_vec())),
                Line::TooLong => (number, None),
            });
        }
        found
    }

    #[test]
    fn blank_lines_count_but_are_left_out() {
        let found = all(b"\xEF\xBB\xBF{1}\r\n\n  \n{2}\n\t{3}");
        assert_eq!(
            found,
            [
                (1, Some(b"{1}".to_vec())),
                (4, Some(b"{2}".to_vec())),
                (5, Some(b"{3}".to_vec()))
            ]
        );
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_does_not_hide_the_next() {
        let mut input = vec![b'x'; MAX_LINE];
        input.extend_from_slice(b"\n");
        input.extend(vec![b'y'; MAX_LINE + 1]);
        input.extend_from_slice(b"\nz\n");
        let found = all(input.leak());
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].1.as_ref().map(Vec::len), Some(MAX_LINE));
        assert_eq!(found[1], (2, None));
        assert_eq!(found[2], (3, Some(b"z".to_vec())));
    }
}
