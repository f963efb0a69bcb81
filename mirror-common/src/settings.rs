//! What the daemon tells the kernel program, through a one-entry array map.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::sample::Secret;

/// The most ports that one program looks for.
pub const MAX_PORTS: usize = 16;

/// The most shards, and so rings, that one program serves.
pub const MAX_SHARDS: usize = 64;

/// The settings of a running program. The daemon may write them at any time; the next segment
/// obeys. Zeroed settings match no port and copy nothing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Settings {
    /// A segment is copied if its key hashes below this: see [`crate::sample::is_sampled`].
    /// 0 copies nothing (the kill switch), [`crate::sample::ALWAYS`] everything.
    pub threshold: u64,
    /// Destination ports in host byte order; unused entries are 0, which matches nothing.
    pub ports: [u16; MAX_PORTS],
    /// One of [`SampleKey`]'s values.
    pub sample_key: u32,
    /// Rings in use, at least 1; a flow goes to ring `flow hash % shards`.
    pub shards: u32,
    /// Whether frames start with an Ethernet header (1) or with the IP header (0).
    pub ethernet: u32,
    /// The attachment's number, which its records carry: it tells pods apart.
    pub attachment: u32,
    /// Whether to log rare events through aya-log (1) or stay silent (0).
    pub log: u32,
    /// Zero.
    pub reserved: u32,
    /// What the sampling hash starts from.
    pub secret: Secret,
}

/// What the kernel's sampling decision is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SampleKey {
    /// The 4-tuple: whole connections are in or out.
    Connection = 0,
    /// The source address: whole clients are in or out.
    ClientAddress = 1,
}
