//! How long something took, in buckets of fixed size in memory.

use std::time::Duration;

use super::sum::Sum;

/// Four buckets for every doubling, from 256 ns to 137 s: an error of 25 % at most.
const BUCKETS: usize = 112;
const UNIT_SHIFT: u32 = 8;

/// A histogram of durations: 25 % precise, 900 bytes in memory; histograms add up without loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    longest: Duration,
    sum: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            longest: Duration::ZERO,
            sum: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Counts one duration in its bucket.
    pub fn record(&mut self, took: Duration) {
        self.record_times(took, 1);
    }

    /// Counts a duration that stands for `times` durations.
    pub fn record_times(&mut self, took: Duration, times: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(took)) {
            *bucket += times;
        }
        self.longest = self.longest.max(took);
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        self.sum = self.sum.saturating_add(took.saturating_mul(times));
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The longest one, exactly.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// The sum of all durations counted, exactly.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// How many durations were shorter than `bound`. Exact if that is a power of two from 2^10 to 2^36 ns,
    /// where a bucket ends; otherwise those in its bucket are left out.
    #[must_use]
    pub fn shorter_than(&self, bound: Duration) -> u64 {
        let ended = |bucket: &usize| end_of(*bucket) <= bound;
        let whole = (0..BUCKETS).take_while(ended).count();
        self.buckets.iter().take(whole).sum()
    }

    /// The `q`-quantile (0 to 1): the duration that this part of all durations did not exceed. `None` if
    /// nothing was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank among the counted; the cast saturates"
        )]
        let rank = ((count as f64 * q).ceil() as u64).clamp(1, count);
        let mut below = 0;
        for (bucket, counted) in self.buckets.iter().enumerate() {
            below += counted;
            if below >= rank {
                return Some(end_of(bucket).min(self.longest));
            }
        }
        Some(self.longest)
    }
}

impl Sum for Histogram {
    fn add(&mut self, more: &Self) {
        self.buckets.add(&more.buckets);
        self.longest = self.longest.max(more.longest);
        self.sum = self.sum.saturating_add(more.sum);
    }
}

fn bucket_of(took: Duration) -> usize {
    let units = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) >> UNIT_SHIFT;
    let bucket = if units < 4 {
        units
    } else {
        let octave = u64::from(units.ilog2()) - 1;
        octave * 4 + ((units >> (octave - 1)) & 3)
    };
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

fn end_of(bucket: usize) -> Duration {
    let next = bucket as u64 + 1;
    let units = if next < 4 {
        next
    } else {
        (4 + next % 4) << (next / 4 - 1)
    };
    Duration::from_nanos(units << UNIT_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_in_its_bucket() {
        for shift in 0..37 {
            for step in 0..8_u64 {
                let took = Duration::from_nanos((1 << shift) + (step << shift) / 8);
                let bucket = bucket_of(took);
                assert!(took < end_of(bucket), "{took:?} {bucket}");
                assert!(
                    bucket == 0 || took >= end_of(bucket - 1),
                    "{took:?} {bucket}"
                );
            }
        }
    }

    #[test]
    fn quantiles_are_precise_to_a_quarter() {
        let mut all = Histogram::default();
        for us in 1..=1000 {
            let mut one = Histogram::default();
            one.record(Duration::from_micros(us));
            all.add(&one);
        }
        assert_eq!(all.count(), 1000);
        for (q, us) in [(0.5, 500), (0.99, 990), (1.0, 1000)] {
            let found = all.quantile(q).unwrap();
            assert!(found >= Duration::from_micros(us), "{q} {found:?}");
            assert!(found <= Duration::from_micros(us * 5 / 4), "{q} {found:?}");
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn powers_of_two_split_exactly() {
        for shift in 10..=36 {
            let bound = Duration::from_nanos(1 << shift);
            let nano = Duration::from_nanos(1);
            let mut all = Histogram::default();
            for took in [Duration::ZERO, bound / 2, bound - nano, bound, bound * 2] {
                all.record(took);
            }
            assert_eq!(all.shorter_than(bound), 3, "{bound:?}");
        }
    }

    #[test]
    fn sums_are_exact_and_add_up() {
        let mut all = Histogram::default();
        for us in [1, 20, 300] {
            let mut one = Histogram::default();
            one.record(Duration::from_micros(us));
            all.add(&one);
        }
        assert_eq!(all.sum(), Duration::from_micros(321));
    }

    #[test]
    fn the_endless_fits_the_last_bucket() {
        let mut all = Histogram::default();
        all.record(Duration::MAX);
        all.record(Duration::ZERO);
        assert_eq!((all.count(), all.longest()), (2, Duration::MAX));
    }
}
