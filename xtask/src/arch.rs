//! Architectures that podmirror is built for and tried on, as each program calls them.

use std::{env::consts, fmt};

use clap::ValueEnum;

/// A CPU architecture that podmirror is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// 64-bit x86.
    #[value(name = "x86_64", alias = "amd64")]
    Amd64,
    /// 64-bit ARM.
    #[value(name = "aarch64", alias = "arm64")]
    Arm64,
}

impl Arch {
    /// This machine's; x86 where it is none of ours.
    pub(crate) fn host() -> Self {
        if consts::ARCH == "aarch64" {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }

    /// Whether this machine runs its programs.
    pub(crate) fn is_native(self) -> bool {
        self.gnu() == consts::ARCH
    }

    /// As the distributions of Linux and container images name it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As the kernel, GNU's tools and qemu name it.
    pub(crate) fn gnu(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The target that Rust builds for: glibc, which is linked statically.
    pub(crate) fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.gnu())
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.gnu())
    }
}
