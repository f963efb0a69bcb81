//! The results as files: for people, for programs, for the eye.

mod json;
mod markdown;
pub(super) mod plot;

use super::{machine::Machine, results::Results, schedule::Schedule};

/// The files of a report: their names and contents.
pub(super) fn files(
    machine: &Machine,
    schedule: &Schedule,
    results: &Results,
) -> Vec<(String, String)> {
    let mut files = plot::files(results);
    let plots: Vec<_> = files.iter().map(|(name, _)| name.clone()).collect();
    files.push((
        "bench.md".to_owned(),
        markdown::render(machine, schedule, results, &plots),
    ));
    files.push((
        "bench.json".to_owned(),
        json::render(machine, schedule, results),
    ));
    files
}
