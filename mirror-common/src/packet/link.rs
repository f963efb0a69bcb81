//! The link layer: which network header the frame carries, and where it begins.

use super::{Link, LoadBytes, Network, Stop, header};

const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_OFFSET: usize = 12;
const VLAN_TAG: usize = 4;
/// Tags followed: one of a customer inside one of a provider (IEEE 802.1ad).
const MAX_VLAN_TAGS: usize = 2;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const PROVIDER_VLAN: u16 = 0x88a8;

/// The network protocol and the offset of its header.
#[inline(always)]
pub(super) fn network<P: LoadBytes + ?Sized>(
    packet: &P,
    link: Link,
) -> Result<(Network, usize), Stop> {
    match link {
        Link::Ethernet => ethernet(packet, 0),
        Link::Ip => bare(packet),
    }
}

/// The network protocol in the Ethernet frame at `start`, and the offset of its header.
#[inline(always)]
pub(super) fn ethernet<P: LoadBytes + ?Sized>(
    packet: &P,
    mut start: usize,
) -> Result<(Network, usize), Stop> {
    let mut ethertype = u16::from_be_bytes(header(packet, start + ETHERTYPE_OFFSET)?);
    start += ETHERNET_HEADER;
    for _ in 0..MAX_VLAN_TAGS {
        if ethertype != VLAN && ethertype != PROVIDER_VLAN {
            break;
        }
        // A tag is the control information, then the type of what follows.
        let [_, _, high, low] = header(packet, start)?;
        ethertype = u16::from_be_bytes([high, low]);
        start += VLAN_TAG;
    }
    match ethertype {
        IPV4 => Ok((Network::V4, start)),
        IPV6 => Ok((Network::V6, start)),
        _ => Err(Stop::NotTcp),
    }
}

/// Without a link-layer header (a tunnel device), the IP version nibble is all there is.
#[inline(always)]
fn bare<P: LoadBytes + ?Sized>(packet: &P) -> Result<(Network, usize), Stop> {
    let [first] = header(packet, 0)?;
    match first >> 4 {
        4 => Ok((Network::V4, 0)),
        6 => Ok((Network::V6, 0)),
        _ => Err(Stop::NotTcp),
    }
}
