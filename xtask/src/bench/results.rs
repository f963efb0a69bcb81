//! What was measured, and what it comes to.

use std::{collections::BTreeMap, time::Duration};

use super::{
    compared::Compared, drive::Seen, idle::IdleMirror, kernel::KernelCost, loads::Traffic,
    overload::Overload, unharmed::Unharmed,
};

/// One run of a load.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    pub(super) seen: Seen,
    /// Requests that v1 got, by its own count.
    pub(super) at_v1: u64,
    /// Requests that v2 got, by its own count.
    pub(super) at_v2: u64,
    /// CPU time of v1's worker.
    pub(super) v1_cpu: Duration,
    /// Of the subject, if there was one.
    pub(super) subject: Option<Used>,
}

/// What a subject used.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    pub(super) cpu: Duration,
    /// The most memory, in bytes ([`procfs::peak_memory`](super::procfs::peak_memory)).
    pub(super) memory: u64,
    /// What podmirror says of itself.
    pub(super) books: Option<Books>,
}

/// What podmirror's ledger says of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// Mirror lag in microseconds: p50 and p99.
    pub(super) lag: [u64; 2],
    /// What was lost, by reason; reasons without a loss are left out.
    pub(super) losses: BTreeMap<String, u64>,
    pub(super) balanced: bool,
}

/// A subject under a load, over all rounds.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) load: Traffic,
    /// `None` is v1 alone.
    pub(super) subject: Option<Named>,
    /// Each with what v1 alone did before and after it.
    pub(super) runs: Vec<(Run, [Run; 2])>,
}

/// A subject's name, and whether it mirrors.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) mirrors: bool,
}

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

/// Everything that a benchmark measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
    pub(super) kernel: Vec<KernelCost>,
    pub(super) idle: Option<IdleMirror>,
    /// The rounds of the overload, one each.
    pub(super) overload: Vec<Overload>,
    pub(super) unharmed: Option<Unharmed>,
    /// What comparing with v1 costs, by load and figure.
    pub(super) compared: Vec<Compared>,
    pub(super) elapsed: Duration,
}

impl Run {
    pub(super) fn throughput(&self) -> f64 {
        quotient(float(self.seen.answered), self.seen.elapsed.as_secs_f64())
    }

    pub(super) fn v1_cpu_each(&self) -> f64 {
        quotient(micros(self.v1_cpu), float(self.at_v1))
    }
}

impl Row {
    pub(super) fn spread(&self, figure: impl Fn(&Run) -> f64) -> Option<Spread> {
        Spread::of(self.runs.iter().map(|(run, _)| figure(run)).collect())
    }

    /// The figure as a ratio to what v1 alone did just before and after.
    pub(super) fn ratio(&self, figure: impl Fn(&Run) -> f64) -> Option<Spread> {
        let ratios = self.runs.iter().map(|(run, alone)| {
            let [before, after] = alone;
            quotient(figure(run), f64::midpoint(figure(before), figure(after)))
        });
        Spread::of(ratios.collect())
    }

    /// Requests at v2 over requests at v1.
    pub(super) fn share_mirrored(&self) -> Option<Spread> {
        self.subject.as_ref().filter(|subject| subject.mirrors)?;
        self.spread(|run| quotient(float(run.at_v2), float(run.at_v1)))
    }

    /// Microseconds of the subject's CPU for each request that reached v2, or v1 if it does not
    /// mirror.
    pub(super) fn cpu_each(&self) -> Option<Spread> {
        let mirrors = self.subject.as_ref()?.mirrors;
        self.spread(|run| {
            let requests = if mirrors { run.at_v2 } else { run.at_v1 };
            let used = run.subject.as_ref().map(|used| used.cpu);
            quotient(micros(used.unwrap_or_default()), float(requests))
        })
    }

    /// Bytes, the most of all rounds.
    pub(super) fn memory(&self) -> Option<u64> {
        let used = self.runs.iter().filter_map(|(run, _)| run.subject.as_ref());
        used.map(|used| used.memory).max()
    }

    pub(super) fn books(&self) -> impl Iterator<Item = &Books> {
        let used = self.runs.iter().filter_map(|(run, _)| run.subject.as_ref());
        used.filter_map(|used| used.books.as_ref())
    }
}

impl Spread {
    /// Figures that could not be had (a request's cost without requests) are left out.
    pub(super) fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.retain(|figure| figure.is_finite());
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        let upper = *figures.get(figures.len() / 2)?;
        let lower = *figures.get((figures.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            least,
            most,
        })
    }
}

pub(super) fn quotient(of: f64, by: f64) -> f64 {
    if by > 0.0 { of / by } else { f64::NAN }
}

pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and bytes far below 2^53"
)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_leaves_out_what_could_not_be_had() {
        let spread = Spread::of(vec![3.0, f64::NAN, 1.0, 2.0, 10.0]).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.5, 10.0));
        assert_eq!(Spread::of(vec![f64::NAN]), None);
    }

    #[test]
    fn a_ratio_is_to_the_neighbours() {
        let run = |at_v1, millis| Run {
            at_v1,
            v1_cpu: Duration::from_millis(millis),
            ..Run::default()
        };
        let row = Row {
            load: super::super::loads::table().remove(0),
            subject: None,
            runs: vec![(run(100, 3), [run(100, 1), run(100, 2)])],
        };
        assert_eq!(row.ratio(Run::v1_cpu_each).unwrap().median, 2.0);
        assert_eq!(row.share_mirrored(), None);
    }
}
