//! Which compiler and which linker build the kernel half.
//!
//! The BPF target needs a standard library that rustup does not ship: either a nightly that builds
//! `core` from source, or Debian's rustc with Debian's own `core` for BPF. Whichever it is, its LLVM
//! must not be newer than the linker's, which reads its bitcode.

use std::path::{Path, PathBuf};

use crate::step::{command, output, target_dir};

/// The LLVM that the linker is built with.
pub(crate) const LLVM: u32 = 22;

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// The target of this machine's kernel.
pub(crate) const TARGET: &str = if cfg!(target_endian = "little") {
    "bpfel-unknown-none"
} else {
    "bpfeb-unknown-none"
};

/// A compiler that can build for BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// rustup's nightly with `rust-src`.
    Nightly,
    /// Debian's `rustc-web`, `cargo-web` and `libstd-rust-web-dev-bpf`.
    Debian,
}

impl Toolchain {
    /// The first that this machine has.
    pub(crate) fn find() -> Option<Self> {
        [Self::Nightly, Self::Debian]
            .into_iter()
            .find(|toolchain| toolchain.is_usable())
    }

    fn is_usable(self) -> bool {
        let library = match self {
            Self::Nightly => output(self.rustc().args(["--print", "sysroot"]))
                .map(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/core")),
            Self::Debian => {
                output(
                    self.rustc()
                        .args(["--print", "target-libdir", "--target", TARGET]),
                )
                .map(PathBuf::from)
                // The directory's name may be printed without its being there.
                .filter(|_| Path::new(DEBIAN_CARGO).exists())
            }
        };
        library.is_some_and(|library| library.is_dir())
            && output(self.rustc().arg("-vV")).is_some_and(|version| {
                llvm_version(&version).is_some_and(|compiler| compiler <= LLVM)
            })
    }

    fn rustc(self) -> std::process::Command {
        match self {
            Self::Nightly => {
                let mut rustc = command("rustup");
                rustc.args(["run", "nightly", "rustc"]);
                rustc
            }
            Self::Debian => command(DEBIAN_RUSTC),
        }
    }

    /// A `cargo build` for BPF, to which the rest of its arguments are added.
    pub(crate) fn cargo_build(self) -> std::process::Command {
        let mut cargo = match self {
            Self::Nightly => {
                let mut cargo = command("rustup");
                cargo.args(["run", "nightly", "cargo", "build", "-Zbuild-std=core"]);
                cargo
            }
            Self::Debian => {
                let mut cargo = command(DEBIAN_CARGO);
                // Inline assembly for BPF is unstable; Debian's compiler is a stable one.
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo.arg("build");
                cargo
            }
        };
        cargo.args(["--release", "--target", TARGET]);
        cargo
    }
}

/// The major version of LLVM in `rustc -vV`.
fn llvm_version(version: &str) -> Option<u32> {
    let line = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

/// The linker, if it is installed.
pub(crate) fn linker() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([tools().join("bin")])
        .map(|dir| dir.join("bpf-linker"))
        .find(|linker| output(command(linker).arg("--version")).is_some())
}

/// Where tools are installed that only this workspace uses.
pub(crate) fn tools() -> PathBuf {
    target_dir().join("tools")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_llvm_is_read_from_its_version() {
        let nightly = "rustc 1.97.0-nightly\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.4";
        assert_eq!(llvm_version(nightly), Some(22));
        assert_eq!(llvm_version("rustc 1.97.0"), None);
    }
}
