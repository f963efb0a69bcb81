//! `cargo xtask e2e`: the tutorial on a real cluster. What it needs to speak to one is in a package
//! of its own, so that the other tasks start without building it.

use std::{ffi::OsString, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::step::{command, workspace};

/// What the program is given as it is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds and runs it.
///
/// # Errors
///
/// When it does not compile, or a verdict is bad: what is wrong is said by then.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // Relative paths are the user's.
    let manifest = workspace().join("xtask/cluster-lab/Cargo.toml");
    let status = command("cargo")
        .args(["run", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(&arguments.arguments)
        .stdin(Stdio::null())
        .status()
        .context("running cargo")?;
    ensure!(status.success(), "the tutorial did not go as it should");
    Ok(())
}
