//! Frames and capture files, built byte by byte.

use std::net::SocketAddr;

use mirror_common::record::flag;
use mirror_core::{
    counters::FragmentCounters,
    segment::{Direction, FlowId, SeqNum, TcpFlags, Time},
};

use super::super::headers::{Headers, Piece, rebuild};
use super::super::*;

/// A segment from 10.0.0.1:4242 to 10.0.0.2:80.
pub(super) fn segment(seq: u32, payload: &[u8]) -> Segment<'_> {
    between("10.0.0.1:4242", "10.0.0.2:80", seq, payload)
}

pub(super) fn between<'a>(from: &str, to: &str, seq: u32, payload: &'a [u8]) -> Segment<'a> {
    Segment {
        at: Time::from_nanos(1_795_327_200_000_001_000),
        flow: FlowId {
            client: from.parse::<SocketAddr>().unwrap().into(),
            server: to.parse::<SocketAddr>().unwrap().into(),
            attachment: 0,
        },
        seq: SeqNum(seq),
        ack: Some(SeqNum(77)),
        flags: TcpFlags(flag::ACK | flag::PSH),
        urgent: None,
        direction: Direction::ToServer,
        expected: None,
        starts_segment: true,
        payload,
        wire_len: payload.len() as u32,
    }
}

/// The IP packet of a segment.
pub(super) fn ip(segment: &Segment<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    let piece = Piece {
        start: 0,
        wire_len: segment.wire_len as usize,
        payload: segment.payload,
        is_last: true,
    };
    rebuild(Headers::Ip, segment, &piece, &mut packet);
    packet
}

/// The frame that carries an IP packet on a link.
pub(super) fn frame(link: LinkType, packet: &[u8]) -> Vec<u8> {
    let v6 = packet[0] >> 4 == 6;
    let ethertype: [u8; 2] = if v6 { [0x86, 0xdd] } else { [0x08, 0] };
    let family: u32 = if v6 { 30 } else { 2 };
    let head = match link {
        LinkType::ETHERNET => [&[0; 12][..], &ethertype].concat(),
        LinkType::LINUX_SLL => [&[0; 14][..], &ethertype].concat(),
        LinkType::LINUX_SLL2 => [&ethertype[..], &[0; 18]].concat(),
        LinkType::NULL => family.to_le_bytes().to_vec(),
        LinkType::LOOP => family.to_be_bytes().to_vec(),
        _ => Vec::new(),
    };
    [&head, packet].concat()
}

/// A frame as a capture has it.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) nanos: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) wire_len: usize,
}

impl Frame {
    pub(super) fn whole(nanos: u64, bytes: Vec<u8>) -> Self {
        let wire_len = bytes.len();
        Self {
            nanos,
            bytes,
            wire_len,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(super) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// A classic pcap file; `magic` tells the resolution.
pub(super) fn legacy(magic: u32, order: Order, link: LinkType, packets: &[Frame]) -> Vec<u8> {
    let unit = if magic == 0xa1b2_3c4d { 1 } else { 1_000 };
    let mut file = order.u32(magic).to_vec();
    file.extend([order.u16(2), order.u16(4)].concat());
    file.extend(
        [
            [0; 4],
            [0; 4],
            order.u32(65_535),
            order.u32(u32::from(link.0)),
        ]
        .concat(),
    );
    for packet in packets {
        let (seconds, nanos) = (packet.nanos / 1_000_000_000, packet.nanos % 1_000_000_000);
        for field in [
            seconds,
            nanos / unit,
            packet.bytes.len() as u64,
            packet.wire_len as u64,
        ] {
            file.extend(order.u32(field as u32));
        }
        if magic == 0xa1b2_cd34 {
            file.extend([0; 8]);
        }
        file.extend(&packet.bytes);
    }
    file
}

/// The bytes of one pcapng block.
pub(super) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = order.u32(body.len() as u32 + 12);
    [&order.u32(kind)[..], &len, &body, &len].concat()
}

/// A section header block.
pub(super) fn section(order: Order) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend([order.u16(1), order.u16(0)].concat());
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

/// An interface description block with these options.
pub(super) fn interface(
    order: Order,
    link: LinkType,
    snap_len: u32,
    options: &[(u16, &[u8])],
) -> Vec<u8> {
    let mut body = [order.u16(link.0), [0; 2]].concat();
    body.extend(order.u32(snap_len));
    for (code, value) in options {
        body.extend([order.u16(*code), order.u16(value.len() as u16)].concat());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    block(order, 1, &body)
}

/// An enhanced packet block.
pub(super) fn enhanced(
    order: Order,
    interface: u32,
    ticks: u64,
    bytes: &[u8],
    wire_len: usize,
) -> Vec<u8> {
    let mut body = Vec::new();
    for field in [
        interface,
        (ticks >> 32) as u32,
        ticks as u32,
        bytes.len() as u32,
        wire_len as u32,
    ] {
        body.extend(order.u32(field));
    }
    body.extend(bytes);
    block(order, 6, &body)
}

/// A pcapng file of one section with one interface, which counts microseconds.
pub(super) fn pcapng(order: Order, link: LinkType, packets: &[Frame]) -> Vec<u8> {
    let mut file = [section(order), interface(order, link, 0, &[])].concat();
    for packet in packets {
        file.extend(enhanced(
            order,
            0,
            packet.nanos / 1_000,
            &packet.bytes,
            packet.wire_len,
        ));
    }
    file
}

/// A segment that was read, without its borrow.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) stream: u64,
    pub(super) nanos: u64,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) seq: u32,
    pub(super) payload: Vec<u8>,
    pub(super) wire_len: u32,
}

/// Reads all segments of a file, and checks that its books balance.
pub(super) fn read(file: &[u8]) -> (Vec<Seen>, Ending, FileCounters) {
    let mut capture = CaptureFile::new(file).unwrap();
    let mut found = Vec::new();
    while let Some(Captured { stream, segment }) = capture.next_segment().unwrap() {
        found.push(Seen {
            stream: stream.0,
            nanos: segment.at.as_nanos(),
            from: segment.flow.client.to_string(),
            to: segment.flow.server.to_string(),
            seq: segment.seq.0,
            payload: segment.payload.to_vec(),
            wire_len: segment.wire_len,
        });
    }
    let counters = capture.counters();
    let FragmentCounters {
        datagrams,
        joined,
        duplicates,
        overlapping,
        refused,
        timed_out,
        evicted,
        waiting,
    } = counters.fragments;
    assert_eq!(waiting, 0, "the file has ended");
    assert_eq!(
        counters.packets + datagrams,
        counters.segments
            + counters.no_payload
            + counters.other_port
            + counters.from_server
            + counters.bad_checksum
            + counters.forged_address
            + counters.not_tcp
            + counters.unparsable
            + counters.unread_links.values().sum::<u64>()
            + joined
            + duplicates
            + overlapping
            + refused
            + timed_out
            + evicted,
        "{counters:?}"
    );
    let not_read = capture.not_read();
    assert_eq!(not_read.frames.values().sum::<u64>(), counters.not_tcp);
    (found, capture.ending().unwrap(), counters)
}
