//! Programs in Python with packages of PyPI: grpcio, and hyper's h2.
//!
//! They are nobody's code that is under test, which is what they are for.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{Scratch, packages};

/// What the programs import.
const PACKAGES: &[&str] = &["grpcio==1.85.3", "h2==4.4.1"];

/// The interpreter with these packages, fetched when they are missing.
///
/// # Errors
///
/// Without Python 3, its venv module, or a package index: one line that says what is needed.
fn interpreter() -> Result<PathBuf> {
    let folder = once("python-http2-1", |folder| {
        fetch(&folder.join("venv"))
            .with_context(|| format!("tests of HTTP/2 need Python 3 with {}", PACKAGES.join(", ")))
    })?;
    Ok(folder.join("venv/bin/python"))
}

/// The folder of this name among the tools, filled by `fetch` if it is not complete.
///
/// # Errors
///
/// Those of `fetch`, and when the folder cannot be written to.
pub(super) fn once(name: &str, fetch: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = tools().join(name);
    let complete = folder.join("complete");
    if !complete.exists() {
        fs::create_dir_all(&folder)?;
        // Tests run side by side: one fetches, the others wait.
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        if !complete.exists() {
            fetch(&folder)?;
            File::create(&complete)?;
        }
    }
    Ok(folder)
}

/// A command that runs `program`, whose text is put into `folder`.
///
/// # Errors
///
/// As [`interpreter`], and when the folder cannot be written to.
pub(super) fn program(folder: &Scratch, name: &str, program: &str) -> Result<Command> {
    let file = folder.path().join(name);
    fs::write(&file, program)?;
    let mut command = Command::new(interpreter()?);
    command.arg(file).env("GRPC_VERBOSITY", "NONE");
    Ok(command)
}

fn fetch(venv: &Path) -> Result<()> {
    let python = packages::require("python3")?;
    run(Command::new(python).args(["-m", "venv"]).arg(venv))?;
    let mut pip = Command::new(venv.join("bin/pip"));
    run(pip.args(["install", "--quiet"]).args(PACKAGES))
}

pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {words}");
    Ok(())
}

/// Beside what cargo builds, so that it is fetched once, and goes with it.
fn tools() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
    .join("tools")
}
