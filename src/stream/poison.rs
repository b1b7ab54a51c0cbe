//! When undecodable messages are not single poison pills but a wrong format: the worker stops
//! instead of draining a topic into the dead-letter topic.

use std::collections::VecDeque;

/// What is allowed, per partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoisonLimits {
    /// Dead letters in a row.
    pub max_consecutive: u32,
    /// Share of dead letters over the last [`PoisonLimits::ratio_over`] messages.
    pub max_ratio: f64,
    /// How many messages the share is taken over; below that number it is not looked at.
    pub ratio_over: u32,
}

/// The last messages of one partition.
#[derive(Debug, Default)]
pub struct PoisonCount {
    recent: VecDeque<bool>,
    poison: u32,
    consecutive: u32,
}

impl PoisonCount {
    /// Takes note of one judged message. `Some` says what limit is exceeded: what was found and
    /// what is allowed.
    pub fn note(&mut self, poison: bool, limits: &PoisonLimits) -> Option<(String, String)> {
        self.consecutive = if poison { self.consecutive + 1 } else { 0 };
        self.recent.push_back(poison);
        self.poison += u32::from(poison);
        if self.recent.len() > limits.ratio_over as usize && self.recent.pop_front() == Some(true) {
            self.poison -= 1;
        }
        if self.consecutive > limits.max_consecutive {
            return Some((
                format!("{} dead letters in a row", self.consecutive),
                limits.max_consecutive.to_string(),
            ));
        }
        let full = self.recent.len() == limits.ratio_over as usize;
        let ratio = f64::from(self.poison) / f64::from(limits.ratio_over.max(1));
        (poison && full && ratio > limits.max_ratio).then(|| {
            (
                format!(
                    "{} of the last {} messages are dead letters",
                    self.poison, limits.ratio_over
                ),
                format!("a share of {}", limits.max_ratio),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PoisonLimits = PoisonLimits {
        max_consecutive: 3,
        max_ratio: 0.5,
        ratio_over: 10,
    };

    fn first_excess(messages: &[bool]) -> Option<usize> {
        let mut count = PoisonCount::default();
        messages
            .iter()
            .position(|&poison| count.note(poison, &LIMITS).is_some())
    }

    #[test]
    fn stops_after_too_many_in_a_row() {
        assert_eq!(first_excess(&[true, true, true, false, true]), None);
        assert_eq!(first_excess(&[false, true, true, true, true]), Some(4));
    }

    #[test]
    fn stops_at_too_large_a_share_of_the_last_ones() {
        let half = [true, false].repeat(50);
        assert_eq!(first_excess(&half), None);
        let two_of_three = [true, true, false].repeat(10);
        assert_eq!(first_excess(&two_of_three), Some(9));
        let old = [[true, true, false, false, false].repeat(4), vec![false; 20]].concat();
        assert_eq!(first_excess(&old), None);
    }
}
