//! Where a newly assigned partition begins: pure decisions over what the broker says.

use std::fmt;

/// What the last owner of a partition left in the metadata of its commit: whether it closed the
/// partition, and how many owners died at this very offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnerMark {
    /// Owners that died with this offset as their watermark.
    pub deaths: u32,
    /// The owner has not closed the partition (yet).
    pub open: bool,
}

const PREFIX: &str = "dmwatch1";

impl OwnerMark {
    /// Reads commit metadata; what another program wrote counts as a clean close.
    #[must_use]
    pub fn parse(metadata: &str) -> Self {
        let mut words = metadata.split(' ');
        if words.next() != Some(PREFIX) {
            return Self::default();
        }
        let mut mark = Self::default();
        for word in words {
            match word.split_once('=') {
                Some(("deaths", count)) => mark.deaths = count.parse().unwrap_or(0),
                None if word == "open" => mark.open = true,
                _ => {}
            }
        }
        mark
    }

    /// The mark that the next owner writes before it judges anything.
    #[must_use]
    pub fn taken_over(self) -> Self {
        Self {
            deaths: self.deaths + u32::from(self.open),
            open: true,
        }
    }
}

impl fmt::Display for OwnerMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.open { "open" } else { "closed" };
        write!(f, "{PREFIX} deaths={} {state}", self.deaths)
    }
}

/// What the broker says about a partition when it is assigned.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The group's committed offset.
    pub committed: Option<i64>,
    /// The metadata of that commit.
    pub mark: OwnerMark,
    /// First offset in the log.
    pub low: i64,
    /// Offset after the last one in the log.
    pub high: i64,
}

/// Where a group that has committed nothing at all may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstStart {
    /// At the oldest message that is there.
    Earliest,
    /// At the messages that come from now on.
    Latest,
}

/// How a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// From this offset on.
    At(i64),
    /// The next message to judge is not in the log any more (or the log is not the one that the
    /// group read): messages are missing, and only a person may go on.
    Lost {
        /// The first offset that is missing.
        from: i64,
        /// The offset after the last one missing: where going on would begin.
        to: i64,
    },
}

/// Decides where a partition begins.
///
/// `first_start` says where a group begins that has no commit on any partition; `None` when it
/// has some, and then a partition without one is new and is read from its oldest message.
#[must_use]
pub fn begin(found: Found, first_start: Option<FirstStart>) -> Begin {
    match found.committed {
        None if first_start == Some(FirstStart::Latest) => Begin::At(found.high),
        None => Begin::At(found.low),
        Some(committed) if committed < found.low => Begin::Lost {
            from: committed,
            to: found.low,
        },
        // The log is shorter than what was read: made anew, or truncated by an unclean election.
        // How much is missing cannot be known; going on reads all that is there.
        Some(committed) if committed > found.high => Begin::Lost {
            from: committed,
            to: found.low,
        },
        Some(committed) => Begin::At(committed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(committed: Option<i64>) -> Found {
        Found {
            committed,
            mark: OwnerMark::default(),
            low: 10,
            high: 20,
        }
    }

    #[test]
    fn only_the_very_first_start_may_choose_and_nothing_is_skipped_later() {
        use FirstStart::{Earliest, Latest};
        assert_eq!(begin(found(None), Some(Earliest)), Begin::At(10));
        assert_eq!(begin(found(None), Some(Latest)), Begin::At(20));
        assert_eq!(begin(found(None), None), Begin::At(10));
        for committed in 10..=20 {
            let at = Begin::At(committed);
            assert_eq!(begin(found(Some(committed)), None), at);
            assert_eq!(begin(found(Some(committed)), Some(Latest)), at);
        }
        let lost = Begin::Lost { from: 9, to: 10 };
        assert_eq!(begin(found(Some(9)), None), lost);
        let other_log = Begin::Lost { from: 21, to: 10 };
        assert_eq!(begin(found(Some(21)), None), other_log);
    }

    #[test]
    fn deaths_count_only_owners_that_did_not_close() {
        let closed = OwnerMark {
            deaths: 1,
            open: false,
        };
        let open = OwnerMark {
            deaths: 2,
            open: true,
        };
        for mark in [closed, open, OwnerMark::default()] {
            assert_eq!(OwnerMark::parse(&mark.to_string()), mark);
        }
        assert_eq!(closed.taken_over().deaths, 1);
        assert_eq!(open.taken_over().deaths, 3);
        assert!(closed.taken_over().open);
        assert_eq!(OwnerMark::parse("somebody else's"), OwnerMark::default());
        assert_eq!(OwnerMark::parse("dmwatch1 deaths=x"), OwnerMark::default());
    }
}
