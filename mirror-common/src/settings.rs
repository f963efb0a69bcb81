//! What the daemon tells the kernel program, through an array map with an entry for each attachment.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{packet::Tunnels, sample::Secret};

/// The most ports that are looked for at one attachment.
pub const MAX_PORTS: usize = 16;

/// The most shards, and so rings, that one attachment feeds.
pub const MAX_SHARDS: usize = 64;

/// How many attachments share a program: each has a seat, an index into the maps of what is kept for each.
pub const SEATS: usize = 64;

/// How many rows of rings a program may feed, each of up to [`MAX_SHARDS`] rings that a mirror's attachments
/// share.
pub const ROWS: usize = 64;

/// The most that [`Settings::reply_head`] means.
pub const MAX_REPLY_HEAD: u32 = 16 * 1024;

/// The settings of an attachment. The daemon may write them at any time; the next segment
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
    /// Whether v1's kernel is asked for the socket of each sampled segment (1) or not (0). Only at
    /// ingress, inside v1's network namespace.
    pub ask_kernel: u32,
    /// The most payload bytes that are copied of each segment to a client, up to [`MAX_REPLY_HEAD`]; 0
    /// copies nothing of that direction.
    pub reply_head: u32,
    /// Zero, which the kernel's verifier does not know: see
    /// [`LoadBytes::forget`](crate::packet::LoadBytes::forget).
    pub zero: u32,
    /// The tunnels that are taken off, by the programs that take any off.
    pub tunnels: Tunnels,
    /// Where the attachment's row of rings begins, a multiple of [`MAX_SHARDS`].
    pub rings: u32,
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

/// What the program for ports that receive copies is told besides [`Settings`].
///
/// Zeroed settings end frames for other stations than 0, and what comes in a tunnel.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TapSettings {
    /// The port's own Ethernet address.
    pub own: [u8; 6],
    /// Whether copies go on to the kernel's network stack (1) or end at the port (0).
    pub pass: u8,
    /// Zero.
    pub reserved: u8,
}

impl TapSettings {
    /// Whether a frame with this Ethernet destination is for another station, and so a copy: to one
    /// station, and not to this port. Broadcasts and multicasts may be for this port as well.
    #[must_use]
    #[inline(always)]
    pub const fn is_for_another(&self, destination: [u8; 6]) -> bool {
        let [first, b, c, d, e, f] = destination;
        let number = u64::from_ne_bytes([first, b, c, d, e, f, 0, 0]);
        let [g, h, i, j, k, l] = self.own;
        let own = u64::from_ne_bytes([g, h, i, j, k, l, 0, 0]);
        first & 1 == 0 && number != own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_station_that_is_not_this_port_is_another() {
        let tap = TapSettings {
            own: [2, 0, 0, 0, 0, 9],
            ..TapSettings::default()
        };
        assert!(tap.is_for_another([2, 0, 0, 0, 0, 8]));
        assert!(tap.is_for_another([4, 0, 0, 0, 0, 9]));
        assert!(!tap.is_for_another(tap.own));
        assert!(!tap.is_for_another([0xff; 6]), "broadcast");
        assert!(!tap.is_for_another([0x33, 0x33, 0, 0, 0, 1]), "multicast");
    }
}
