//! `cargo xtask setup`: installs what building the kernel half needs and this machine lacks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lab::packages;

use crate::{
    step::{command, run, while_spinning},
    toolchain::{LLVM, Toolchain, linker, tools},
};

const LINKER_VERSION: &str = "0.13.0";

/// Debian's compiler with its `core` for BPF.
const COMPILER_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];
/// What the linker is built with, and where Debian puts it.
const LLVM_PACKAGE: &str = "llvm-22-dev";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const _: () = assert!(LLVM == 22, "the names above say which LLVM");

/// Installs all that is missing, and says what is there.
///
/// # Errors
///
/// When something is missing and cannot be installed; the error says what to install by hand.
pub(crate) fn setup() -> Result<()> {
    let toolchain = toolchain()?;
    let linker = bpf_linker()?;
    eprintln!("compiler: {toolchain:?}\nlinker: {}", linker.display());
    Ok(())
}

/// The compiler for BPF, installed if need be.
pub(crate) fn toolchain() -> Result<Toolchain> {
    if let Some(found) = Toolchain::find() {
        return Ok(found);
    }
    install(&COMPILER_PACKAGES).context(
        "no compiler for BPF: install `rustup toolchain install nightly --component rust-src`, \
         or on Debian `apt-get install rustc-web cargo-web libstd-rust-web-dev-bpf`",
    )?;
    Toolchain::find().context("the compiler for BPF is installed but does not work")
}

/// The linker for BPF, built if need be.
pub(crate) fn bpf_linker() -> Result<PathBuf> {
    if let Some(found) = linker() {
        return Ok(found);
    }
    if !Path::new(LLVM_PREFIX).join("bin/llvm-config").exists() {
        install(&[LLVM_PACKAGE]).with_context(|| {
            format!(
                "no bpf-linker, and no LLVM {LLVM} to build it with: put bpf-linker \
                 {LINKER_VERSION} on PATH, or on Debian `apt-get install {LLVM_PACKAGE}`"
            )
        })?;
    }
    let feature = format!("llvm-{LLVM}");
    run(
        "building bpf-linker (a minute or two, once)",
        // Not optimised, which would take three times as long: what it does takes LLVM's time, not its own.
        command("cargo")
            .env("LLVM_PREFIX", LLVM_PREFIX)
            .env("CARGO_TARGET_DIR", tools().join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .args([
                "install",
                "bpf-linker",
                "--version",
                LINKER_VERSION,
                "--debug",
            ])
            .args(["--no-default-features", "--features", &feature, "--root"])
            .arg(tools()),
    )?;
    linker().context("bpf-linker is built but does not run")
}

fn install(names: &[&str]) -> Result<()> {
    while_spinning(&format!("installing {}", names.join(" ")), || {
        packages::install(names)
    })
}
