//! What is tried, in the order of the table's columns.

mod devices;
mod ends;
mod mirrored;
mod neighbours;
mod objects;
mod port;
mod programs;
mod rights;
mod verdicts;

use crate::report::Check;

/// The checks that are `wanted`: `quick` for the few that every change has to pass, nothing for
/// all, else those whose names contain the words, or one of those between commas.
pub(crate) fn all(wanted: &str) -> Vec<Check> {
    if wanted == "quick" {
        return mirrored::quick();
    }
    let groups = [
        objects::all(),
        mirrored::loads(),
        mirrored::all(),
        neighbours::all(),
        verdicts::all(),
        ends::all(),
        rights::all(),
        devices::all(),
        port::all(),
        programs::all(),
    ];
    let all = groups.into_iter().flatten();
    let is_wanted = |check: &Check| {
        wanted
            .split(',')
            .any(|words| check.name.contains(words.trim()))
    };
    all.filter(is_wanted).collect()
}
