//! The headers of a segment, rebuilt: Ethernet if wanted, IP and TCP without options.

use std::net::IpAddr;

use mirror_common::record::flag;
use mirror_core::segment::Segment;

use super::{
    LinkType,
    checksum::{add, fold},
};

/// The longest payload that fits an IP packet behind headers without options (RFC 791 section 3.1).
pub(super) const MAX_PAYLOAD: usize = 65_535 - IPV4_HEADER - TCP_HEADER;

const IPV4_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const TCP: u8 = 6;
const HOPS: u8 = 64;

/// What the rebuilt packets begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Ethernet, with made-up addresses: what every tool reads.
    Ethernet,
    /// The IP header, without a link layer.
    Ip,
}

impl Headers {
    pub(super) fn link(self) -> LinkType {
        match self {
            Self::Ethernet => LinkType::ETHERNET,
            Self::Ip => LinkType::RAW,
        }
    }
}

/// What one packet carries of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Where in the segment's payload it starts.
    pub(super) start: usize,
    /// How many bytes it has on the wire.
    pub(super) wire_len: usize,
    /// Those of them that were captured.
    pub(super) payload: &'a [u8],
    /// Whether the segment ends with it.
    pub(super) is_last: bool,
}

/// Appends the packet that carries `piece` of `segment`.
pub(super) fn rebuild(
    headers: Headers,
    segment: &Segment<'_>,
    piece: &Piece<'_>,
    out: &mut Vec<u8>,
) {
    let (client, server) = (segment.flow.client, segment.flow.server);
    // A TCP segment is at most MAX_PAYLOAD + TCP_HEADER long here.
    let len = u16::try_from(TCP_HEADER + piece.wire_len).unwrap_or(u16::MAX);
    if let (IpAddr::V4(source), IpAddr::V4(destination)) = (client.ip(), server.ip()) {
        ethernet(headers, [0x08, 0x00], out);
        ipv4(len, source.octets(), destination.octets(), out);
        let pseudo = [source.octets(), destination.octets()].concat();
        tcp(segment, piece, add(&pseudo, pseudo_tail(len)), out);
    } else {
        ethernet(headers, [0x86, 0xdd], out);
        out.extend([0x60, 0, 0, 0]);
        out.extend(len.to_be_bytes());
        out.extend([TCP, HOPS]);
        out.extend(client.address);
        out.extend(server.address);
        let pseudo = [client.address, server.address].concat();
        tcp(segment, piece, add(&pseudo, pseudo_tail(len)), out);
    }
}

fn ethernet(headers: Headers, ethertype: [u8; 2], out: &mut Vec<u8>) {
    if headers == Headers::Ethernet {
        // Locally administered addresses: to the server (2), from the client (1).
        out.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
        out.extend(ethertype);
    }
}

fn ipv4(tcp_len: u16, source: [u8; 4], destination: [u8; 4], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0x45, 0]);
    out.extend(tcp_len.saturating_add(20).to_be_bytes());
    // No identification is needed where fragmenting is forbidden (RFC 6864 section 4).
    out.extend([0, 0, 0x40, 0, HOPS, TCP, 0, 0]);
    out.extend(source);
    out.extend(destination);
    let sum = !fold(add(out.get(start..).unwrap_or_default(), 0));
    set(out, start + 10, sum);
}

fn tcp(segment: &Segment<'_>, piece: &Piece<'_>, pseudo: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut flags = segment.flags.0;
    let mut seq = segment.seq;
    if piece.start > 0 {
        flags &= !flag::SYN;
        seq = segment.payload_seq() + u32::try_from(piece.start).unwrap_or(0);
    }
    if !piece.is_last {
        flags &= !(flag::FIN | flag::RST | flag::PSH);
    }
    // The pointer counts from the sequence number, which has moved on. A client's own 0 is kept (its
    // readers take it for 1), but one that became 0 is about the byte before this piece.
    let urgent = segment
        .urgent
        .and_then(|pointer| usize::from(pointer).checked_sub(piece.start))
        .and_then(|pointer| u16::try_from(pointer).ok())
        .filter(|pointer| *pointer > 0 || piece.start == 0);
    if urgent.is_none() {
        flags &= !flag::URG;
    }
    out.extend(segment.flow.client.port.to_be_bytes());
    out.extend(segment.flow.server.port.to_be_bytes());
    out.extend(seq.0.to_be_bytes());
    out.extend(segment.ack.map_or(0, |ack| ack.0).to_be_bytes());
    out.extend([0x50, flags, 0xff, 0xff, 0, 0]);
    out.extend(urgent.unwrap_or(0).to_be_bytes());
    out.extend_from_slice(piece.payload);
    if piece.payload.len() == piece.wire_len {
        let sum = !fold(add(out.get(start..).unwrap_or_default(), pseudo));
        set(out, start + 16, sum);
    }
}

/// The protocol and the length, as the pseudo-header has them (RFC 9293 section 3.1, RFC 8200
/// section 8.1).
fn pseudo_tail(tcp_len: u16) -> u64 {
    u64::from(TCP) + u64::from(tcp_len)
}

fn set(out: &mut [u8], at: usize, value: u16) {
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
