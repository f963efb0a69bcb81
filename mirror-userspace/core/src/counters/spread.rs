//! How things spread over what carries them: few buckets, and the most that one carried.

use super::sum::Sum;

/// From how many on each bucket is. The last one has no end.
const FROM: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
/// What the buckets are called.
const NAMES: [&str; FROM.len()] = ["1", "10", "100", "1000", "10000", "100000"];

/// How many carriers have carried so many things so far. They move from bucket to bucket, so that those count, too, that
/// go on for days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    buckets: [u64; FROM.len()],
    most: u32,
}

impl Spread {
    /// One of them carried one more; with it, it has carried so many.
    #[inline]
    pub fn count(&mut self, so_far: u32) {
        self.most = self.most.max(so_far);
        if FROM.contains(&so_far) {
            self.move_up(so_far);
        }
    }

    #[cold]
    fn move_up(&mut self, so_far: u32) {
        let mut before = None;
        for (from, bucket) in FROM.iter().zip(&mut self.buckets) {
            if *from == so_far {
                *bucket += 1;
                if let Some(before) = before {
                    let before: &mut u64 = before;
                    *before = before.saturating_sub(1);
                }
                return;
            }
            before = Some(bucket);
        }
    }

    /// The most that one carried.
    #[must_use]
    pub const fn most(&self) -> u32 {
        self.most
    }

    /// How many carried at least as many as the name says, and less than the next one says.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); FROM.len()] {
        let mut named = NAMES.map(|name| (name, 0));
        for (one, bucket) in named.iter_mut().zip(self.buckets) {
            one.1 = bucket;
        }
        named
    }
}

impl Sum for Spread {
    fn add(&mut self, more: &Self) {
        self.buckets.add(&more.buckets);
        self.most = self.most.max(more.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_carrier_is_in_one_bucket_and_the_most_is_kept() {
        let mut spread = Spread::default();
        for carried in [1, 9, 10, 99, 100, 1_234, 100_001] {
            (1..=carried).for_each(|so_far| spread.count(so_far));
        }
        let counts = spread.named().map(|(_, count)| count);
        assert_eq!(counts, [2, 2, 1, 1, 0, 1]);
        assert_eq!(spread.named()[3], ("1000", 1));
        let mut sum = Spread::default();
        sum.count(1);
        sum.add(&spread);
        assert_eq!((sum.named()[0], sum.most()), (("1", 3), 100_001));
    }
}
