//! Pairs of yes and no: what a baseline and a candidate did with the same requests.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::counters::sum::counters;

use super::mixture::{Evidence, Shares, real};

/// What both did with one request: whether it failed there, for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Whether it did so at the baseline.
    pub baseline: bool,
    /// Whether it did so at the candidate.
    pub candidate: bool,
}

counters! {
    /// Requests by what both did with them.
    #[derive(Copy, Serialize, Deserialize)]
    Pairs {
        /// Requests that failed at neither.
        neither: u64,
        /// Requests that failed at both.
        both: u64,
        /// Requests that failed at the baseline alone.
        only_baseline: u64,
        /// Requests that failed at the candidate alone.
        only_candidate: u64,
    }
}

impl Pairs {
    /// Counts one request.
    pub const fn count(&mut self, pair: Pair) {
        let counter = match (pair.baseline, pair.candidate) {
            (false, false) => &mut self.neither,
            (true, true) => &mut self.both,
            (true, false) => &mut self.only_baseline,
            (false, true) => &mut self.only_candidate,
        };
        *counter += 1;
    }

    /// How many requests there were.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.neither + self.both + self.only_baseline + self.only_candidate
    }

    /// The share (0 to 1) of requests that failed at the baseline; 0 if there were none.
    #[must_use]
    pub fn baseline(&self) -> f64 {
        self.share(self.both + self.only_baseline)
    }

    /// The share (0 to 1) of requests that failed at the candidate; 0 if there were none.
    #[must_use]
    pub fn candidate(&self) -> f64 {
        self.share(self.both + self.only_candidate)
    }

    /// The evidence against both failing equally often.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.differing().against_half()
    }

    /// By how much the candidate's share may exceed the baseline's (-1 to 1), at this level.
    #[must_use]
    pub fn difference(&self, level: f64) -> RangeInclusive<f64> {
        let differing = self.differing();
        // The difference is the share of requests that went differently, times how lopsided those are.
        let went = Shares {
            first: differing.first + differing.second,
            second: self.neither + self.both,
        };
        let (went, theirs) = (went.interval(level / 2.0), differing.interval(level / 2.0));
        let (least, most) = (2.0 * theirs.start() - 1.0, 2.0 * theirs.end() - 1.0);
        let times = |lopsided: f64, away: f64, towards: f64| {
            lopsided * if lopsided < 0.0 { away } else { towards }
        };
        times(least, *went.end(), *went.start())..=times(most, *went.start(), *went.end())
    }

    const fn differing(&self) -> Shares {
        Shares {
            first: self.only_candidate,
            second: self.only_baseline,
        }
    }

    fn share(&self, count: u64) -> f64 {
        match self.total() {
            0 => 0.0,
            total => real(count) / real(total),
        }
    }
}
