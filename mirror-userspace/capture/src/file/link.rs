//! Finds the IP packet in a captured frame; what precedes it depends on the interface's link type.

use std::fmt;

use super::other::Other;

/// A link type, by its number in the tcpdump.org registry (not the DLT numbers of a system).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback, the address family in the byte order of the machine that captured.
    pub const NULL: Self = Self(0);
    /// Ethernet (IEEE 802.3).
    pub const ETHERNET: Self = Self(1);
    /// Raw IP as OpenBSD and others wrote it before 101 was assigned.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP, version 4 or 6.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback, the address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux "cooked" capture, version 1 (`tcpdump -i any`).
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4, without a link layer.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6, without a link layer.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log messages (`tcpdump -i nflog:1`).
    pub const NFLOG: Self = Self(239);
    /// Linux "cooked" capture, version 2 (libpcap 1.10 and later).
    pub const LINUX_SLL2: Self = Self(276);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NULL => "BSD loopback",
            Self::ETHERNET => "Ethernet",
            Self(9) => "PPP",
            Self::RAW | Self::RAW_BSD => "raw IP",
            Self(105) => "IEEE 802.11",
            Self::LOOP => "OpenBSD loopback",
            Self::LINUX_SLL => "Linux cooked",
            Self(127) => "IEEE 802.11 with radiotap",
            Self::IPV4 => "raw IPv4",
            Self::IPV6 => "raw IPv6",
            Self::NFLOG => "NFLOG",
            Self(249) => "USBPcap",
            Self(252) => "Wireshark upper PDU",
            Self::LINUX_SLL2 => "Linux cooked, version 2",
            Self(number) => return write!(f, "{number}"),
        };
        write!(f, "{} ({name})", self.0)
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// An IP packet, which begins so many bytes into the frame.
    Ip(usize),
    /// A payload that is not IP, by what it is.
    Other(Other),
    /// Nobody knows: the link type is not one of ours.
    UnknownLink,
}

/// Finds the IP packet in a frame.
pub(super) fn peel(link: LinkType, frame: &[u8]) -> Carried {
    match link {
        LinkType::ETHERNET => behind_ethertype(frame, 12, 14),
        LinkType::LINUX_SLL => behind_ethertype(frame, 14, 16),
        LinkType::LINUX_SLL2 => behind_ethertype(frame, 0, 20),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::IPV4 | LinkType::IPV6 => Carried::Ip(0),
        LinkType::NULL | LinkType::LOOP => behind_family(frame),
        LinkType::NFLOG => behind_attributes(frame),
        _ => Carried::UnknownLink,
    }
}

/// The most VLAN tags that are peeled.
const MAX_TAGS: usize = 4;

/// The largest number in an EtherType's place that is a length (IEEE 802.3 section 3.2.6); Linux's cooked
/// header has small numbers there for frames of the same kind.
const MAX_LENGTH: u16 = 1_500;

/// Follows an EtherType at `at` and the VLAN tags from `payload` on.
fn behind_ethertype(frame: &[u8], mut at: usize, mut payload: usize) -> Carried {
    for _ in 0..=MAX_TAGS {
        let Some(&[high, low]) = frame.get(at..at + 2) else {
            return Carried::Other(Other::CutInHeader);
        };
        match u16::from_be_bytes([high, low]) {
            // IPv4, IPv6
            0x0800 | 0x86dd => return Carried::Ip(payload),
            // IEEE 802.1Q, 802.1ad, and the number that came before 802.1ad: two bytes of tag
            // control information, then the next EtherType.
            0x8100 | 0x88a8 | 0x9100 => (at, payload) = (payload + 2, payload + 4),
            ..=MAX_LENGTH => return Carried::Other(Other::Llc),
            other => return Carried::Other(Other::EtherType(other)),
        }
    }
    Carried::Other(Other::TooManyVlans)
}

/// Follows a 4-byte address family, in either byte order. `AF_INET` is 2 everywhere, `AF_INET6` is
/// 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin.
fn behind_family(frame: &[u8]) -> Carried {
    match frame {
        [2 | 10 | 24 | 28 | 30, 0, 0, 0, ..] | [0, 0, 0, 2 | 10 | 24 | 28 | 30, ..] => {
            Carried::Ip(4)
        }
        [_, _, _, _, ..] => Carried::Other(Other::Family),
        _ => Carried::Other(Other::CutInHeader),
    }
}

/// Finds the payload among the attributes of a netfilter log message. Lengths and types are in the
/// byte order of the machine that captured; types are small, which tells it.
fn behind_attributes(frame: &[u8]) -> Carried {
    const HEADER: usize = 4;
    const PAYLOAD: u16 = 9;
    let mut at = HEADER;
    // Each attribute takes at least four bytes of the frame.
    while let Some(&[l0, l1, t0, t1]) = frame.get(at..).and_then(<[u8]>::first_chunk) {
        let little = u16::from_le_bytes([t0, t1]);
        let (len, kind) = if little < 0x100 {
            (u16::from_le_bytes([l0, l1]), little)
        } else {
            (u16::from_be_bytes([l0, l1]), u16::from_be_bytes([t0, t1]))
        };
        if kind == PAYLOAD {
            return Carried::Ip(at + 4);
        }
        at += usize::from(len).max(4).next_multiple_of(4);
    }
    Carried::Other(Other::CutInHeader)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Carried = Carried::Other(Other::CutInHeader);

    #[test]
    fn vlan_tags_are_peeled_in_any_number_up_to_the_limit() {
        for tags in 0..=6 {
            let mut frame = vec![0; 12];
            for _ in 0..tags {
                frame.extend([0x81, 0x00, 0x00, 0x07]);
            }
            frame.extend([0x08, 0x00, 0x45]);
            let expected = if tags <= MAX_TAGS {
                Carried::Ip(14 + 4 * tags)
            } else {
                Carried::Other(Other::TooManyVlans)
            };
            assert_eq!(peel(LinkType::ETHERNET, &frame), expected, "{tags} tags");
        }
    }

    #[test]
    fn a_frame_cut_anywhere_in_its_header_is_nothing() {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0x00, 0x00, 0x07, 0x86, 0xdd]);
        for cut in 0..frame.len() {
            assert_eq!(peel(LinkType::ETHERNET, &frame[..cut]), CUT);
        }
        assert_eq!(peel(LinkType::ETHERNET, &frame), Carried::Ip(18));
        for cut in 0..4 {
            assert_eq!(peel(LinkType::NULL, &[2, 0, 0, 0][..cut]), CUT);
        }
    }

    #[test]
    fn loopback_families_are_read_in_both_byte_orders() {
        for family in [2, 10, 24, 28, 30_u32] {
            assert_eq!(peel(LinkType::NULL, &family.to_le_bytes()), Carried::Ip(4));
            assert_eq!(peel(LinkType::NULL, &family.to_be_bytes()), Carried::Ip(4));
            assert_eq!(peel(LinkType::LOOP, &family.to_be_bytes()), Carried::Ip(4));
        }
        let other = peel(LinkType::NULL, &7_u32.to_le_bytes());
        assert_eq!(other, Carried::Other(Other::Family));
    }

    #[test]
    fn the_payload_of_a_log_message_is_found_behind_other_attributes() {
        let little = [2, 0, 0, 1, 6, 0, 10, 0, b'x', 0, 0, 0, 5, 0, 9, 0, 0x45];
        let big = [2, 0, 0, 1, 0, 6, 0, 10, b'x', 0, 0, 0, 0, 5, 0, 9, 0x45];
        for message in [little, big] {
            assert_eq!(peel(LinkType::NFLOG, &message), Carried::Ip(16));
            for cut in 0..16 {
                assert_eq!(peel(LinkType::NFLOG, &message[..cut]), CUT);
            }
        }
        assert_eq!(peel(LinkType::NFLOG, &[0; 100]), CUT, "no lengths");
    }

    #[test]
    fn a_link_type_prints_its_number_and_its_name_if_it_is_common() {
        assert_eq!(LinkType(239).to_string(), "239 (NFLOG)");
        assert_eq!(LinkType(60_000).to_string(), "60000");
    }
}
