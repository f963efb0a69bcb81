//! A distribution of latencies, small and mergeable, whose quantiles carry their bands.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use libm::{ceil, exp, log};
use serde::{Deserialize, Serialize};

use super::mixture::{Shares, real};
use crate::counters::Sum;

/// The largest value of a bucket divided by that of the one before it.
const RATIO: f64 = 1.02;
/// All durations of up to a microsecond share the first bucket.
const FIRST_NANOS: f64 = 1_000.0;
/// The last bucket ends here, beyond 200 s.
const LAST: u16 = 970;

/// Durations in buckets of 2 % (DDSketch: Masson, Rim and Lee 2019), at most 971 of them; sketches
/// add up without loss.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<u16, u64>", into = "BTreeMap<u16, u64>")]
pub struct Sketch(BTreeMap<u16, u64>);

impl TryFrom<BTreeMap<u16, u64>> for Sketch {
    type Error = &'static str;

    fn try_from(buckets: BTreeMap<u16, u64>) -> Result<Self, Self::Error> {
        if buckets.keys().any(|bucket| *bucket > LAST) {
            return Err("a sketch of latencies has no bucket beyond 970");
        }
        Ok(Self(buckets))
    }
}

impl From<Sketch> for BTreeMap<u16, u64> {
    fn from(sketch: Sketch) -> Self {
        sketch.0
    }
}

impl Sketch {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        *self.0.entry(bucket_of(took)).or_default() += 1;
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The `q`-quantile (0 to 1) of what was counted, 2 % too high at most; `None` if nothing was.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let wanted = q * real(self.count());
        let mut below = 0;
        for (bucket, count) in &self.0 {
            below += count;
            if real(below) >= wanted {
                return Some(end_of(*bucket));
            }
        }
        None
    }

    /// Between which durations the true `q`-quantile lies, at all looks at once with a probability of
    /// at least one less `level`. `None` while one of both ends is open.
    #[must_use]
    pub fn band(&self, q: f64, level: f64) -> Option<RangeInclusive<Duration>> {
        let total = self.count();
        let wanted = q * real(total);
        let is_out = |below: u64| {
            let shares = Shares {
                first: below,
                second: total - below,
            };
            shares.against(q).rejects(level)
        };
        let (mut below, mut low, mut before) = (0, None, None);
        for (bucket, count) in &self.0 {
            // All before this bucket is too much: the quantile lies there.
            if real(below) > wanted && is_out(below) {
                break;
            }
            below += count;
            let end = end_of(*bucket);
            // Everything up to here is too little to hold the quantile.
            if real(below) < wanted && is_out(below) {
                low = Some(end);
            }
            before = Some(end);
        }
        let is_closed = real(below) > wanted && is_out(below);
        Some(low?..=before?).filter(|_| is_closed)
    }
}

impl Sum for Sketch {
    fn add(&mut self, more: &Self) {
        for (bucket, count) in &more.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }
}

fn bucket_of(took: Duration) -> u16 {
    let nanos = took.as_secs_f64() * 1e9;
    if nanos <= FIRST_NANOS {
        return 0;
    }
    let bucket = ceil(log(nanos / FIRST_NANOS) / log(RATIO));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and whole; the cast saturates"
    )]
    let bucket = bucket as u16;
    bucket.min(LAST)
}

fn end_of(bucket: u16) -> Duration {
    let nanos = FIRST_NANOS * exp(f64::from(bucket) * log(RATIO));
    Duration::from_secs_f64(nanos / 1e9)
}
