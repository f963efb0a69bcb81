//! Holds the direction of the imports, the purity of the core, and the size of files.
//!
//! The core takes bytes and a time and returns values; that is what lets capture files, fuzzers,
//! tests and benchmarks drive the code that runs live. One careless `use` would end it, so the
//! `use` lines are read here. Test code is exempt: it may bring its own sockets and neighbours.

#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the vocabulary up to the command line. A module imports from lines above its own only;
/// modules of one line do not know each other, except for those of the first.
const LAYERS: &[&[&str]] = &[
    &["segment", "budget", "counters"],
    &["flow", "http"],
    &["policy"],
    &["target"],
    &["plan", "pipeline"],
    &["capture", "dispatch", "config"],
    &["ledger", "record", "replay"],
    &["runtime"],
    &["admin"],
    &["cluster"],
    &["cli"],
];

/// The modules that do no I/O and ask no clock.
const CORE: &[&str] = &[
    "segment", "budget", "counters", "flow", "http", "policy", "target", "plan", "pipeline",
    "config", "ledger",
];

/// What the core must not name.
const IMPURE: &[&str] = &[
    "tokio",
    "aya",
    "nix",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixDatagram",
    "Instant",
    "SystemTime",
    "File",
];

/// Where userspace may be unsafe: records are read out of memory that the kernel writes.
const UNSAFE: &[&str] = &["capture"];

const LONGEST_FILE: usize = 400;

#[test]
fn imports_run_one_way() {
    let mut wrong = Vec::new();
    for file in Source::all_in("mirror-userspace/src") {
        let module = file.module();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        wrong.extend(
            imports(&file.code, &file.path)
                .into_iter()
                .filter_map(|import| {
                    Some(format!("{}: {}", file.path, objection(&module, &import)?))
                }),
        );
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_core_does_no_io_and_asks_no_clock() {
    let mut wrong = Vec::new();
    for file in Source::all_in("mirror-userspace/src") {
        if CORE.contains(&file.module().as_str()) {
            let named = words(&file.code).filter(|word| IMPURE.contains(word));
            wrong.extend(named.map(|word| format!("{}: {word}", file.path)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn unsafe_code_stays_where_it_is_expected() {
    let mut wrong = Vec::new();
    for folder in [
        "mirror-userspace/src",
        "mirror-common/src",
        "xtask/src",
        "xtask/cluster-lab/src",
    ] {
        for file in Source::all_in(folder) {
            if !words(&file.code).any(|word| word == "unsafe") {
                continue;
            }
            let at_home =
                folder == "mirror-userspace/src" && UNSAFE.contains(&file.module().as_str());
            if !at_home
                || !file.code.contains("expect(")
                || !words(&file.code).any(|word| word == "unsafe_code")
            {
                wrong.push(file.path);
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_file_is_longer_than_an_idea() {
    let mut wrong = Vec::new();
    for folder in [
        "mirror-common",
        "mirror-ebpf",
        "mirror-userspace",
        "xtask",
        "fuzz",
    ] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > LONGEST_FILE {
                wrong.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "split them by idea");
}

/// A source file without its comments, literals and tests.
struct Source {
    /// From the repository's root.
    path: String,
    code: String,
}

impl Source {
    fn all_in(folder: &str) -> Vec<Self> {
        let files = rust_files(&root().join(folder));
        assert!(!files.is_empty(), "no sources in {folder}");
        let sources = files.into_iter().filter(|path| !is_test(path));
        sources
            .map(|path| Self {
                code: code_of(&fs::read_to_string(&path).unwrap()),
                path: path.strip_prefix(root()).unwrap().display().to_string(),
            })
            .collect()
    }

    /// The top-level module that the file belongs to.
    fn module(&self) -> String {
        let (_, inside) = self.path.split_once("src/").unwrap();
        let first = inside.split('/').next().unwrap();
        first.trim_end_matches(".rs").to_owned()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_test(path: &Path) -> bool {
    path.iter()
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Takes off comments and string literals, and the test module that ends a file.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            end_of_string(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = true; // The opening quote ends nothing.
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    text.len()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The top-level modules that a file names, in `use` lines and in paths in the code.
fn imports(code: &str, path: &str) -> Vec<String> {
    // How many `super` lead from the file's module to the crate's root.
    let (_, inside) = path.split_once("src/").unwrap();
    let folders = inside.matches('/').count();
    let depth = if inside.ends_with("/mod.rs") {
        folders
    } else {
        folders + 1
    };
    let to_root = format!("{}::", vec!["super"; depth].join("::"));

    let dense: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let mut found = Vec::new();
    for start in ["crate::", &to_root] {
        for (at, _) in dense.match_indices(start) {
            // A longer chain of `super` would leave the crate; a shorter one stays in the module.
            if dense[..at].ends_with("super::") {
                continue;
            }
            found.extend(first_segments(&dense[at + start.len()..]));
        }
    }
    found.retain(|name| name.starts_with(char::is_lowercase) && name != "super");
    found.sort();
    found.dedup();
    found
}

/// Of `a::b` it is `a`; of `{a::{b, c}, d}` they are `a` and `d`.
fn first_segments(path: &str) -> Vec<String> {
    // Behind a trailing comma no name follows.
    let name = |text: &str| -> String {
        let in_name = |c: &char| c.is_alphanumeric() || *c == '_';
        text.chars().take_while(in_name).collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut depth = 0_i32;
    let mut segments = vec![name(group)];
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => segments.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    segments
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// What is wrong with `module` importing from `import`, if anything is.
fn objection(module: &str, import: &str) -> Option<String> {
    let Some(own) = layer_of(module) else {
        return Some(format!("`{module}` has no place in LAYERS"));
    };
    let Some(other) = layer_of(import) else {
        return Some(format!("`{import}` has no place in LAYERS"));
    };
    let fine = module == import || other < own || (own == 0 && other == 0);
    (!fine).then(|| format!("`{module}` must not know `{import}`"))
}

mod the_check_itself {
    use super::*;

    #[test]
    fn sees_every_form_of_import() {
        let code = code_of(
            "//! crate::cli in a comment\n\
             use crate::{budget::Reserved, flow::{self, Event}, segment::Time,};\n\
             use super::super::http; // two up from policy/x/y.rs, via mod.rs\n\
             fn f() -> crate::pipeline::Output { \"crate::dispatch \\\" crate::cli\"; '\"' }\n\
             #[cfg(test)]\nmod tests { use crate::capture; }",
        );
        let expected = ["budget", "flow", "http", "pipeline", "segment"];
        assert_eq!(imports(&code, "src/policy/x/mod.rs"), expected);
        assert_eq!(imports("use super::cli;", "src/policy.rs"), ["cli"]);
        assert_eq!(imports("use super::cli;", "src/policy/x.rs"), [""; 0]);
    }

    #[test]
    fn objects_to_what_runs_the_wrong_way() {
        for (module, import) in [
            ("flow", "http"),
            ("http", "policy"),
            ("capture", "dispatch"),
            ("flow", "new"),
        ] {
            assert!(objection(module, import).is_some(), "{module} -> {import}");
        }
        for (module, import) in [
            ("flow", "flow"),
            ("policy", "http"),
            ("cli", "segment"),
            ("budget", "segment"),
        ] {
            assert_eq!(objection(module, import), None);
        }
    }
}
