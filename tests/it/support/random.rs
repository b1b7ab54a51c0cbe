//! Random numbers that are the same for the same seed, on every machine and in every version.

use std::time::Duration;

/// `SplitMix64` (Steele, Lea, Flood 2014): small, fast, good enough to choose messages and moments.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed that differs from run to run, or the one in `DMWATCH_TEST_SEED`. Printed, so that the
    /// output of a failed test says how to repeat it.
    pub fn seed(test: &str) -> u64 {
        let given = std::env::var("DMWATCH_TEST_SEED").ok();
        let seed = match given.and_then(|seed| seed.parse().ok()) {
            Some(seed) => seed,
            None => std::time::UNIX_EPOCH
                .elapsed()
                .map_or(1, |since| u64::from(since.subsec_nanos())),
        };
        #[allow(clippy::print_stderr, reason = "cargo shows it for a failed test only")]
        {
            eprintln!("{test}: DMWATCH_TEST_SEED={seed}");
        }
        seed
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit.max(1)
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).expect("small")]
    }

    /// `shortest` to `longest`.
    pub fn pause(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let spread = longest.saturating_sub(shortest).as_micros();
        let spread = u64::try_from(spread).expect("short");
        shortest + Duration::from_micros(self.below(spread + 1))
    }
}
