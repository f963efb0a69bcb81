//! Names for what is no TCP over IP.

use std::fmt;

use mirror_common::packet::upper;

use super::found::Cut;

/// What a packet is that no segment was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Other {
    /// A frame that carries something else, by its EtherType.
    EtherType(u16),
    /// A frame of IEEE 802.3 whose type field is a length: LLC, and SNAP over it.
    Llc,
    /// More VLAN tags than are followed.
    TooManyVlans,
    /// Another address family behind a loopback header.
    Family,
    /// A frame that ends inside its link-layer header.
    CutInHeader,
    /// A packet without the version of IP that its link type or tunnel promises.
    NotIp,
    /// A fragment of something that is not followed.
    Fragment,
    /// An IP packet of this protocol.
    Protocol(u8),
    /// UDP, by the lower one of its ports.
    Udp(u16),
    /// What looks like VXLAN at a UDP port that was not named as VXLAN's.
    Vxlan(u16),
    /// GRE with this protocol in it.
    Gre(u16),
    /// PPTP's GRE (RFC 2637), which carries PPP.
    Pptp,
    /// A tunnel in more tunnels than are taken off.
    TooManyTunnels,
}

impl Other {
    /// What an IP packet is that neither is TCP nor carries a tunnel that is taken off.
    pub(super) fn of_ip(packet: &Cut<'_>) -> Self {
        let Some(upper) = upper(packet) else {
            return match packet.bytes.first().map(|first| first >> 4) {
                Some(4 | 6) => Self::Fragment,
                _ => Self::NotIp,
            };
        };
        let content = packet.bytes.get(upper.start..).unwrap_or_default();
        match upper.protocol {
            UDP => udp(content),
            GRE => gre(content),
            protocol => Self::Protocol(protocol),
        }
    }
}

const UDP: u8 = 17;
const GRE: u8 = 47;

fn udp(datagram: &[u8]) -> Other {
    let &[s0, s1, d0, d1, _, _, _, _, ref content @ ..] = datagram else {
        return Other::Protocol(UDP);
    };
    let destination = u16::from_be_bytes([d0, d1]);
    if is_vxlan(content) {
        return Other::Vxlan(destination);
    }
    Other::Udp(destination.min(u16::from_be_bytes([s0, s1])))
}

/// Whether it begins as VXLAN does (RFC 7348 section 5): one flag, reserved bytes of 0, and a frame of
/// IPv4, IPv6 or ARP, perhaps in a VLAN.
fn is_vxlan(content: &[u8]) -> bool {
    let [0x08, 0, 0, 0, _, _, _, 0, frame @ ..] = content else {
        return false;
    };
    matches!(
        frame.get(12..14),
        Some([0x08, 0 | 6] | [0x86, 0xdd] | [0x81, 0])
    )
}

fn gre(packet: &[u8]) -> Other {
    match packet {
        [_, version, ..] if version & 7 == 1 => Other::Pptp,
        [_, _, high, low, ..] => Other::Gre(u16::from_be_bytes([*high, *low])),
        _ => Other::Protocol(GRE),
    }
}

/// The key of the ledger's row.
impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::EtherType(0x0806) => "arp",
            Self::EtherType(0x8847 | 0x8848) => "mpls",
            Self::EtherType(0x8863 | 0x8864) => "pppoe",
            Self::EtherType(tag @ (0x9200 | 0x9300)) => return write!(f, "vlan_0x{tag:04x}"),
            Self::EtherType(0x88cc) => "lldp",
            Self::EtherType(0x888e) => "eapol",
            Self::EtherType(0x88e5) => "macsec",
            Self::EtherType(0x88e7) => "pbb",
            Self::EtherType(0x894f) => "nsh",
            Self::EtherType(number) => return write!(f, "ethertype_0x{number:04x}"),
            Self::Llc => "llc",
            Self::TooManyVlans => "too_many_vlans",
            Self::Family => "address_family",
            Self::CutInHeader => "cut_in_header",
            Self::NotIp => "not_ip",
            Self::Fragment => "fragment",
            Self::Protocol(1) => "icmp",
            Self::Protocol(2) => "igmp",
            Self::Protocol(UDP) => "udp",
            Self::Protocol(GRE) => "gre",
            Self::Protocol(50) => "esp",
            Self::Protocol(58) => "icmpv6",
            Self::Protocol(89) => "ospf",
            Self::Protocol(132) => "sctp",
            Self::Protocol(number) => return write!(f, "protocol_{number}"),
            Self::Udp(port) => return write!(f, "udp_{port}"),
            Self::Vxlan(port) => return write!(f, "vxlan_at_{port}"),
            Self::Gre(protocol) => return write!(f, "gre_0x{protocol:04x}"),
            Self::Pptp => "pptp",
            Self::TooManyTunnels => "too_many_tunnels",
        })
    }
}
