//! From a captured frame down to its segment: through the link layer, tunnels and fragments, in
//! whatever order they come.
//!
//! Tunnels are those of ports that receive copies ([`mirror_common::packet::open`]), and as many.

use mirror_common::packet::{self, Link, MAX_TUNNELS, Opened, Tunnels, Unparsable, Walk};
use mirror_core::segment::Time;

use super::{
    checksum::Sum,
    found::{Cut, Found, PacketIn},
    fragments::Fragments,
    link::{self, Carried, LinkType},
    other::Other,
};

/// What a frame came down to.
#[derive(Debug)]
pub(super) enum Down {
    /// A segment, and what its checksums say.
    Segment(Found, Sum),
    /// A segment with addresses that no packet on a wire may have.
    ForgedAddress,
    /// A fragment, which counts among fragments.
    Fragment,
    /// Anything but TCP over IP, by what it is.
    Other(Other),
    /// It may be TCP, but its headers can't be followed.
    Unparsable,
    /// A frame of a link type that is not read.
    UnreadLink(LinkType),
}

/// The way down from one frame.
pub(super) struct Descent<'a> {
    pub(super) at: Time,
    pub(super) ports: &'a [Tunnels],
    pub(super) fragments: &'a mut Fragments,
    /// How many tunnels were taken off.
    pub(super) tunnels: usize,
}

/// A frame or packet on the way, of which a snap length may have cut the end.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) wire_len: usize,
    /// Where it begins in its place.
    pub(super) offset: usize,
    pub(super) place: PacketIn,
}

impl<'a> Layer<'a> {
    /// What it carries from `start` to `end`, or to its own end.
    fn inner(self, start: usize, end: usize) -> Self {
        let end = end.min(self.wire_len);
        let there = end.min(self.bytes.len());
        Self {
            bytes: self.bytes.get(start..there).unwrap_or_default(),
            wire_len: end.saturating_sub(start),
            offset: self.offset + start,
            place: self.place,
        }
    }

    const fn cut(self) -> Cut<'a> {
        Cut {
            bytes: self.bytes,
            wire_len: self.wire_len,
        }
    }
}

impl Descent<'_> {
    /// Down from a frame of this link type.
    pub(super) fn frame(&mut self, link: LinkType, frame: Layer<'_>) -> Down {
        match link::peel(link, frame.bytes) {
            Carried::Ip(start) => self.packet(frame.inner(start, frame.wire_len)),
            Carried::Other(other) => Down::Other(other),
            Carried::UnknownLink => Down::UnreadLink(link),
        }
    }

    /// Down from an IP packet. Returns to itself for a tunnel, at most [`MAX_TUNNELS`] times, and for
    /// fragments put together, which are none any more: once a tunnel.
    fn packet(&mut self, packet: Layer<'_>) -> Down {
        match packet::walk(&packet.cut(), Link::Ip) {
            Walk::Tcp(tcp) => {
                let found = Found::new(self.at, &tcp, packet.bytes, packet.offset, packet.place);
                match found {
                    Some(found) if found.has_forged_address => Down::ForgedAddress,
                    Some(found) => Down::Segment(found, Sum::of(&packet.cut())),
                    None => Down::Unparsable,
                }
            }
            Walk::Unparsable(Unparsable::Fragment) => self.fragment(packet),
            Walk::Unparsable(_) => Down::Unparsable,
            Walk::NotTcp => self.open(packet),
        }
    }

    fn open(&mut self, packet: Layer<'_>) -> Down {
        let cut = packet.cut();
        let opened = self.ports.iter().map(|ports| packet::open(&cut, *ports));
        let opened = opened.into_iter().find(|opened| *opened != Opened::Closed);
        match opened {
            Some(Opened::Tunnel { .. }) if self.tunnels == MAX_TUNNELS => {
                Down::Other(Other::TooManyTunnels)
            }
            Some(Opened::Tunnel { begins, content }) => {
                self.tunnels += 1;
                let inner = packet.inner(content.start, content.end);
                match begins {
                    Link::Ethernet => self.frame(LinkType::ETHERNET, inner),
                    Link::Ip => self.packet(inner),
                }
            }
            Some(Opened::Unparsable(Unparsable::Fragment)) => self.fragment(packet),
            Some(Opened::Unparsable(_)) => Down::Unparsable,
            Some(Opened::Closed) | None => Down::Other(Other::of_ip(&cut)),
        }
    }

    fn fragment(&mut self, packet: Layer<'_>) -> Down {
        if !self.fragments.insert(self.at, packet.bytes) {
            return Down::Fragment;
        }
        let whole = self.fragments.take_whole();
        let down = self.packet(Layer {
            bytes: &whole,
            wire_len: whole.len(),
            offset: 0,
            place: PacketIn::Datagram,
        });
        self.fragments.keep_whole(whole);
        down
    }
}
