//! The header walk: from a frame's first byte to its TCP payload.
//!
//! Written by hand and not taken from a packet crate, because this very code has to pass the
//! kernel's verifier: no panics, bounded loops, no slices of unknown length. It reads through
//! [`LoadBytes`] in whole fixed headers, so the kernel pays one bounds check for each.
//!
//! What surely is not TCP over IP ends as [`Walk::NotTcp`]; what may be and cannot be followed
//! ends as [`Walk::Unparsable`], with its reason. A payload range never leaves the packet.
//! Addresses are read in a second step ([`TcpSegment::addresses`]): most segments that an interface
//! carries are told apart by their port and need no more.
//!
//! [`walk`] takes a packet as it stands, as a pod receives it. [`walk_inside`] takes tunnels off
//! first, for ports that receive copies of other machines' traffic. [`open`] takes off one, for readers of
//! capture files, who put fragments together on the way and name what they do not follow.

mod ip;
mod link;
mod tcp;
mod tunnel;

pub use ip::{Addresses, Network, Upper, upper};
pub use tcp::search_multipath_option;
pub use tunnel::{Inside, MAX_TUNNELS, Opened, Tunnels, is_followed, open, walk_inside};

/// The largest length that an IPv4 header can say (RFC 791 section 3.1).
const MAX_IP_LEN: usize = 65_535;

/// A packet whose bytes can be read at an offset, as far as it goes.
pub trait LoadBytes {
    /// The `N` bytes at `offset`, or `None` if the packet ends before.
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// The packet's length in bytes, paged data included. For a capture cut at a snap length, its
    /// length on the wire: the walk needs the headers only.
    fn total_len(&self) -> usize;

    /// Whether an IP packet of `len` bytes may say that its length is 0, as BIG TCP has it where 16 bits
    /// do not hold the length. From the wire no such packet comes: Linux takes it for one without content.
    #[inline(always)]
    fn may_lack_length(&self, len: usize) -> bool {
        len > MAX_IP_LEN
    }

    /// `value`, of which a verifier that follows the walk forgets what it knows: the ways that led to
    /// it are one from here on, and not to be followed further each on its own. Costs nothing where
    /// there is no verifier, or few ways.
    #[inline(always)]
    fn forget(&self, value: usize) -> usize {
        value
    }
}

impl LoadBytes for [u8] {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let bytes = self.get(offset..offset.checked_add(N)?)?;
        bytes.try_into().ok()
    }

    fn total_len(&self) -> usize {
        self.len()
    }
}

/// What a packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header, with up to two VLAN tags.
    Ethernet,
    /// The IP header: its version nibble tells which.
    Ip,
}

/// What the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Not TCP over IP.
    NotTcp,
    /// It may be TCP, but its headers cannot be followed.
    Unparsable(Unparsable),
    /// A whole TCP segment.
    Tcp(TcpSegment),
}

/// The fields of a TCP segment that matter to the mirror, in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment {
    /// The network protocol that carries it.
    pub network: Network,
    /// Where the IP header begins, in bytes from the packet's first.
    pub network_offset: usize,
    /// TCP source port, in the host's byte order.
    pub source_port: u16,
    /// TCP destination port, in the host's byte order.
    pub destination_port: u16,
    /// TCP sequence number of the segment, in the host's byte order.
    pub sequence: u32,
    /// Acknowledgment number; meaningful only with the ACK flag.
    pub acknowledgment: u32,
    /// TCP flags, as in the header's 14th byte: see [`crate::record::flag`].
    pub flags: u8,
    /// Urgent pointer; meaningful only with the URG flag.
    pub urgent: u16,
    /// Bytes of TCP options, at most 40, which end where the payload begins.
    pub options_len: usize,
    /// Where the payload begins, in bytes from the packet's first.
    pub payload_offset: usize,
    /// Payload bytes, at most [`MAX_SEGMENT`](crate::record::MAX_SEGMENT). Link-layer padding is
    /// not payload.
    pub payload_len: usize,
}

/// Why a packet that may be a TCP segment could not be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Unparsable {
    /// The packet ends inside a header.
    Truncated = 0,
    /// A length or version field contradicts the packet.
    Malformed = 1,
    /// An IP fragment: its payload is not a whole segment.
    Fragment = 2,
    /// More IPv6 extension headers than the walk follows.
    TooManyHeaders = 3,
}

impl Unparsable {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Truncated,
        Self::Malformed,
        Self::Fragment,
        Self::TooManyHeaders,
    ];
}

/// Why the walk stopped before a TCP payload.
enum Stop {
    NotTcp,
    Unparsable(Unparsable),
}

/// The bytes that an IP packet carries: a TCP segment's, or a tunnel's.
struct Carried {
    network: Network,
    network_offset: usize,
    /// Where its header begins.
    start: usize,
    /// Where the IP packet ends.
    end: usize,
}

/// Follows the headers of a packet to its TCP payload.
#[must_use]
#[inline(always)]
pub fn walk<P: LoadBytes + ?Sized>(packet: &P, link: Link) -> Walk {
    let found = match link::network(packet, link) {
        Ok((network, start)) => segment(packet, network, start),
        Err(stop) => Err(stop),
    };
    found.into()
}

/// The segment in the IP packet at `start`.
#[inline(always)]
fn segment<P: LoadBytes + ?Sized>(
    packet: &P,
    network: Network,
    start: usize,
) -> Result<TcpSegment, Stop> {
    let (_, carried) = ip::carried(packet, network, start, |protocol| protocol == ip::TCP)?;
    let carried = Carried {
        network_offset: packet.forget(carried.network_offset),
        start: packet.forget(carried.start),
        end: packet.forget(carried.end),
        ..carried
    };
    tcp::segment(packet, &carried)
}

impl From<Result<TcpSegment, Stop>> for Walk {
    #[inline(always)]
    fn from(found: Result<TcpSegment, Stop>) -> Self {
        match found {
            Ok(segment) => Self::Tcp(segment),
            Err(Stop::NotTcp) => Self::NotTcp,
            Err(Stop::Unparsable(reason)) => Self::Unparsable(reason),
        }
    }
}

/// The header of `N` bytes at `offset`, which the packet must have.
#[inline(always)]
fn header<const N: usize, P: LoadBytes + ?Sized>(
    packet: &P,
    offset: usize,
) -> Result<[u8; N], Stop> {
    packet
        .load(offset)
        .ok_or(Stop::Unparsable(Unparsable::Truncated))
}
