//! The stages below the shell do no I/O, ask no clock, share no state, and know only those before
//! them. Their `use` lines and paths are read here.

use std::{fs, path::PathBuf};

/// The stages in order.
const STAGES: [&str; 5] = ["copy", "compare", "wire", "pool", "shell"];

/// What is for the shell only.
const IMPURE: [&str; 11] = [
    "tokio",
    "rustls",
    "nix",
    "TcpStream",
    "TcpSocket",
    "Instant",
    "SystemTime",
    "Waker",
    "DispatchConfig",
    "Rc",
    "RefCell",
];

/// The code of a stage, without comments and tests.
fn code_of(stage: &str) -> Vec<(PathBuf, String)> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![here.join(stage)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !is_test {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let lines = code.lines().filter(|line| !line.trim().starts_with("//"));
                found.push((path, lines.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "{stage} has no code");
    found
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

#[test]
fn only_the_shell_does_anything() {
    for (place, stage) in STAGES.iter().enumerate().take(4) {
        for (path, code) in code_of(stage) {
            for word in words(&code) {
                assert!(!IMPURE.contains(&word), "{}: {word}", path.display());
            }
            for later in &STAGES[place + 1..] {
                let imports = [format!("{later}::"), format!("crate::{later}")];
                let known = imports.iter().any(|import| code.contains(import));
                assert!(!known, "{}: {later}", path.display());
            }
        }
    }
}

#[test]
fn the_shell_does() {
    let words_of = |code: &str| words(code).any(|word| IMPURE.contains(&word));
    assert!(code_of("shell").iter().all(|(_, code)| words_of(code)));
}
