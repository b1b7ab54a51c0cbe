//! Random numbers that are the same for a seed on every machine and with every library version.

/// SplitMix64 (Steele, Lea, Flood 2014): enough for made-up chat, and a seed names a stream for
/// ever, which the generators of `rand` do not promise.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with that probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Below `bound`; 0 if that is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The product is below `bound`, since the unit is below 1.
        (self.unit() * bound as f64) as usize
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// The value whose share of the weights the draw falls into.
    pub(super) fn weighted<T: Copy>(&mut self, of: &[(T, u32)], otherwise: T) -> T {
        let total: u32 = of.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total as usize) as u32;
        for (value, weight) in of {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_of_a_seed_are_the_published_ones() {
        let mut random = Random::new(1_234_567);
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(published.map(|_| random.next()), published);
    }

    #[test]
    fn draws_stay_within_bounds_and_weights_hold() {
        let mut random = Random::new(1);
        assert_eq!(random.below(0), 0);
        assert!((0..10_000).all(|_| random.below(3) < 3));
        let rare = (0..10_000).filter(|_| random.weighted(&[(true, 1), (false, 9)], false));
        assert!((800..1200).contains(&rare.count()));
    }
}
