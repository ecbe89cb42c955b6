//! Numbers that look random, and are the same for the same seed for ever.

/// [SplitMix64](https://doi.org/10.1145/2660193.2660195) (Steele, Lea and Flood 2014): ten lines of
/// our own, since a seed that somebody noted down must still mean the same after an update of a
/// crate.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// `stream` tells apart the sequences that are drawn from one seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 for a bound of 0. The bias is below `bound / 2^64`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `permille` of 1,000 cases.
    pub(super) fn chance(&mut self, permille: u16) -> bool {
        self.below(1000) < u64::from(permille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first values for seed 1234567 in the reference implementation
    /// (<https://prng.di.unimi.it/splitmix64.c>), as published in many test suites.
    #[test]
    fn is_splitmix64() {
        let mut random = Random(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
        assert_eq!(random.next(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn chances_are_kept() {
        let mut random = Random::new(1, 0);
        assert!((0..1000).all(|_| !random.chance(0)));
        assert!((0..1000).all(|_| random.chance(1000)));
        let hits = (0..100_000).filter(|_| random.chance(200)).count();
        assert!((19_000..21_000).contains(&hits), "{hits}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        let (mut a, mut b) = (Random::new(7, 0), Random::new(7, 1));
        assert_ne!(a.next(), b.next());
    }
}
