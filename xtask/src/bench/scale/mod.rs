//! `cargo xtask bench --scale`: what a request costs with more of everything.
//!
//! Two measures. Instructions and misses of caches are counted in the stages without I/O (callgrind, see
//! `xtask/mirror-bench/src/scale.rs`): up to 100 000 connections, 64 rules, 200 pods and 8 shards, on any machine,
//! busy or not, the same figures. And the CPU time of the whole program is measured live, for connections and
//! shards, as far as open files, ports and cores of this machine go: kernel, sockets and sleeping are in it.

mod counted;
mod live;
mod report;

use anyhow::Result;

use super::{Options, machine::LoadAverage, results::Spread};
use crate::callgrind::Each;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Connections,
    Rules,
    Pods,
    Shards,
}

/// How much of it, from the least to the most.
const AXES: [(Axis, &[usize]); 4] = [
    (Axis::Connections, &[10, 100, 1_000, 10_000, 100_000]),
    (Axis::Rules, &[1, 4, 16, 64]),
    (Axis::Pods, &[1, 10, 50, 200]),
    (Axis::Shards, &[1, 2, 4, 8]),
];

/// Connections, where it is not they that grow.
const CONNECTIONS: usize = 1_000;

/// What a request may cost, at most, beside the cheapest of its axis.
const MOST: f64 = 1.3;

/// What was measured at one size.
#[derive(Clone, Copy, Debug)]
struct Point<Figure> {
    axis: Axis,
    size: usize,
    figure: Figure,
}

/// Of the program, live.
#[derive(Clone, Copy, Debug)]
struct Live {
    /// Microseconds for a request that arrived.
    cpu: Spread,
    /// Requests at v2 over requests at v1.
    arrived: Spread,
    /// Bytes, the most of all rounds.
    memory: u64,
}

/// All of it.
struct Scaled {
    counted: Vec<Point<Each>>,
    live: Vec<Point<Live>>,
    /// Why there are no larger sizes live.
    limit: String,
    load: LoadAverage,
}

impl Axis {
    const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Rules => "rules",
            Self::Pods => "pods",
            Self::Shards => "shards",
        }
    }
}

/// Measures, and gives the files of the report.
///
/// # Errors
///
/// When something cannot be set up. Bad figures are no error.
pub(super) fn run(options: &Options, load: &LoadAverage) -> Result<Vec<(String, String)>> {
    let counted = if options.live_only {
        Vec::new()
    } else {
        counted::count()?
    };
    let (live, limit) = if options.counts_only {
        (Vec::new(), "not measured (--counts-only)".to_owned())
    } else {
        live::measure(options)?
    };
    let scaled = Scaled {
        counted,
        live,
        limit,
        load: load.clone(),
    };
    Ok(report::files(&scaled))
}

/// The ratio of each figure of an axis to the least of it.
fn ratios<Figure: Copy>(
    points: &[Point<Figure>],
    axis: Axis,
    figure: impl Fn(Figure) -> f64,
) -> Vec<(usize, f64)> {
    let of_axis = points.iter().filter(|point| point.axis == axis);
    let figures: Vec<_> = of_axis
        .map(|point| (point.size, figure(point.figure)))
        .collect();
    let least = figures.iter().map(|(_, figure)| *figure);
    let least = least.fold(f64::INFINITY, f64::min);
    let ratios = figures.into_iter();
    ratios
        .map(|(size, figure)| (size, figure / least))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_to_the_cheapest_of_its_own_axis() {
        let point = |axis, size, figure| Point { axis, size, figure };
        let points = [
            point(Axis::Rules, 1, 6.0),
            point(Axis::Rules, 4, 3.0),
            point(Axis::Pods, 1, 1.0),
        ];
        let of_rules = ratios(&points, Axis::Rules, |figure| figure);
        assert_eq!(of_rules, [(1, 2.0), (4, 1.0)]);
    }
}
