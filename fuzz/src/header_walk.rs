//! The walk that the kernel program does, over any packet and any cut of it.

use mirror_common::packet::{Link, LoadBytes, Tunnels, Walk, walk, walk_inside};

/// A packet of which only the first bytes are there, as a snap length leaves it.
struct Snapped<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl LoadBytes for Snapped<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.load(offset)
    }

    fn total_len(&self) -> usize {
        self.len
    }
}

/// The first byte says what the packet begins with and how much of it is missing.
pub fn run(data: &[u8]) {
    let Some((choice, packet)) = data.split_first() else {
        return;
    };
    let link = if choice & 1 == 0 {
        Link::Ethernet
    } else {
        Link::Ip
    };
    let whole = walk(packet, link);
    check(whole, packet.len());
    if let Walk::Tcp(segment) = whole {
        assert!(segment.addresses(packet).is_some());
    }

    let inside = walk_inside(packet, link, Tunnels::default());
    check(inside.found, packet.len());
    if let Walk::Tcp(segment) = inside.found {
        assert!(segment.addresses(packet).is_some());
    }
    // What is in no tunnel is what it would be without looking for one.
    if inside.tunnels == 0
        && let Walk::Tcp(segment) = inside.found
    {
        assert_eq!(Walk::Tcp(segment), whole);
    }

    let kept = packet.len().saturating_sub(usize::from(choice >> 1));
    let snapped = Snapped {
        bytes: &packet[..kept],
        len: packet.len(),
    };
    let cut = walk(&snapped, link);
    check(cut, packet.len());
    // Less of the packet can only make the walk fail, never find something else.
    if let Walk::Tcp(segment) = cut {
        assert_eq!(Walk::Tcp(segment), whole);
    }
    let cut = walk_inside(&snapped, link, Tunnels::default());
    check(cut.found, packet.len());
    if let Walk::Tcp(_) = cut.found {
        assert_eq!(cut, inside);
    }
}

fn check(found: Walk, len: usize) {
    if let Walk::Tcp(segment) = found {
        assert!(segment.network_offset < segment.payload_offset);
        assert!(segment.payload_offset + segment.payload_len <= len);
    }
}
