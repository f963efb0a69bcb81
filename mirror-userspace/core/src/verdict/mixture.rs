//! The evidence in counts of two kinds against a given share of the first kind.

use std::ops::RangeInclusive;

use libm::{exp, lgamma, log};

/// The natural logarithm of an e-value: how many times likelier what was seen is under the
/// alternatives, weighted, than under the hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Evidence(f64);

impl Evidence {
    /// Whether it is enough to reject the hypothesis at this level (0 to 1), whenever one looks.
    #[must_use]
    pub fn rejects(self, level: f64) -> bool {
        self.0 >= -log(level)
    }

    /// What is left of it where two kinds of evidence are looked at, and either may do.
    #[must_use]
    pub(super) fn halved(self) -> Self {
        Self(self.0 - std::f64::consts::LN_2)
    }

    /// The e-value: a number that would be at most 1 on average if the hypothesis were true. Infinite
    /// beyond what a float holds.
    #[must_use]
    pub fn value(self) -> f64 {
        exp(self.0)
    }
}

/// What one alternative expects: a Beta distribution of the share, and its weight.
struct Prior {
    weight: f64,
    first: f64,
    second: f64,
}

/// Against one half. Mostly: the first kind is the larger, by two to three times. Some of it for the
/// other side, and for whatever else.
const AGAINST_HALF: [Prior; 3] = [
    Prior {
        weight: 0.75,
        first: 16.0,
        second: 7.0,
    },
    Prior {
        weight: 0.15,
        first: 7.0,
        second: 16.0,
    },
    Prior {
        weight: 0.1,
        first: 1.0,
        second: 1.0,
    },
];

/// How often each of two kinds was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// The kind whose share is asked for.
    pub first: u64,
    /// How often the second of the two kinds occurred.
    pub second: u64,
}

impl Shares {
    /// The evidence against equal shares, made to find a first kind that is two to three times as
    /// frequent as the second soon.
    #[must_use]
    pub fn against_half(self) -> Evidence {
        let (first, second) = self.real();
        let likelihood = (first + second) * log(0.5);
        let ratios = AGAINST_HALF
            .map(|prior| log(prior.weight) + log_mixture(&prior, first, second) - likelihood);
        Evidence(log_sum(&ratios))
    }

    /// The evidence against the share being `share` (0 to 1), whatever else it is: Jeffreys' mixture.
    #[must_use]
    pub fn against(self, share: f64) -> Evidence {
        let (first, second) = self.real();
        let part = |count: f64, share: f64| {
            if count == 0.0 {
                0.0
            } else {
                count * log(share)
            }
        };
        let likelihood = part(first, share) + part(second, 1.0 - share);
        let prior = Prior {
            weight: 1.0,
            first: 0.5,
            second: 0.5,
        };
        Evidence(log_mixture(&prior, first, second) - likelihood)
    }

    /// The shares of the first kind that can't be rejected at this level (0 to 1): the true one is
    /// among them, at all looks at once, with a probability of at least one less the level.
    #[must_use]
    pub fn interval(self, level: f64) -> RangeInclusive<f64> {
        let (first, second) = self.real();
        if first + second == 0.0 {
            return 0.0..=1.0;
        }
        let best = first / (first + second);
        let edge = |from: f64| {
            if !self.against(from).rejects(level) {
                return from;
            }
            // The evidence falls from either end to the share seen.
            let (mut out, mut within) = (from, best);
            for _ in 0..50 {
                let middle = f64::midpoint(out, within);
                if self.against(middle).rejects(level) {
                    out = middle;
                } else {
                    within = middle;
                }
            }
            out
        };
        edge(0.0)..=edge(1.0)
    }

    fn real(self) -> (f64, f64) {
        (real(self.first), real(self.second))
    }
}

/// Counts beyond 2^53 lose their last digits, which nothing here can see.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) const fn real(count: u64) -> f64 {
    count as f64
}

/// The logarithm of the probability of a sequence with these counts, over the prior.
fn log_mixture(prior: &Prior, first: f64, second: f64) -> f64 {
    log_beta(prior.first + first, prior.second + second) - log_beta(prior.first, prior.second)
}

fn log_beta(a: f64, b: f64) -> f64 {
    lgamma(a) + lgamma(b) - lgamma(a + b)
}

/// The logarithm of the sum of what these are the logarithms of.
fn log_sum(logarithms: &[f64]) -> f64 {
    let most = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + log(logarithms.iter().map(|one| exp(one - most)).sum())
}
