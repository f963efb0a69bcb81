//! Holds that `cargo xtask demo` builds nothing twice: what the tasks and podmirror are both made of has the
//! same features in both.
//!
//! Each is built by itself, with the features that its own dependencies ask for. One flag more on one side, and
//! that library, with all that depend on it, is built once more.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::{command, output, workspace};

/// Packages by name and version, each with the sets of features that it is built with.
type Features = BTreeMap<String, BTreeSet<String>>;

/// What cargo builds for a package, of others and for this machine.
fn built_for(package: &[&str]) -> Features {
    let mut cargo = command("cargo");
    cargo
        .args(["tree", "--locked", "--edges", "normal,build"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"])
        .args(package)
        .current_dir(workspace());
    let tree = output(&mut cargo).unwrap();
    let mut found = Features::new();
    for line in tree.lines() {
        let (package, features) = line.split_once('|').unwrap();
        // Packages of this repository have a path; they differ in what they are, not in features.
        if package.contains("(/") {
            continue;
        }
        found
            .entry(package.to_owned())
            .or_default()
            .insert(features.to_owned());
    }
    found
}

#[test]
fn the_tasks_and_podmirror_share_what_both_are_made_of() {
    let tasks = built_for(&["--package", "xtask"]);
    let podmirror = built_for(&["--package", "mirror-userspace", "--no-default-features"]);
    let both = tasks.iter().filter_map(|(package, features)| {
        let others = podmirror.get(package)?;
        Some((package, features, others))
    });
    let both: Vec<_> = both.collect();
    assert!(both.len() > 40, "the two have little in common: {both:?}");
    let twice: Vec<_> = both
        .into_iter()
        .filter(|(_, features, others)| !features.is_subset(others))
        .map(|(package, features, others)| {
            format!("{package}: {features:?}, in podmirror {others:?}")
        })
        .collect();
    assert_eq!(twice, Vec::<String>::new(), "see xtask/Cargo.toml");
}
