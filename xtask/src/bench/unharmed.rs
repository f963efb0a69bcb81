//! Whether v1 does as well beside a mirror at sampling 0 as without one, asked until the answer is sure.
//!
//! A single ratio of throughputs varies by more than 10 %, so three medians say nothing of 1 %. Here every round
//! gives one bit: was v1's throughput above 0.99 of what it was just before and after? If half of all rounds were, in
//! the long run, the median would be 0.99. The evidence against one half is that of `mirror_core::verdict` (Jeffreys'
//! mixture of likelihood ratios, here round by round): it may be looked at after every round, and is wrong with a
//! probability of at most 5 % over all of them.

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;

use super::{
    loads,
    measure::Bench,
    results::{Run, Spread},
    subjects::Subject,
};

/// The name by which `--load` asks for it.
pub(super) const NAME: &str = "unharmed";

/// What it is measured under.
const LOAD: &str = "get-closed-32";

/// Rounds, unless it is decided before.
pub(super) const ROUNDS: u32 = 400;

/// The share of its throughput that v1 is to keep.
const KEPT: f64 = 0.99;

/// The most that the answer may be wrong with.
const LEVEL: f64 = 0.05;

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Unharmed {
    evidence: Evidence,
    /// v1's throughput beside the mirror over that without, over the rounds.
    ratio: Spread,
}

/// Of rounds above [`KEPT`] and rounds below against equal chances of both.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    above: u32,
    below: u32,
    /// The logarithm of the e-value.
    log: f64,
}

impl Evidence {
    fn add(&mut self, is_above: bool) {
        let (same, all) = match is_above {
            true => (self.above, self.above + self.below),
            false => (self.below, self.above + self.below),
        };
        // What was foretold of this round, over what a coin would have said.
        self.log += (2.0 * (f64::from(same) + 0.5) / (f64::from(all) + 1.0)).ln();
        match is_above {
            true => self.above += 1,
            false => self.below += 1,
        }
    }

    /// Whether the median is above, once that is sure.
    fn decided(self) -> Option<bool> {
        (self.log >= -LEVEL.ln()).then_some(self.above > self.below)
    }
}

/// Runs rounds until it is decided, or there were so many.
pub(super) fn measure(bench: &Bench, most: u32) -> Result<Unharmed> {
    let table = loads::table();
    let load = table.iter().find(|load| load.name == LOAD);
    let load = load.with_context(|| format!("no load {LOAD}"))?;
    let bar = ProgressBar::hidden();
    let mut evidence = Evidence::default();
    let mut ratios = Vec::new();
    let mut before = bench.alone(load, &bar)?.throughput();
    for _ in 0..most {
        let with = bench.with(load, &Subject::Podmirror(0), &bar)?;
        let after = bench.alone(load, &bar)?.throughput();
        let ratio = Run::throughput(&with) / f64::midpoint(before, after);
        before = after;
        ratios.push(ratio);
        evidence.add(ratio > KEPT);
        if evidence.decided().is_some() {
            break;
        }
    }
    Ok(Unharmed {
        evidence,
        ratio: Spread::of(ratios).context("no round")?,
    })
}

impl Unharmed {
    /// For people.
    pub(super) fn said(&self) -> String {
        let Evidence { above, below, .. } = self.evidence;
        let answer = match self.evidence.decided() {
            Some(true) => "it keeps at least 0.99 of its throughput (median)",
            Some(false) => "**it keeps less than 0.99 of its throughput (median)**",
            None => "undecided",
        };
        format!(
            "{answer}, after {} rounds: {above} above 0.99, {below} not; the evidence against even chances is {:.1}, and \
             from {:.0} on it is an answer. Median {:.3} ({:.3} to {:.3}).",
            above + below,
            self.evidence.log.exp(),
            1.0 / LEVEL,
            self.ratio.median,
            self.ratio.least,
            self.ratio.most
        )
    }

    /// For programs: rounds above and below, the e-value, and the ratio's median.
    pub(super) fn figures(&self) -> (u32, u32, f64, f64) {
        let Evidence { above, below, log } = self.evidence;
        (above, below, log.exp(), self.ratio.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided_after(rounds: impl Iterator<Item = bool>) -> Option<(u32, bool)> {
        let mut evidence = Evidence::default();
        for is_above in rounds {
            evidence.add(is_above);
            if let Some(answer) = evidence.decided() {
                return Some((evidence.above + evidence.below, answer));
            }
        }
        None
    }

    #[test]
    fn rounds_that_agree_decide_it_soon_and_both_ways() {
        assert_eq!(decided_after([true; 20].into_iter()), Some((7, true)));
        assert_eq!(decided_after([false; 20].into_iter()), Some((7, false)));
    }

    #[test]
    fn rounds_that_take_turns_never_do() {
        assert_eq!(decided_after((0..400).map(|round| round % 2 == 0)), None);
    }

    /// Whatever one would bet on, a fair coin gives 1 on average.
    #[test]
    fn a_coin_gains_nothing() {
        let mut sum = 0.0;
        for coins in 0..1_u32 << 10 {
            let mut evidence = Evidence::default();
            (0..10).for_each(|at| evidence.add(coins >> at & 1 == 1));
            sum += evidence.log.exp();
        }
        assert!((sum / 1_024.0 - 1.0).abs() < 1e-9, "{sum}");
    }
}
