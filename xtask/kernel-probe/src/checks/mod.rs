//! What is tried, in the order of the table's columns.

mod devices;
mod ends;
mod mirrored;
mod neighbours;
mod programs;
mod rights;

use crate::report::Check;

/// The checks that are `wanted`: `quick` for the few that every change has to pass, nothing for
/// all, else those whose names contain the words.
pub(crate) fn all(wanted: &str) -> Vec<Check> {
    if wanted == "quick" {
        return mirrored::quick();
    }
    let groups = [
        mirrored::loads(),
        mirrored::all(),
        neighbours::all(),
        ends::all(),
        rights::all(),
        devices::all(),
        programs::all(),
    ];
    let all = groups.into_iter().flatten();
    all.filter(|check| check.name.contains(wanted)).collect()
}
