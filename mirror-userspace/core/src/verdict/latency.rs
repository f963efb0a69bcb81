//! Whether one version is slower than the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    groups::{Finding, Interval, Question, verdict},
    pairs::{Pair, Pairs},
    sketch::Sketch,
};
use crate::counters::Sum;

/// The quantiles that are compared: the median and the 99th percentile.
pub(super) const QUANTILES: [f64; 2] = [0.5, 0.99];
/// What differs by less than this, in seconds, may be a matter of whose turn it was in the mirror.
const RESOLUTION: f64 = 0.001;
/// Latencies before the first limit is set.
const ENOUGH: u64 = 64;

/// Latencies of requests that both versions answered.
///
/// A request is slow where it took longer than this part of all before it, of both versions: whatever
/// slows both down at once (a busy node) makes neither the slower one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// At the baseline.
    pub baseline: Sketch,
    /// At the candidate.
    pub candidate: Sketch,
    /// Requests by where they were slow, for each of the quantiles.
    slow: [Pairs; QUANTILES.len()],
    /// What slow is: the quantiles of all that was counted when it was last twice as much.
    #[serde(skip)]
    limits: [Option<Duration>; QUANTILES.len()],
}

impl Latency {
    pub(super) fn count(&mut self, baseline: Duration, candidate: Duration) {
        for (slow, limit) in self.slow.iter_mut().zip(self.limits) {
            if let Some(limit) = limit {
                slow.count(Pair {
                    baseline: baseline > limit,
                    candidate: candidate > limit,
                });
            }
        }
        self.baseline.record(baseline);
        self.candidate.record(candidate);
        let count = self.baseline.count();
        if count >= ENOUGH && count.is_power_of_two() {
            let mut both = self.baseline.clone();
            both.add(&self.candidate);
            self.limits = QUANTILES.map(|q| both.quantile(q));
        }
    }

    pub(super) fn answer(&self, q: f64, level: f64, margin: f64) -> Finding {
        let seconds = |sketch: &Sketch| sketch.quantile(q).map_or(0.0, |at| at.as_secs_f64());
        let (baseline, candidate) = (seconds(&self.baseline), seconds(&self.candidate));
        let place = QUANTILES.iter().position(|known| *known == q);
        let slow = place.and_then(|place| self.slow.get(place));
        let evidence = slow.copied().unwrap_or_default().evidence();
        let difference = self.difference(q, level);
        let margin = margin.max(RESOLUTION / baseline.max(f64::MIN_POSITIVE));
        let matters = (candidate - baseline).abs() > margin * baseline;
        Finding {
            question: Question::Latency(q),
            verdict: verdict(difference, margin, evidence.rejects(level) && matters),
            baseline,
            candidate,
            difference,
            e_value: evidence.value(),
        }
    }

    /// By how much the candidate's quantile may exceed the baseline's, relative to that.
    fn difference(&self, q: f64, level: f64) -> Interval {
        let band = |sketch: &Sketch| sketch.band(q, level / 2.0);
        let (Some(ours), Some(theirs)) = (band(&self.baseline), band(&self.candidate)) else {
            return Interval::ALL;
        };
        let ratio = |over: &Duration, under: &Duration| {
            over.as_secs_f64() / under.as_secs_f64().max(f64::MIN_POSITIVE) - 1.0
        };
        Interval {
            from: ratio(theirs.start(), ours.end()),
            to: ratio(theirs.end(), ours.start()),
        }
    }
}

impl Sum for Latency {
    /// The limits stay those of the place that is added to.
    fn add(&mut self, more: &Self) {
        let Self {
            baseline,
            candidate,
            slow,
            limits: _,
        } = more;
        self.baseline.add(baseline);
        self.candidate.add(candidate);
        self.slow.add(slow);
    }
}
