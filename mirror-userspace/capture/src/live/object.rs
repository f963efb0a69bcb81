//! The kernel half, as embedded at build time.

use std::{error::Error, fmt};

use aya::{include_bytes_aligned, maps::MapType, sys::is_map_supported};

/// The kind of ring that segments travel through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingKind {
    /// BPF ring buffers (Linux 5.8 and later), one a shard.
    Bpf,
    /// The perf event array (Linux 5.3 and later), one ring a CPU.
    Perf,
}

impl RingKind {
    /// The better one of those that this kernel has.
    #[must_use]
    pub fn best() -> Self {
        match is_map_supported(MapType::RingBuf) {
            Ok(false) => Self::Perf,
            // What can't be found out here is said by the attempt to use it.
            Ok(true) | Err(_) => Self::Bpf,
        }
    }
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
pub struct MissingObject(RingKind);

impl fmt::Display for MissingObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this build of podmirror has no kernel program for --ring {}: \
             run cargo xtask build-ebpf, then build again",
            self.0
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
    let object: &[u8] = match ring {
        RingKind::Bpf => include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ring.o")),
        RingKind::Perf => include_bytes_aligned!(concat!(env!("OUT_DIR"), "/perf.o")),
    };
    if object.is_empty() {
        return Err(MissingObject(ring));
    }
    Ok(object)
}
