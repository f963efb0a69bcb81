//! What comparing with v1 costs: v1 itself, and podmirror.
//!
//! A mirror and the same with `--compare v1` take turns (A B A C …), so each round gives ratios of the second to its
//! two neighbours. Of a figure, the median over the rounds is told with the interval that has the true one with a
//! probability of about 95 % (of the order of the rounds' ratios, whatever they are distributed by), and beside it the same of two
//! runs of the mirror that did not compare: the noise. The number of rounds is chosen before. Neighbours share a run, so
//! that they depend on each other, which is neglected: it would be at least 95 % if they did not. A round in which nothing
//! arrived has no ratio, and it is told how many have.

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;

use super::{
    loads,
    measure::Bench,
    results::{Run, float, micros, quotient},
    subjects::{COMPARED_WITH_V1, Subject},
};

/// The name by which `--load` asks for it.
pub(super) const NAME: &str = "comparison";

/// What it is measured under.
const LOADS: [&str; 2] = ["get-2000", "get-closed-32"];

/// Rounds of each, unless told otherwise.
pub(super) const ROUNDS: u32 = 20;

/// What an interval may miss its median with, on either side.
const TAIL: f64 = 0.025;

/// One figure of a run.
type Figure = fn(&Run) -> f64;

/// The figures, and the most that each ratio is to be.
const FIGURES: [(&str, Figure, Option<f64>); 4] = [
    ("v1's p50", |run| run.seen.latency[0], Some(1.03)),
    ("v1's p99", |run| run.seen.latency[1], None),
    ("v1's requests per second", Run::throughput, None),
    ("podmirror's CPU for a request", cpu_each, Some(1.5)),
];

/// What comparing does to one figure under one load.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) load: &'static str,
    pub(super) figure: &'static str,
    /// With comparison over without.
    pub(super) ratio: Interval,
    /// Without over without.
    pub(super) noise: Interval,
    /// The most that the ratio is to be.
    pub(super) most: Option<f64>,
    pub(super) rounds: usize,
}

/// A median, and what it lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) median: f64,
    /// `None` with too few rounds to say so.
    pub(super) within: Option<(f64, f64)>,
    /// Figures that could not be had.
    pub(super) left_out: usize,
}

/// Runs so many rounds of each load.
pub(super) fn measure(bench: &Bench, rounds: u32) -> Result<Vec<Compared>> {
    let bar = ProgressBar::hidden();
    let mut all = Vec::new();
    for name in LOADS {
        let table = loads::table();
        let load = table.iter().find(|load| load.name == name);
        let load = load.with_context(|| format!("no load {name}"))?;
        let run = |subject: &Subject| bench.with(load, subject, &bar);
        let mut plain = vec![run(&Subject::Podmirror(100))?];
        let mut compared = Vec::new();
        for _ in 0..rounds {
            compared.push(run(&Subject::Tuned(&COMPARED_WITH_V1))?);
            plain.push(run(&Subject::Podmirror(100))?);
        }
        for (figure, of, most) in FIGURES {
            let plain: Vec<_> = plain.iter().map(of).collect();
            let compared: Vec<_> = compared.iter().map(of).collect();
            all.push(Compared {
                load: load.name,
                figure,
                ratio: Interval::of(ratios(&compared, &plain)).context("no round")?,
                noise: Interval::of(neighbours(&plain)).context("no round")?,
                most,
                rounds: compared.len(),
            });
        }
    }
    Ok(all)
}

fn cpu_each(run: &Run) -> f64 {
    let used = run.subject.as_ref().map(|used| used.cpu);
    quotient(micros(used.unwrap_or_default()), float(run.at_v2))
}

/// Each over the mean of the two beside it.
fn ratios(with: &[f64], without: &[f64]) -> Vec<f64> {
    let beside = without.windows(2).map(|pair| match pair {
        [before, after] => f64::midpoint(*before, *after),
        _ => f64::NAN,
    });
    with.iter()
        .zip(beside)
        .map(|(with, beside)| quotient(*with, beside))
        .collect()
}

/// Each over the one before it.
fn neighbours(figures: &[f64]) -> Vec<f64> {
    let pairs = figures.windows(2).map(|pair| match pair {
        [before, after] => quotient(*after, *before),
        _ => f64::NAN,
    });
    pairs.collect()
}

impl Interval {
    /// Of figures; those that could not be had are left out.
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        let all = figures.len();
        figures.retain(|figure| figure.is_finite());
        figures.sort_by(f64::total_cmp);
        let count = figures.len();
        let at = |index: usize| figures.get(index).copied();
        let median = f64::midpoint(at(count.checked_sub(1)? / 2)?, at(count / 2)?);
        let within = beyond(count).and_then(|beyond| at(beyond).zip(at(count - 1 - beyond)));
        Some(Self {
            median,
            within,
            left_out: all - count,
        })
    }

    /// Whether the median is at most this, once that is sure.
    pub(super) fn is_at_most(self, most: f64) -> Option<bool> {
        let (low, high) = self.within?;
        match (high <= most, low > most) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

/// How many of so many figures may be left out on each side: the median lies outside of the others with a probability
/// of at most [`TAIL`] on either. It is a coin's: each figure is above or below the true median.
fn beyond(count: usize) -> Option<usize> {
    let mut ways = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut sum = 0.0;
    for below in 0..count {
        sum += ways;
        if sum > TAIL {
            return below.checked_sub(1);
        }
        ways *= float((count - below) as u64) / float(below as u64 + 1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_median_is_that_of_the_tables() {
        // Conover, Practical Nonparametric Statistics: ranks 1 and 6, 2 and 9, 6 and 15, 18 and 33.
        let ranks = [5, 6, 10, 20, 50].map(beyond);
        assert_eq!(ranks, [None, Some(0), Some(1), Some(5), Some(17)]);
    }

    #[test]
    fn ratios_are_to_the_neighbours_and_noise_is_among_them() {
        assert_eq!(ratios(&[3.0, 6.0], &[1.0, 2.0, 4.0]), [2.0, 2.0]);
        assert_eq!(neighbours(&[1.0, 2.0, 1.0]), [2.0, 0.5]);
    }

    #[test]
    fn an_answer_is_given_once_the_interval_is_on_one_side() {
        let of = |figures: &[f64]| Interval::of(figures.to_vec()).unwrap();
        let six = of(&[1.0, 1.02, 1.01, 1.0, 0.9, 1.01]);
        assert_eq!((six.median, six.within), (1.005, Some((0.9, 1.02))));
        assert_eq!(six.is_at_most(1.03), Some(true));
        assert_eq!(six.is_at_most(0.8), Some(false));
        assert_eq!(six.is_at_most(1.0), None);
        assert_eq!(of(&[1.0; 5]).is_at_most(1.03), None, "too few rounds");
        assert_eq!(six.left_out, 0);
        assert_eq!(of(&[1.0, f64::NAN, 2.0, f64::INFINITY]).left_out, 2);
    }
}
