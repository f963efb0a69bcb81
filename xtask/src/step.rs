//! One external command: a spinner while it runs, its output only when it fails.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;

/// Lines of a failed command's output that are shown.
const SHOWN: usize = 60;

/// What an outer `cargo run` tells its child about *its* toolchain, and the inner builds, which
/// use another, must not hear.
const OUTER_CARGO: [&str; 8] = [
    "CARGO",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "LD_LIBRARY_PATH",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// A command that knows nothing of the cargo that runs this one.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for variable in OUTER_CARGO {
        command.env_remove(variable);
    }
    command
}

/// Runs a command to its end. `what` says what it does, in the form "building the linker".
///
/// # Errors
///
/// When it cannot be started or fails; the error ends with the last lines it wrote.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = while_spinning(what, || command.stdin(Stdio::null()).output())
        .with_context(|| format!("{what}: cannot start {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(SHOWN);
    let tail = lines.get(from..).unwrap_or_default().join("\n");
    bail!("{what}: {program} failed ({})\n{tail}", output.status)
}

/// Does something long, and says so meanwhile (on a terminal).
pub(crate) fn while_spinning<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = work();
    spinner.finish_and_clear();
    done
}

/// What a command writes to its standard output, if it runs and succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Where cargo builds, and so where the tasks leave what they make.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
        None => workspace().join("target"),
    }
}
