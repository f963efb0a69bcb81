//! The binaries that the tasks run: always those of this tree, optimised.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::step::{command, workspace};

/// Builds podmirror and returns the path of the binary.
///
/// # Errors
///
/// When it does not compile: the compiler's words are on stderr by then.
pub(crate) fn build() -> Result<PathBuf> {
    build_with("release", "mirror-userspace", "podmirror", &[])
}

/// The same for the demo: built in a third of the time, and without `podmirror agent`, whose libraries would take
/// as long again.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_for_demo() -> Result<PathBuf> {
    let less = ["--no-default-features"];
    build_with("demo", "mirror-userspace", "podmirror", &less)
}

/// Builds what counts how long BPF programs run.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_run_time_counter() -> Result<PathBuf> {
    build_with("demo", "kernel-probe", "bpf-run-time", &[])
}

/// Builds a binary of a package with this profile of `Cargo.toml` and these flags of cargo's, and returns its path.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_with(
    profile: &str,
    package: &str,
    binary: &str,
    flags: &[&str],
) -> Result<PathBuf> {
    let output = command("cargo")
        .args(["build", "--profile", profile, "--package", package])
        .args(["--bin", binary, "--quiet"])
        .args(flags)
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    if !output.status.success() {
        bail!("{binary} does not compile");
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter_map(|message| Some(message.get("executable")?.as_str()?.into()))
        .next_back()
        .context("cargo named no binary")
}
