//! Holds the direction of crates and modules, and the size of files.
//!
//! Which crate may depend on which stands here once more, and the manifests are compared with it: the
//! core decides and does no I/O, so capture files, fuzzers, tests and benchmarks drive the code that
//! runs live. What of `std` could do I/O or ask a clock is refused by `core/clippy.toml`. Within a crate
//! the `use` lines are read. Test code is exempt: it may bring its own sockets and neighbours.

#![cfg(test)]

mod imports;
mod manifests;
mod source;

use std::fs;

use imports::imports;
use manifests::packages;
use source::{Source, root, rust_files, words};

/// Every package of the workspace, with those of the workspace that it may depend on.
const PACKAGES: &[(&str, &[&str])] = &[
    ("mirror-common", &[]),
    ("mirror-core", &["mirror-common"]),
    ("mirror-capture", &["mirror-common", "mirror-core"]),
    ("mirror-dispatch", &["mirror-core"]),
    (
        "mirror-kubernetes",
        &["mirror-common", "mirror-core", "mirror-capture"],
    ),
    (
        "mirror-runtime",
        &[
            "mirror-common",
            "mirror-core",
            "mirror-capture",
            "mirror-dispatch",
        ],
    ),
    (
        "mirror-userspace",
        &[
            "mirror-common",
            "mirror-core",
            "mirror-capture",
            "mirror-dispatch",
            "mirror-kubernetes",
            "mirror-runtime",
        ],
    ),
    (
        "fuzz-seeds",
        &[
            "mirror-common",
            "mirror-core",
            "mirror-capture",
            "mirror-dispatch",
            "mirror-kubernetes",
        ],
    ),
    ("lab", &[]),
    ("mirror-bench", &["mirror-common", "mirror-core"]),
    ("cluster-lab", &["lab"]),
    ("kernel-probe", &["lab", "mirror-common"]),
    ("tonic-peer", &[]),
    ("xtask", &["lab"]),
];

/// What the core is made with: nothing here does I/O, waits, or asks a clock.
const CORE_USES: &[&str] = &[
    "arrayvec",
    "bytes",
    "foldhash",
    "globset",
    "hashbrown",
    "httparse",
    "libm",
    "memchr",
    "mirror-common",
    "regex",
    "serde",
];

/// The modules of each crate, from the vocabulary up. A module imports from lines above its own only;
/// modules of one line do not know each other, except for those of the first.
const MODULES: &[(&str, &[&[&str]])] = &[
    (
        "mirror-userspace/core/src",
        &[
            &["segment", "budget", "value", "counters", "lost"],
            &["stream", "http", "verdict"],
            &["policy"],
            &["destination", "pipeline"],
            &["ledger"],
        ],
    ),
    (
        "mirror-userspace/kubernetes/src",
        &[&["plan"], &["config"], &["cluster"]],
    ),
    (
        "mirror-userspace/runtime/src",
        &[
            &["clock", "notice", "panics", "playback", "record", "until"],
            &["lost", "sink"],
            &["fault", "replay"],
            &["shard"],
            &["shards"],
            &["daemon"],
        ],
    ),
    ("mirror-userspace/src", &[&["admin"], &["agent"], &["cli"]]),
];

/// Where userspace may be unsafe: records are read out of memory that the kernel writes.
const UNSAFE: &str = "mirror-userspace/capture/src/";

const LONGEST_FILE: usize = 400;

#[test]
fn packages_depend_one_way() {
    let packages = packages();
    let mut wrong = Vec::new();
    for package in &packages {
        let Some((_, allowed)) = PACKAGES.iter().find(|(name, _)| *name == package.name) else {
            wrong.push(format!("`{}` has no place in PACKAGES", package.name));
            continue;
        };
        let ours = |name: &&String| packages.iter().any(|other| other.name == **name);
        let known = package.uses.iter().filter(ours);
        let bad = known.filter(|name| !allowed.contains(&name.as_str()));
        wrong.extend(bad.map(|name| format!("`{}` must not know `{name}`", package.name)));
        if package.tests_with.contains("xtask") {
            wrong.push(format!("the tests of `{}` use xtask", package.name));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(packages.len(), PACKAGES.len());
}

#[test]
fn the_core_is_made_with_nothing_that_does_io() {
    let packages = packages();
    let core = packages
        .iter()
        .find(|package| package.name == "mirror-core");
    let uses: Vec<_> = core.unwrap().uses.iter().map(String::as_str).collect();
    assert_eq!(uses, CORE_USES);
    // What std has of it, clippy knows.
    let refused = fs::read_to_string(root().join("mirror-userspace/core/clippy.toml")).unwrap();
    for name in [
        "std::time::Instant",
        "std::time::SystemTime",
        "std::fs::File",
        "std::net::TcpStream",
    ] {
        assert!(refused.contains(name), "{name}");
    }
}

#[test]
fn modules_import_one_way() {
    let mut wrong = Vec::new();
    for (folder, layers) in MODULES {
        for file in Source::all_in(folder) {
            let module = file.module();
            // The tests of other crates may use `testing`.
            if ["lib", "main", "testing"].contains(&module.as_str()) {
                continue;
            }
            let imports = imports(&file.code, &file.path).into_iter();
            let bad = imports.filter_map(|import| objection(layers, &module, &import));
            wrong.extend(bad.map(|why| format!("{}: {why}", file.path)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn unsafe_code_stays_where_it_is_expected() {
    let mut wrong = Vec::new();
    for folder in ["mirror-userspace", "mirror-common", "xtask"] {
        for file in Source::all_in(folder) {
            if words(&file.code).any(|word| word == "unsafe")
                && !(file.path.starts_with(UNSAFE)
                    && file.code.contains("expect(")
                    && words(&file.code).any(|word| word == "unsafe_code"))
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

/// What is wrong with `module` importing from `import`, if anything is.
fn objection(layers: &[&[&str]], module: &str, import: &str) -> Option<String> {
    let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let Some(own) = layer_of(module) else {
        return Some(format!("`{module}` has no place in MODULES"));
    };
    let Some(other) = layer_of(import) else {
        return Some(format!("`{import}` has no place in MODULES"));
    };
    let fine = module == import || other < own || (own == 0 && other == 0);
    (!fine).then(|| format!("`{module}` must not know `{import}`"))
}

mod the_check_itself {
    use super::*;

    #[test]
    fn objects_to_what_runs_the_wrong_way() {
        let (_, core) = MODULES[0];
        for (module, import) in [
            ("stream", "http"),
            ("http", "policy"),
            ("pipeline", "ledger"),
            ("stream", "new"),
        ] {
            let objection = objection(core, module, import);
            assert!(objection.is_some(), "{module} -> {import}");
        }
        for (module, import) in [
            ("stream", "stream"),
            ("policy", "http"),
            ("ledger", "segment"),
            ("budget", "segment"),
        ] {
            assert_eq!(objection(core, module, import), None);
        }
    }
}
