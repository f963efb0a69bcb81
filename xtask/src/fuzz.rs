//! `cargo xtask fuzz`: libFuzzer on every target of `fuzz/`, from generated seeds. Any toolchain runs those and mutations
//! of them, the same ones each time: `xtask/fuzz-seeds`.
//!
//! What is fuzzed has no `unsafe`, so that the address sanitizer would find nothing and halve the
//! speed: the targets are built without it, with overflow checks and debug assertions.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::{
    step::{self, command, output, workspace},
    toolchain::tools,
};

/// What can be chosen.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 10)]
    minutes: u64,
    /// Only this target
    target: Option<String>,
}

/// Runs the targets one after the other, and says of each how often it was executed.
///
/// # Errors
///
/// When nightly Rust or cargo-fuzz cannot be had, or at the first finding.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        has_nightly(),
        "libFuzzer needs a nightly toolchain: rustup toolchain install nightly --profile minimal"
    );
    let cargo_fuzz = cargo_fuzz()?;
    let targets = targets()?;
    let chosen: Vec<_> = match &options.target {
        None => targets,
        Some(name) => {
            let known = targets.join(", ");
            let only = targets.into_iter().filter(|target| target == name);
            let only: Vec<_> = only.collect();
            ensure!(!only.is_empty(), "no target {name}; there are {known}");
            only
        }
    };
    write_seeds()?;
    for target in chosen {
        let report = fuzz(&cargo_fuzz, &target, options.minutes)?;
        println!("{target:<16} {report}");
    }
    Ok(())
}

/// Runs one target to its end; returns how many executions that were.
fn fuzz(cargo_fuzz: &[OsString], target: &str, minutes: u64) -> Result<String> {
    let limit = format!("-max_total_time={}", minutes * 60);
    let mut fuzz = command("rustup");
    fuzz.args(["run", "nightly"])
        .args(cargo_fuzz)
        .args(["fuzz", "run", "--sanitizer", "none", target])
        .args(["--", &limit, "-print_final_stats=1", "-timeout=10"])
        .current_dir(workspace())
        .stdin(Stdio::null());
    let done = fuzz.output().context("cannot start rustup")?;
    let text = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        let lines: Vec<_> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(40)..);
        bail!(
            "{target}: a finding (or a failed build)\n{}",
            tail.unwrap_or_default().join("\n")
        );
    }
    let stat = |name: &str| {
        let line = text.lines().find(|line| line.contains(name));
        line.and_then(|line| line.rsplit(' ').next()).unwrap_or("?")
    };
    Ok(format!(
        "{} executions, {} a second, no findings",
        stat("stat::number_of_executed_units"),
        stat("stat::average_exec_per_sec"),
    ))
}

/// The targets, as the package names them.
fn targets() -> Result<Vec<String>> {
    let metadata = output(&mut cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))
    .context("cargo metadata for fuzz/ failed")?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let targets = metadata
        .pointer("/packages/0/targets")
        .and_then(serde_json::Value::as_array)
        .context("fuzz/ has no targets")?;
    let is_bin = |target: &&serde_json::Value| target.pointer("/kind/0") == Some(&"bin".into());
    let names = targets.iter().filter(is_bin);
    let names = names.filter_map(|target| target.get("name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

fn write_seeds() -> Result<()> {
    let corpus = workspace().join("fuzz/corpus");
    let mut write = cargo(&["run", "--quiet", "--example", "seeds", "--"]);
    step::run("writing the seeds", write.arg(corpus))
}

fn has_nightly() -> bool {
    output(command("rustup").args(["run", "nightly", "rustc", "--version"])).is_some()
}

/// The words that start cargo-fuzz, which is installed if it is missing.
fn cargo_fuzz() -> Result<Vec<OsString>> {
    if output(command("cargo").args(["fuzz", "--version"])).is_some() {
        return Ok(vec!["cargo".into()]);
    }
    let installed: PathBuf = tools().join("bin/cargo-fuzz");
    if !installed.exists() {
        step::run(
            "installing cargo-fuzz",
            command("cargo")
                .args(["install", "--locked", "cargo-fuzz", "--root"])
                .arg(tools()),
        )?;
    }
    Ok(vec![installed.into()])
}

/// A cargo command in the package of the fuzz targets.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = command("cargo");
    cargo.args(arguments).current_dir(workspace().join("fuzz"));
    cargo
}
