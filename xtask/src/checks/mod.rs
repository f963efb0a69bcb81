//! `cargo xtask test`: everything that a change has to pass, the same on a laptop as in CI.
//!
//! The steps run in the order in which they are likely to fail cheaply, and the first failure ends
//! the run with its output. Tests are built for debugging: they compile in a third of the time, and
//! overflow checks are on.

mod licences;
mod runner;

use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;
use nix::unistd::geteuid;

use crate::{
    ebpf, guard, image, kernels,
    step::{command, workspace},
};
pub(crate) use runner::Outcome;
use runner::{Output, Runner};

/// What can be chosen.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Only the unit tests of the two libraries: no root, no namespaces, no kernel half
    #[arg(long)]
    quick: bool,
    /// Show every step's output as it comes
    #[arg(long, short)]
    verbose: bool,
}

impl Options {
    pub(crate) fn ci() -> Self {
        Self {
            quick: false,
            verbose: true,
        }
    }
}

/// Runs the checks.
///
/// # Errors
///
/// At the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let output = if options.verbose {
        Output::Streamed
    } else {
        Output::OnFailure
    };
    let mut runner = Runner::new(output);
    let done = if options.quick {
        quick(&mut runner)
    } else {
        all(&mut runner)
    };
    runner.summarize();
    done
}

/// What has unit tests that need neither root nor a network.
const UNIT_TESTED: &[&str] = &[
    "mirror-common",
    "mirror-core",
    "mirror-capture",
    "mirror-dispatch",
    "mirror-kubernetes",
    "mirror-runtime",
    "mirror-userspace",
];

fn quick(runner: &mut Runner) -> Result<()> {
    runner.command(
        "unit tests",
        cargo(&["test", "--lib"]).args(UNIT_TESTED.iter().flat_map(|name| ["-p", name])),
    )
}

fn all(runner: &mut Runner) -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "the tests load eBPF programs and make network namespaces: run this as root (`sudo -E`), \
         or only the unit tests with `cargo xtask test --quick`"
    );
    runner.command("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    for apart in ["mirror-ebpf", "fuzz"] {
        let manifest = workspace().join(apart).join("Cargo.toml");
        if manifest.exists() {
            runner.command(
                &format!("format of {apart}"),
                cargo(&["fmt", "--check", "--manifest-path"]).arg(manifest),
            )?;
        }
    }
    runner.step("licences", licences::check)?;
    runner.step("cargo deny", cargo_deny)?;
    runner.step("kernel half", || {
        ebpf::build()?;
        Ok(Outcome::passed("three objects, and two of tests"))
    })?;
    runner.command(
        "clippy",
        &mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    runner.command("clippy of what the demo builds", &mut demo_clippy())?;
    runner.step("image", || {
        image::run(&image::Options::default())?;
        Ok(Outcome::passed("a static binary, and an archive"))
    })?;
    runner.command("tests", &mut cargo(&["test", "--workspace"]))?;
    runner.step("kernels", kernels::step)?;
    runner.step("instructions", guard::check)?;
    runner.command(
        "rustdoc",
        cargo(&[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .env("RUSTDOCFLAGS", RUSTDOCFLAGS),
    )
}

/// Without Kubernetes other code is unused, and nothing else here builds that. With a test among what is checked, and from
/// the whole workspace, most libraries have the features that `clippy` has checked them with, and are not checked again.
fn demo_clippy() -> Command {
    cargo(&[
        "clippy",
        "--workspace",
        "--bin",
        "podmirror",
        "--test",
        "walk",
        "--no-default-features",
        "--",
        "-D",
        "warnings",
    ])
}

/// The documentation is for who reads the code: private items are in it, and linked to.
const RUSTDOCFLAGS: &str = "-D warnings -A rustdoc::private_intra_doc_links";

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = command("cargo");
    cargo.args(arguments).current_dir(workspace());
    cargo
}

/// Duplicates and sources in more depth than [`licences`]; advisories only where they can be
/// fetched, so not here: a test must not fail because of the network.
fn cargo_deny() -> Result<Outcome> {
    let installed = cargo(&["deny", "--version"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Ok(Outcome::skipped(
            "cargo-deny is not installed: `cargo install --locked cargo-deny`",
        ));
    }
    runner::must_succeed(&mut cargo(&[
        "deny", "check", "bans", "licenses", "sources",
    ]))?;
    Ok(Outcome::passed("deny.toml"))
}
