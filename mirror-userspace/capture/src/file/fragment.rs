//! One IP fragment: IPv4 (RFC 791 section 3.2), or IPv6 with its fragment header (RFC 8200
//! section 4.5).

use std::ops::Range;

use mirror_common::packet::is_followed;

/// The longest IP packet that fragments can make (RFC 791 section 3.1).
const MAX_DATAGRAM: usize = 65_535;

/// What tells the fragments of one datagram from others (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) addresses: [u8; 32],
    pub(super) identification: u32,
    pub(super) version: u8,
    /// Of what is in the datagram: for IPv6 no part of what tells them apart, but the same in all.
    pub(super) protocol: u8,
}

/// One fragment of a TCP segment, or of what may carry a tunnel.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub(super) key: Key,
    /// The header of a packet that this fragment starts, its length and its fragment fields to be
    /// set right.
    pub(super) header: &'a [u8],
    /// Where its payload belongs.
    pub(super) place: Range<u32>,
    pub(super) more: bool,
    pub(super) payload: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads a fragment of what is followed; `None` if it is not one, or not whole.
    pub(super) fn parse(packet: &'a [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => parse_v4(packet),
            6 => parse_v6(packet),
            _ => None,
        }
    }

    /// `None` if it reaches further than any packet does.
    fn new(key: Key, header: &'a [u8], offset: u16, more: bool, payload: &'a [u8]) -> Option<Self> {
        let start = u32::from(offset);
        let end = start + u32::try_from(payload.len()).ok()?;
        (end as usize + header.len() <= MAX_DATAGRAM).then_some(Self {
            key,
            header,
            place: start..end,
            more,
            payload,
        })
    }
}

fn parse_v4(packet: &[u8]) -> Option<Fragment<'_>> {
    let &[
        version_ihl,
        _,
        len0,
        len1,
        id0,
        id1,
        place0,
        place1,
        _,
        protocol,
        _,
        _,
        ref addresses @ ..,
    ] = packet.first_chunk::<20>()?;
    if !is_followed(protocol) {
        return None;
    }
    let header = usize::from(version_ihl & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([len0, len1]));
    let place = u16::from_be_bytes([place0, place1]);
    let more = place & 0x2000 != 0;
    let mut payload = packet.get(header..total)?;
    if more {
        // Linux cuts what is not a multiple of 8 off a fragment that is not the last.
        payload = payload.get(..payload.len() & !7)?;
    }
    let mut key = Key {
        addresses: [0; 32],
        identification: u32::from(u16::from_be_bytes([id0, id1])),
        version: 4,
        protocol,
    };
    key.addresses.get_mut(..8)?.copy_from_slice(addresses);
    let header = packet.get(..header).filter(|header| header.len() >= 20)?;
    Fragment::new(key, header, (place & 0x1fff) << 3, more, payload)
}

/// The most extension headers before the fragment header that are followed.
const MAX_EXTENSIONS: usize = 6;
/// The fixed header, which is all that the whole packet keeps of the headers.
const IPV6_HEADER: usize = 40;

fn parse_v6(packet: &[u8]) -> Option<Fragment<'_>> {
    let &[_, _, _, _, len0, len1, mut next, _, ref addresses @ ..] =
        packet.first_chunk::<IPV6_HEADER>()?;
    let total = IPV6_HEADER + usize::from(u16::from_be_bytes([len0, len1]));
    let mut at = IPV6_HEADER;
    for _ in 0..MAX_EXTENSIONS {
        let &[following, len, place0, place1, ref id @ ..] =
            packet.get(at..)?.first_chunk::<8>()?;
        match next {
            // Hop-by-hop options, routing, destination options
            0 | 43 | 60 => (next, at) = (following, at + 8 + usize::from(len) * 8),
            44 => {
                let place = u16::from_be_bytes([place0, place1]);
                let more = place & 1 != 0;
                let payload = packet.get(at + 8..total)?;
                // RFC 8200 section 4.5: every fragment but the last is a multiple of 8 long.
                if !is_followed(following) || (more && !payload.len().is_multiple_of(8)) {
                    return None;
                }
                let key = Key {
                    addresses: *addresses,
                    identification: u32::from_be_bytes(*id.first_chunk()?),
                    version: 6,
                    protocol: following,
                };
                let header = packet.get(..IPV6_HEADER)?;
                return Fragment::new(key, header, place & 0xfff8, more, payload);
            }
            _ => return None,
        }
    }
    None
}
