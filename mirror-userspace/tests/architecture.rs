//! `ARCHITECTURE.md` is how a stranger finds the place to change: what its tables point at is there.

#![cfg(test)]

use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../ARCHITECTURE.md");

#[test]
fn every_path_in_the_tables_exists() {
    let mut count = 0;
    let mut missing = Vec::new();
    for line in PAGE.lines().filter(|line| line.starts_with('|')) {
        for path in code(line).filter(|code| is_path(code)).flat_map(expand) {
            count += 1;
            if !exists(&path) {
                missing.push(path);
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(count > 50, "{count} paths only: are they read?");
}

/// A stage that has no row is one that nobody finds.
#[test]
fn every_stage_has_a_row() {
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with('|')).collect();
    let mut missing = Vec::new();
    for sources in ["core/src", "kubernetes/src", "src"] {
        for entry in userspace().join(sources).read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let at = format!("`{sources}/{name}");
            if path.is_dir() && !rows.iter().any(|row| row.contains(&at)) {
                missing.push(at);
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

fn userspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between backticks.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Paths have a slash or an ending; rates (`1/3`), flags and counters are no paths.
fn is_path(code: &str) -> bool {
    let letters = code.starts_with(|c: char| c.is_ascii_lowercase() || c == '.');
    letters && !code.contains(' ') && (code.contains('/') || code.ends_with(".rs"))
        || code.ends_with(".md")
}

/// `a/{b,c}.rs` stands for `a/b.rs` and `a/c.rs`.
fn expand(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (choices, after) = rest.split_once('}').unwrap();
    choices
        .split(',')
        .flat_map(|choice| expand(&format!("{before}{choice}{after}")))
        .collect()
}

/// From the root or from `mirror-userspace/`. A path with a slash at its end is a folder.
fn exists(path: &str) -> bool {
    let roots = [userspace().parent().unwrap(), userspace()];
    roots.iter().any(|root| {
        let whole: PathBuf = root.join(path);
        if path.ends_with('/') {
            whole.is_dir()
        } else {
            whole.is_file()
        }
    })
}

#[test]
fn paths_are_told_from_other_code() {
    let line = "| `a/{b,c}.rs`, `docs/x.md`, `--flag`, `1/3`, `segments.{a, b}` | `README.md` |";
    let paths: Vec<String> = code(line)
        .filter(|code| is_path(code))
        .flat_map(expand)
        .collect();
    assert_eq!(paths, ["a/b.rs", "a/c.rs", "docs/x.md", "README.md"]);
    assert!(exists("README.md") && exists("src/main.rs") && exists("docs/"));
    assert!(!exists("docs") && !exists("README.md/") && !exists("src/no.rs"));
}
