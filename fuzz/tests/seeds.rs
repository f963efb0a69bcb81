//! Every target keeps its promise on its seeds and on mutations of them. Runs on any toolchain.

use std::{fs, path::Path, thread};

use mirror_core::random::Random;
use podmirror_fuzz::{TARGETS, Target, seeds};

/// Mutations of each seed.
const MUTATIONS: u64 = 300;

#[test]
fn seeds_and_their_mutations_keep_the_promises() {
    thread::scope(|scope| {
        for (name, target) in TARGETS {
            scope.spawn(move || try_seeds(name, target));
        }
    });
}

/// libFuzzer's programs are not built here, so that they are as they must be is read.
#[test]
fn each_target_has_its_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let program = fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        let expected = format!(
            "#![no_main]\n\nlibfuzzer_sys::fuzz_target!(|data: &[u8]| podmirror_fuzz::{name}::run(data));\n"
        );
        assert_eq!(program, expected);
        let named = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&named), "{name}");
    }
    let programs = fs::read_dir(root.join("fuzz_targets")).unwrap();
    assert_eq!(programs.count(), TARGETS.len());
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

/// Stories of the corpus, if there is one: some of them, since the other decoder takes its time. All are seeds of
/// `cargo xtask fuzz`.
#[test]
fn recorded_header_blocks_keep_the_promise() {
    let stories = seeds::stories();
    if stories.is_empty() {
        eprintln!("SKIPPED: PODMIRROR_CORPUS does not name a corpus (docs/CORPUS.md)");
    }
    for story in stories.iter().step_by(6) {
        podmirror_fuzz::h2::run(story);
    }
}

fn try_seeds(name: &str, target: Target) {
    let seeds = seeds::of(name);
    assert!(!seeds.is_empty(), "{name} has seeds");
    for (number, seed) in seeds.iter().enumerate() {
        target(seed);
        for round in 0..MUTATIONS {
            let other = &seeds[(number + round as usize) % seeds.len()];
            try_mutation(name, target, seed, other, round);
        }
    }
}

fn try_mutation(name: &str, target: Target, seed: &[u8], other: &[u8], round: u64) {
    let mut random = Random::new(round);
    let mut data = seed.to_vec();
    for _ in 0..1 + round % 4 {
        let at = random.below(data.len() + 1);
        match random.below(5) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 if at < data.len() => data[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => data.truncate(at),
            3 => data.insert(at, random.below(256) as u8),
            _ => data.extend_from_slice(&other[random.below(other.len())..]),
        }
    }
    let caught = std::panic::catch_unwind(|| target(&data));
    assert!(
        caught.is_ok(),
        "{name}, round {round}: {}",
        data.escape_ascii()
    );
}
