//! A segment between its discovery in a packet and its delivery.
//!
//! The packet may lie in the window, which moves on, or in the fragments' buffer; so a segment is
//! kept by position, and borrows its payload only when it is given out.

use std::ops::Range;

use mirror_common::packet::{LoadBytes, Network, TcpSegment};
use mirror_core::segment::{Direction, Endpoint, FlowId, Segment, SeqNum, TcpFlags, Time};

use super::{Captured, StreamNumber};

/// What fits a frame of Ethernet (RFC 894).
pub(super) const MTU: usize = 1_500;

/// An IP packet of which a snap length may have cut the end.
pub(super) struct Cut<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) wire_len: usize,
}

impl LoadBytes for Cut<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.load(offset)
    }

    fn total_len(&self) -> usize {
        self.wire_len
    }

    /// What is sent by an interface that cuts it later, or was put together by one, is longer than
    /// what a wire carries; interfaces have written 0 for its length long before BIG TCP.
    fn may_lack_length(&self, len: usize) -> bool {
        len > MTU
    }
}

/// What a segment's IP packet lies in.
#[derive(Clone, Copy, Debug)]
pub(super) enum PacketIn {
    Window,
    Datagram,
}

/// A segment that was found, its payload still to be borrowed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stream: StreamNumber,
    pub(super) segment: Segment<'static>,
    payload: Range<usize>,
    pub(super) place: PacketIn,
    /// Whether an IPv6 packet passes for one of IPv4.
    pub(super) has_forged_address: bool,
}

impl Found {
    /// The segment in `packet`, which lies at `offset` in its place.
    pub(super) fn new(
        at: Time,
        tcp: &TcpSegment,
        packet: &[u8],
        offset: usize,
        place: PacketIn,
    ) -> Option<Self> {
        let addresses = tcp.addresses(packet)?;
        let flags = TcpFlags(tcp.flags);
        let start = tcp.payload_offset.min(packet.len());
        let end = packet.len().min(start + tcp.payload_len);
        Some(Self {
            stream: StreamNumber(0),
            segment: Segment {
                at,
                flow: FlowId {
                    client: Endpoint {
                        address: addresses.source(),
                        port: tcp.source_port,
                    },
                    server: Endpoint {
                        address: addresses.destination(),
                        port: tcp.destination_port,
                    },
                    attachment: 0,
                },
                seq: SeqNum(tcp.sequence),
                ack: flags.ack().then_some(SeqNum(tcp.acknowledgment)),
                flags,
                urgent: flags.urg().then_some(tcp.urgent),
                direction: Direction::ToServer,
                expected: None,
                starts_segment: true,
                payload: &[],
                wire_len: u32::try_from(tcp.payload_len).ok()?,
            },
            payload: offset + start..offset + end,
            place,
            has_forged_address: tcp.network == Network::V6 && addresses.pass_for_ipv4(),
        })
    }

    /// The server sent it.
    pub(super) fn turn_round(&mut self) {
        let flow = &mut self.segment.flow;
        std::mem::swap(&mut flow.client, &mut flow.server);
        self.segment.direction = Direction::ToClient;
    }

    pub(super) fn captured<'a>(&self, bytes: &'a [u8]) -> Captured<'a> {
        Captured {
            stream: self.stream,
            segment: Segment {
                payload: bytes.get(self.payload.clone()).unwrap_or_default(),
                ..self.segment
            },
        }
    }
}
