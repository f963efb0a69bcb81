//! What the ledger calls targets.

use mirror_core::destination::TargetSpec;

/// The destination of each target. Two may share one (with different hosts, say): a number tells them apart.
#[must_use]
pub fn of_targets(targets: &[TargetSpec]) -> Vec<String> {
    unique(targets.iter().map(|target| target.destination.to_string()))
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        let same = unique
            .iter()
            .filter(|known| known.split(" #").next() == Some(&name))
            .count();
        unique.push(if same == 0 {
            name
        } else {
            format!("{name} #{}", same + 1)
        });
    }
    unique
}
