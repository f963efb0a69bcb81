//! Random numbers that need not be secret, only evenly spread, and the same from the same seed.

use mirror_common::sample::Mix;

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// What [`Mix`] adds to its state with each word: the generator's step.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    #[inline]
    pub const fn bits(&mut self) -> u64 {
        let bits = Mix::new(self.0).word(0).finish();
        self.0 = self.0.wrapping_add(Self::STEP);
        bits
    }

    /// A number below `bound`; 0 if that is 0. All numbers are practically equally likely.
    #[inline]
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.bits() % bound).unwrap_or(0)
    }

    /// A number from 0 to below 1.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True one time in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[cfg(any(test, feature = "testing"))]
impl Random {
    /// One of `from`, which must not be empty.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        #[expect(clippy::indexing_slicing, reason = "for tests, which give something")]
        from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_paper() {
        let mut random = Random::new(1_234_567);
        let first = [0; 3].map(|_| random.bits());
        let want = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(first, want);
    }

    #[test]
    fn they_are_spread_and_below_the_bound() {
        let mut random = Random::new(7);
        let mut counts = [0; 3];
        (0..3_000).for_each(|_| counts[random.below(3)] += 1);
        assert!(
            counts.iter().all(|count| (900..1_100).contains(count)),
            "{counts:?}"
        );
        assert_eq!((random.below(1), random.below(0)), (0, 0));
        let mut below = |part| (0..6_000).filter(|_| random.fraction() < part).count();
        assert!((900..1_100).contains(&below(1.0 / 6.0)));
        assert!((4_900..5_100).contains(&below(5.0 / 6.0)));
        assert_eq!((below(0.0), below(1.0)), (0, 6_000));
    }
}
