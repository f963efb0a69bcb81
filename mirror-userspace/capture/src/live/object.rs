//! The kernel half, as embedded at build time.

use std::{error::Error, fmt};

use aya::{include_bytes_aligned, maps::MapType, sys::is_map_supported, util::KernelVersion};

/// The kind of ring that segments travel through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingKind {
    /// BPF ring buffers (Linux 5.10 and later), one a shard.
    Bpf,
    /// The perf event array (Linux 5.4 and later), one ring a CPU.
    Perf,
}

impl RingKind {
    /// The better one of those that this kernel has.
    #[must_use]
    pub fn best() -> Self {
        if KernelVersion::current().is_ok_and(lacks_rings_of_any_size) {
            return Self::Perf;
        }
        match is_map_supported(MapType::RingBuf) {
            Ok(false) => Self::Perf,
            // What can't be found out here is said by the attempt to use it.
            Ok(true) | Err(_) => Self::Bpf,
        }
    }
}

/// Linux 5.8 has ring buffers, but up to 5.9 an inner map must be as large as the template in the
/// object, and rings are as large as they are asked for.
fn lacks_rings_of_any_size(version: KernelVersion) -> bool {
    version < KernelVersion::new(5, 10, 0)
}

impl fmt::Display for RingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bpf => "bpf",
            Self::Perf => "perf",
        })
    }
}

/// This build has no kernel half in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingObject {
    /// What asks for it.
    flag: &'static str,
}

impl fmt::Display for MissingObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this build of podmirror has no kernel program for {}: \
             run cargo xtask build-ebpf, then build again",
            self.flag
        )
    }
}

impl Error for MissingObject {}

/// The ELF object of the program that feeds this kind of ring.
///
/// # Errors
///
/// [`MissingObject`] if `cargo xtask build-ebpf` had not run before this crate was built.
pub fn object(ring: RingKind) -> Result<&'static [u8], MissingObject> {
    match ring {
        RingKind::Bpf => embedded(
            include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ring.o")),
            "--ring bpf",
        ),
        RingKind::Perf => embedded(
            include_bytes_aligned!(concat!(env!("OUT_DIR"), "/perf.o")),
            "--ring perf",
        ),
    }
}

/// The ELF object of the program for ports that receive copies, which feeds BPF ring buffers.
///
/// # Errors
///
/// As [`object`].
pub fn tap_object() -> Result<&'static [u8], MissingObject> {
    embedded(
        include_bytes_aligned!(concat!(env!("OUT_DIR"), "/xdp.o")),
        "--attach xdp",
    )
}

fn embedded(object: &'static [u8], flag: &'static str) -> Result<&'static [u8], MissingObject> {
    if object.is_empty() {
        return Err(MissingObject { flag });
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bpf_ring_begins_with_linux_5_10() {
        for (version, lacks) in [
            ((5, 4, 0), true),
            ((5, 8, 0), true),
            ((5, 9, 16), true),
            ((5, 10, 0), false),
            ((6, 1, 0), false),
        ] {
            let (major, minor, patch) = version;
            let version = KernelVersion::new(major, minor, patch);
            assert_eq!(lacks_rings_of_any_size(version), lacks, "{version}");
        }
    }
}
