//! The map from the folded view to the original text.

use std::ops::Range;

/// A stretch of the folded view that begins at `folded` and reaches to the next segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    folded: usize,
    /// Byte offsets in the original.
    start: usize,
    end: usize,
    /// In a run every character keeps its length, so offsets differ by a constant. Otherwise the
    /// segment is one character of the original (with the marks on it), and cannot be cut.
    run: bool,
}

/// Segments in ascending order of both offsets.
#[derive(Debug, Default)]
pub(super) struct Segments(Vec<Segment>);

impl Segments {
    pub(super) fn clear(&mut self, keep: usize) {
        self.0.clear();
        self.0.shrink_to(keep / size_of::<Segment>());
    }

    /// `len` bytes of the original at `start` stand unchanged in length at `folded`.
    pub(super) fn keep(&mut self, folded: usize, start: usize, len: usize) {
        if let Some(last) = self.0.last_mut()
            && last.run
            && last.end == start
            && last.folded + (last.end - last.start) == folded
        {
            last.end += len;
            return;
        }
        self.0.push(Segment {
            folded,
            start,
            end: start + len,
            run: true,
        });
    }

    /// The original's character at `original` stands at `folded` in another form.
    pub(super) fn replace(&mut self, folded: usize, original: Range<usize>) {
        self.0.push(Segment {
            folded,
            start: original.start,
            end: original.end,
            run: false,
        });
    }

    /// Whether the last character ends at this place of the original.
    pub(super) fn reaches(&self, original: usize) -> bool {
        self.0.last().is_some_and(|last| last.end == original)
    }

    /// Something that ends at `end` belongs to the last character, which is `last_len` bytes long
    /// if it was kept as it is: from now on both are one character.
    pub(super) fn attach(&mut self, last_len: usize, end: usize) {
        let Some(last) = self.0.last_mut() else {
            return;
        };
        if !last.run {
            last.end = end;
            return;
        }
        let start = last.end - last_len;
        let folded = last.folded + (start - last.start);
        last.end = start;
        if last.start == last.end {
            let _ = self.0.pop();
        }
        self.replace(folded, start..end);
    }

    /// See [`super::Text::original_range`]; both ends lie on character boundaries of the view.
    pub(super) fn original_range(&self, folded: Range<usize>) -> Range<usize> {
        let start = self.at(folded.start).map_or(0, |segment| {
            if segment.run {
                (segment.start + (folded.start - segment.folded)).min(segment.end)
            } else {
                segment.start
            }
        });
        if folded.is_empty() {
            return start..start;
        }
        let end = self.at(folded.end - 1).map_or(start, |segment| {
            if segment.run {
                (segment.start + (folded.end - segment.folded)).min(segment.end)
            } else {
                segment.end
            }
        });
        start..end.max(start)
    }

    /// The segment that holds an offset of the view.
    fn at(&self, folded: usize) -> Option<&Segment> {
        let after = self.0.partition_point(|segment| segment.folded <= folded);
        self.0.get(after.checked_sub(1)?)
    }
}
