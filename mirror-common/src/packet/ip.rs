//! The network layer: IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200).

use super::{Carried, Link, LoadBytes, Stop, TcpSegment, Unparsable, header, link};

/// The protocol number of TCP.
pub(super) const TCP: u8 = 6;

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// "More fragments" and the fragment offset; the bits beside them do not concern us.
const IPV4_FRAGMENT: u16 = 0x3fff;

/// The IPv6 extension headers that may stand before TCP (RFC 8200 section 4, RFC 4302).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// "More fragments" and the fragment offset of an IPv6 fragment header.
const IPV6_FRAGMENT: u16 = 0xfff9;

/// Extension headers followed: RFC 8200 section 4.1 recommends an order of at most six, with
/// destination options twice.
const MAX_EXTENSIONS: usize = 6;

/// The second word of an IPv4-mapped address, and the part of it that says so.
const MAPPED: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
const MAPPED_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/// A network protocol that carries TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Internet Protocol version 4 (RFC 791).
    V4,
    /// Internet Protocol version 6 (RFC 8200).
    V6,
}

/// Who exchanges a segment: IPv4 addresses as IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2).
///
/// Kept as they lie in memory, in words: sixteen single bytes through every branch would cost the
/// kernel program more than its parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    source: [u64; 2],
    destination: [u64; 2],
}

impl Addresses {
    /// The source address; IPv4 as IPv4-mapped IPv6.
    #[must_use]
    #[inline(always)]
    pub const fn source(&self) -> [u8; 16] {
        bytes(self.source)
    }

    /// The destination address; IPv4 as IPv4-mapped IPv6.
    #[must_use]
    #[inline(always)]
    pub const fn destination(&self) -> [u8; 16] {
        bytes(self.destination)
    }

    /// Whether an IPv6 packet would pass for one of IPv4 with these addresses. No packet on a wire
    /// may have them, and Linux drops it (RFC 4291 section 2.5.5.2; `ip6_rcv_core`, Linux 5.4).
    #[must_use]
    #[inline(always)]
    pub fn pass_for_ipv4(&self) -> bool {
        let is_mapped = |address: [u64; 2]| address[0] == 0 && address[1] & MAPPED_MASK == MAPPED;
        is_mapped(self.source) || is_mapped(self.destination)
    }
}

impl TcpSegment {
    /// The addresses in the IP header of `packet`, in which the segment was found.
    ///
    /// `None` if the packet does not have them: of another packet than the walked one, or on a
    /// [`LoadBytes`] that shows less of it.
    #[must_use]
    #[inline(always)]
    pub fn addresses<P: LoadBytes + ?Sized>(&self, packet: &P) -> Option<Addresses> {
        match self.network {
            Network::V4 => Some(Addresses {
                source: mapped(packet.load(self.network_offset + 12)?),
                destination: mapped(packet.load(self.network_offset + 16)?),
            }),
            Network::V6 => Some(Addresses {
                source: words(packet.load(self.network_offset + 8)?),
                destination: words(packet.load(self.network_offset + 24)?),
            }),
        }
    }
}

/// What an IP packet carries, of whatever protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// The protocol's number.
    pub protocol: u8,
    /// Where its header begins, in bytes from the packet's first.
    pub start: usize,
    /// Where the IP packet ends.
    pub end: usize,
}

/// What the IP packet that `packet` begins with carries; `None` if it can't be told, as of fragments.
#[must_use]
pub fn upper<P: LoadBytes + ?Sized>(packet: &P) -> Option<Upper> {
    let (network, start) = link::network(packet, Link::Ip).ok()?;
    let is_upper = |protocol| !is_extension(protocol);
    let (protocol, carried) = carried(packet, network, start, is_upper).ok()?;
    Some(Upper {
        protocol,
        start: carried.start,
        end: carried.end,
    })
}

const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION | FRAGMENT
    )
}

/// What the IP packet at `start` carries, if that is of a protocol that is wanted.
#[inline(always)]
pub(super) fn carried<P: LoadBytes + ?Sized>(
    packet: &P,
    network: Network,
    start: usize,
    wanted: impl Fn(u8) -> bool,
) -> Result<(u8, Carried), Stop> {
    match network {
        Network::V4 => v4(packet, start, wanted),
        Network::V6 => v6(packet, start, wanted),
    }
}

#[inline(always)]
fn v4<P: LoadBytes + ?Sized>(
    packet: &P,
    start: usize,
    wanted: impl Fn(u8) -> bool,
) -> Result<(u8, Carried), Stop> {
    let [
        version_ihl,
        _,
        len0,
        len1,
        _,
        _,
        fragment0,
        fragment1,
        _,
        protocol,
    ] = header::<10, _>(packet, start)?;
    if version_ihl >> 4 != 4 {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    if !wanted(protocol) {
        return Err(Stop::NotTcp);
    }
    if u16::from_be_bytes([fragment0, fragment1]) & IPV4_FRAGMENT != 0 {
        return Err(Stop::Unparsable(Unparsable::Fragment));
    }
    let header_len = usize::from(version_ihl & 0xf) * 4;
    if header_len < IPV4_HEADER {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    let len = usize::from(u16::from_be_bytes([len0, len1]));
    let carried = Carried {
        network: Network::V4,
        network_offset: start,
        start: start + header_len,
        end: end(packet, start, len)?,
    };
    Ok((protocol, carried))
}

#[inline(always)]
fn v6<P: LoadBytes + ?Sized>(
    packet: &P,
    start: usize,
    wanted: impl Fn(u8) -> bool,
) -> Result<(u8, Carried), Stop> {
    let [version, _, _, _, len @ .., next, _] = header::<8, _>(packet, start)?;
    if version >> 4 != 6 {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    let (protocol, upper) = if wanted(next) {
        (next, start + IPV6_HEADER)
    } else {
        extensions(packet, start + IPV6_HEADER, next, wanted)?
    };
    // The payload length counts from behind the fixed header.
    let len = match usize::from(u16::from_be_bytes(len)) {
        0 => 0,
        len => IPV6_HEADER + len,
    };
    let carried = Carried {
        network: Network::V6,
        network_offset: start,
        start: upper,
        end: end(packet, start, len)?,
    };
    Ok((protocol, carried))
}

/// The wanted protocol behind the extension headers at `offset`, and where its header begins.
#[inline(always)]
fn extensions<P: LoadBytes + ?Sized>(
    packet: &P,
    mut offset: usize,
    mut next: u8,
    wanted: impl Fn(u8) -> bool,
) -> Result<(u8, usize), Stop> {
    let mut fragment = false;
    for _ in 0..MAX_EXTENSIONS {
        let [following, len, fragment_bits @ ..] = match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION | FRAGMENT => {
                header::<4, _>(packet, offset)?
            }
            _ => return Err(Stop::NotTcp),
        };
        offset += match next {
            AUTHENTICATION => (usize::from(len) + 2) * 4,
            FRAGMENT => 8,
            _ => (usize::from(len) + 1) * 8,
        };
        offset = packet.forget(offset);
        // A fragment header with neither offset nor more to come is a whole packet (RFC 6946).
        if next == FRAGMENT && u16::from_be_bytes(fragment_bits) & IPV6_FRAGMENT != 0 {
            fragment = true;
        }
        next = following;
        if fragment {
            // Of a later fragment, what follows is the middle of something.
            return Err(match next {
                HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION => {
                    Stop::Unparsable(Unparsable::Fragment)
                }
                _ if wanted(next) => Stop::Unparsable(Unparsable::Fragment),
                _ => Stop::NotTcp,
            });
        }
        if wanted(next) {
            return Ok((next, offset));
        }
    }
    Err(Stop::Unparsable(Unparsable::TooManyHeaders))
}

/// Where an IP packet that begins at `start` and says that it is `len` bytes long ends. Where it may
/// lack its length, the packet's own counts.
#[inline(always)]
fn end<P: LoadBytes + ?Sized>(packet: &P, start: usize, len: usize) -> Result<usize, Stop> {
    let total = packet.total_len();
    if len == 0 && total > start && packet.may_lack_length(total - start) {
        return Ok(total);
    }
    if len == 0 || start + len > total {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    Ok(start + len)
}

#[inline(always)]
const fn mapped([a, b, c, d]: [u8; 4]) -> [u64; 2] {
    words([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
}

#[inline(always)]
const fn words([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]: [u8; 16]) -> [u64; 2] {
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}

#[inline(always)]
const fn bytes([first, second]: [u64; 2]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = first.to_ne_bytes();
    let [i, j, k, l, m, n, o, p] = second.to_ne_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}
