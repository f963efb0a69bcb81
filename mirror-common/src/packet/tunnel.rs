//! Taking tunnels off: the frame that a copy of traffic travels in, removed.
//!
//! Switches, TAP aggregators and clouds send copies in VXLAN (RFC 7348), Geneve (RFC 8926), GRE
//! (RFC 2784, RFC 2890) and Cisco's ERSPAN over it (types I, II and III), or as IP in IP (RFC 2003, RFC
//! 4213). Up to [`MAX_TUNNELS`] are taken off: one of the mirroring, and one of the mirrored network's
//! own overlay.
//!
//! The virtual network's number is not looked at: a connection is known by its inner addresses and
//! ports, so two networks with the same addresses behind one port are not told apart. A fragment of
//! an outer packet is no whole frame; fragments of any UDP datagram count as such, since only the
//! first tells its port.

use core::ops::Range;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    Carried, Link, LoadBytes, Network, Stop, TcpSegment, Unparsable, Walk, header, ip, link,
    segment, tcp,
};

/// The most tunnels that are taken off, one in the other.
pub const MAX_TUNNELS: usize = 2;

/// Protocol numbers of what a tunnel is carried by.
const IPV4_IN_IP: u8 = 4;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;

const UDP_HEADER: usize = 8;
const VXLAN_HEADER: usize = 8;
/// The I flag, without which it is no VXLAN (RFC 7348 section 5).
const VXLAN_VALID: u8 = 0x08;
const GENEVE_HEADER: usize = 8;
/// The O bit: a control packet, not a tenant's frame (RFC 8926 section 3.4).
const GENEVE_CONTROL: u8 = 0x80;

const GRE_HEADER: usize = 4;
const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_VERSION: u16 = 0x0007;

/// Protocol types in GRE and Geneve.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

const ERSPAN_II_HEADER: usize = 8;
const ERSPAN_III_HEADER: usize = 12;
/// What follows an ERSPAN III header with the O bit set.
const ERSPAN_III_PLATFORM: usize = 8;

/// The UDP ports of tunnels. GRE, ERSPAN and IP in IP have protocol numbers of their own.
///
/// 0 is no port: such tunnels stay on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Tunnels {
    /// The destination port of VXLAN, in host byte order. IANA's is 4789.
    pub vxlan: u16,
    /// The destination port of Geneve, in host byte order. IANA's is 6081.
    pub geneve: u16,
}

impl Default for Tunnels {
    /// The ports that IANA has assigned.
    fn default() -> Self {
        Self {
            vxlan: 4789,
            geneve: 6081,
        }
    }
}

/// What the walk found, and how far inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// How many tunnels were taken off, at most [`MAX_TUNNELS`].
    pub tunnels: usize,
    /// What is in the innermost.
    pub found: Walk,
}

/// As [`walk`](super::walk), with tunnels taken off.
#[must_use]
#[inline(always)]
pub fn walk_inside<P: LoadBytes + ?Sized>(packet: &P, link: Link, ports: Tunnels) -> Inside {
    let mut tunnels = 0;
    let found = follow(packet, link, ports, &mut tunnels);
    Inside {
        tunnels,
        found: found.into(),
    }
}

/// What became of opening a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A tunnel.
    Tunnel {
        /// What its content begins with.
        begins: Link,
        /// Where that is, in bytes from the packet's first.
        content: Range<usize>,
    },
    /// No tunnel, or none that is taken off.
    Closed,
    /// It may be a tunnel, but its headers cannot be followed.
    Unparsable(Unparsable),
}

/// Takes one tunnel off: the one that the IP packet carries which `packet` begins with.
#[must_use]
pub fn open<P: LoadBytes + ?Sized>(packet: &P, ports: Tunnels) -> Opened {
    match opened(packet, ports) {
        Ok((begins, content)) => Opened::Tunnel { begins, content },
        Err(Stop::NotTcp) => Opened::Closed,
        Err(Stop::Unparsable(reason)) => Opened::Unparsable(reason),
    }
}

fn opened<P: LoadBytes + ?Sized>(packet: &P, ports: Tunnels) -> Result<(Link, Range<usize>), Stop> {
    let (network, start) = link::network(packet, Link::Ip)?;
    let is_tunnel = |protocol| protocol != ip::TCP && is_followed(protocol);
    let (protocol, carried) = ip::carried(packet, network, start, is_tunnel)?;
    let (begins, inner) = enter(packet, protocol, &carried, ports)?;
    if inner > carried.end {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    let content = inner..carried.end;
    let Begins::Ip(network) = begins else {
        return Ok((Link::Ethernet, content));
    };
    let [first] = header(packet, inner)?;
    match (network, first >> 4) {
        (Network::V4, 4) | (Network::V6, 6) => Ok((Link::Ip, content)),
        _ => Err(Stop::Unparsable(Unparsable::Malformed)),
    }
}

#[inline(always)]
fn follow<P: LoadBytes + ?Sized>(
    packet: &P,
    link: Link,
    ports: Tunnels,
    tunnels: &mut usize,
) -> Result<TcpSegment, Stop> {
    let (mut network, mut start) = link::network(packet, link)?;
    let mut end = packet.total_len();
    for _ in 0..MAX_TUNNELS {
        let part = Part { packet, end };
        let (protocol, carried) = ip::carried(&part, network, start, is_followed)?;
        let carried = Carried {
            start: packet.forget(carried.start),
            end: packet.forget(carried.end),
            ..carried
        };
        if protocol == ip::TCP {
            return tcp::segment(&part, &carried);
        }
        let (begins, inner) = enter(&part, protocol, &carried, ports)?;
        *tunnels += 1;
        end = carried.end;
        start = packet.forget(inner);
        network = match begins {
            Begins::Ip(network) => network,
            Begins::Ethernet => {
                let (network, inner) = link::ethernet(&Part { packet, end }, start)?;
                start = packet.forget(inner);
                network
            }
        };
    }
    segment(&Part { packet, end }, network, start)
}

/// Whether the protocol of this number is TCP, or may carry a tunnel.
#[must_use]
#[inline(always)]
pub const fn is_followed(protocol: u8) -> bool {
    matches!(protocol, ip::TCP | UDP | GRE | IPV4_IN_IP | IPV6_IN_IP)
}

/// A packet up to where the one around it ends: what follows is padding.
struct Part<'a, P: ?Sized> {
    packet: &'a P,
    end: usize,
}

impl<P: LoadBytes + ?Sized> LoadBytes for Part<'_, P> {
    /// Headers that reach into the padding are seen by the lengths of what they are in.
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.packet.load(offset)
    }

    #[inline(always)]
    fn total_len(&self) -> usize {
        self.end
    }

    #[inline(always)]
    fn may_lack_length(&self, len: usize) -> bool {
        self.packet.may_lack_length(len)
    }

    #[inline(always)]
    fn forget(&self, value: usize) -> usize {
        self.packet.forget(value)
    }
}

/// What a tunnel's content begins with.
enum Begins {
    Ethernet,
    Ip(Network),
}

/// What is in the tunnel, and where it begins.
#[inline(always)]
fn enter<P: LoadBytes + ?Sized>(
    packet: &P,
    protocol: u8,
    carried: &Carried,
    ports: Tunnels,
) -> Result<(Begins, usize), Stop> {
    match protocol {
        UDP => udp(packet, carried, ports),
        GRE => gre(packet, carried),
        IPV4_IN_IP => Ok((Begins::Ip(Network::V4), carried.start)),
        _ => Ok((Begins::Ip(Network::V6), carried.start)),
    }
}

#[inline(always)]
fn udp<P: LoadBytes + ?Sized>(
    packet: &P,
    carried: &Carried,
    ports: Tunnels,
) -> Result<(Begins, usize), Stop> {
    let [_, _, high, low] = header(packet, carried.start)?;
    let port = u16::from_be_bytes([high, low]);
    let start = carried.start + UDP_HEADER;
    if port == 0 {
        return Err(Stop::NotTcp);
    }
    if port == ports.vxlan {
        let [flags, ..] = header::<VXLAN_HEADER, _>(packet, start)?;
        if flags & VXLAN_VALID == 0 {
            return Err(Stop::NotTcp);
        }
        return Ok((Begins::Ethernet, start + VXLAN_HEADER));
    }
    if port == ports.geneve {
        let [version_len, bits, high, low] = header(packet, start)?;
        if version_len >> 6 != 0 || bits & GENEVE_CONTROL != 0 {
            return Err(Stop::NotTcp);
        }
        let options = usize::from(version_len & 0x3f) * 4;
        let begins = begins(u16::from_be_bytes([high, low]))?;
        return Ok((begins, start + GENEVE_HEADER + options));
    }
    Err(Stop::NotTcp)
}

#[inline(always)]
fn gre<P: LoadBytes + ?Sized>(packet: &P, carried: &Carried) -> Result<(Begins, usize), Stop> {
    let [flags0, flags1, high, low] = header(packet, carried.start)?;
    let flags = u16::from_be_bytes([flags0, flags1]);
    // Version 1 is PPTP's, which carries PPP (RFC 2637 section 4.1).
    if flags & GRE_VERSION != 0 {
        return Err(Stop::NotTcp);
    }
    // Source routes of RFC 1701, which RFC 2784 section 2.3 has receivers discard.
    if flags & GRE_ROUTING != 0 {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    let optional = |bit| usize::from(flags & bit != 0) * 4;
    let options = optional(GRE_CHECKSUM) + optional(GRE_KEY) + optional(GRE_SEQUENCE);
    let start = carried.start + GRE_HEADER + options;
    match u16::from_be_bytes([high, low]) {
        // Type I has no header of its own, and no sequence number by which it is told from II.
        ERSPAN if flags & GRE_SEQUENCE == 0 => Ok((Begins::Ethernet, start)),
        ERSPAN => Ok((Begins::Ethernet, start + ERSPAN_II_HEADER)),
        ERSPAN_III => erspan_iii(packet, start),
        protocol => Ok((begins(protocol)?, start)),
    }
}

/// `draft-foschiano-erspan-03` section 4.3: the last two bytes say what kind of frame follows (FT)
/// and whether a platform's header stands before it (O).
#[inline(always)]
fn erspan_iii<P: LoadBytes + ?Sized>(packet: &P, start: usize) -> Result<(Begins, usize), Stop> {
    let [high, low] = header(packet, start + ERSPAN_III_HEADER - 2)?;
    let platform = usize::from(low & 1) * ERSPAN_III_PLATFORM;
    let start = start + ERSPAN_III_HEADER + platform;
    match (high >> 2) & 0x1f {
        0 => Ok((Begins::Ethernet, start)),
        2 => match header(packet, start)? {
            [first] if first >> 4 == 4 => Ok((Begins::Ip(Network::V4), start)),
            _ => Ok((Begins::Ip(Network::V6), start)),
        },
        _ => Err(Stop::NotTcp),
    }
}

#[inline(always)]
const fn begins(protocol: u16) -> Result<Begins, Stop> {
    match protocol {
        IPV4 => Ok(Begins::Ip(Network::V4)),
        IPV6 => Ok(Begins::Ip(Network::V6)),
        ETHERNET => Ok(Begins::Ethernet),
        _ => Err(Stop::NotTcp),
    }
}
