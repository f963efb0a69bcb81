//! The records that travel through the ring: a [`SegmentHeader`], then `captured` payload bytes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The least payload that a record of a BPF ring has room for, in bytes. A power of two.
pub const SMALLEST: usize = 32;

/// The most payload that a record of a BPF ring has room for, in bytes. A power of two. An skb with
/// more (GSO, GRO, up to the 512 kB of BIG TCP) goes out as several records.
pub const LARGEST: usize = 64 * 1024;

/// How much payload the record has room for that `len` bytes are put into, or [`LARGEST`] of them.
///
/// A BPF ring buffer wants the size of a reservation as a constant. These are [`SMALLEST`] and 4/4, 5/4,
/// 6/4 and 7/4 of each power of two up to [`LARGEST`], so that above [`SMALLEST`] no record is larger than
/// 5/4 of what is in it. It is found by constants, step by step, so that the verifier knows it on each
/// of the 45 ways to it.
#[must_use]
#[inline(always)]
pub const fn capacity(len: usize) -> usize {
    let mut power = SMALLEST;
    while power < LARGEST / 2 && len > 2 * power {
        power *= 2;
    }
    let mut capacity = power;
    while capacity < 2 * power && len > capacity {
        capacity += power / 4;
    }
    capacity
}

/// The longest TCP payload that one skb can carry (BIG TCP, Linux 6.3: `GSO_MAX_SIZE` is 8 × 65 536).
pub const MAX_SEGMENT: usize = 8 * 65_536;

/// What the kernel knows of a captured TCP segment. All numbers are in host byte order.
///
/// An skb whose payload exceeds [`LARGEST`] is described by several records
/// that differ in [`offset`](Self::offset) and [`captured`](Self::captured) only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SegmentHeader {
    /// Nanoseconds of `CLOCK_MONOTONIC` when the program saw the skb.
    pub timestamp: u64,
    /// Source address; IPv4 as an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2).
    pub source: [u8; 16],
    /// Destination address, in the same form.
    pub destination: [u8; 16],
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number of the segment (of the SYN, if it has one).
    pub sequence: u32,
    /// Acknowledgment number; meaningful only with the ACK flag.
    pub acknowledgment: u32,
    /// TCP payload bytes of the whole skb.
    pub segment_len: u32,
    /// Where in that payload the bytes of this record begin.
    pub offset: u32,
    /// Bytes that follow this header. Never more than the record carries.
    pub captured: u32,
    /// Which attachment saw it, as the daemon numbered them: the same 4-tuple may exist in two pods.
    pub attachment: u32,
    /// Urgent pointer; meaningful only with the URG flag.
    pub urgent: u16,
    /// TCP flags, as in the header's 14th byte (FIN is bit 0).
    pub flags: u8,
    /// Which end sent it: 0 the client, to the server; [`TO_CLIENT`] the server, to the client.
    pub direction: u8,
    /// The sequence number that the receiver's kernel waits for (`rcv_nxt`); meaningful only where
    /// [`socket`](Self::socket) [has one](SocketState::has_expected).
    pub expected: u32,
    /// One of [`SocketState`]'s values: what the receiver's kernel has for it.
    pub socket: u32,
}

/// [`SegmentHeader::direction`] of what a server sends.
pub const TO_CLIENT: u8 = 1;

/// What the receiver's kernel has for a segment when it comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum SocketState {
    /// The kernel was not asked, or no socket answers for the port (a mesh redirects it).
    #[default]
    NotAsked = 0,
    /// An established connection.
    Established = 1,
    /// A handshake whose last ACK has not come, or is this (`TCP_NEW_SYN_RECV`).
    Request = 2,
    /// The same, with a whole socket (TCP Fast Open, simultaneous open).
    SynReceived = 3,
    /// A listener only: a SYN, or the last ACK of a handshake under SYN cookies.
    Listen = 4,
    /// A connection that at least one end has closed.
    Closing = 5,
}

impl SocketState {
    /// Whether the socket has a sequence number that it waits for.
    #[must_use]
    #[inline(always)]
    pub const fn has_expected(socket: u32) -> bool {
        socket == Self::Established as u32
            || socket == Self::SynReceived as u32
            || socket == Self::Closing as u32
    }
}

impl SegmentHeader {
    /// Whether this is the last record of its skb. A segment to the client is one record, which may
    /// be cut: see [`Settings::reply_head`](crate::settings::Settings::reply_head).
    #[must_use]
    #[inline(always)]
    pub const fn is_last(&self) -> bool {
        self.direction != 0 || self.offset.wrapping_add(self.captured) == self.segment_len
    }
}

/// The flag bits of [`SegmentHeader::flags`] (RFC 9293 section 3.1).
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// SYN: a connection begins, and sequence numbers are synchronised.
    pub const SYN: u8 = 0x02;
    /// RST: the connection is aborted.
    pub const RST: u8 = 0x04;
    /// PSH: the sender asks that the data be delivered without delay.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment field is significant.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer field is significant.
    pub const URG: u8 = 0x20;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_no_padding_and_keeps_payload_aligned() {
        assert_eq!(size_of::<SegmentHeader>(), 80);
        assert_eq!(size_of::<SegmentHeader>() % 8, 0);
    }

    #[test]
    fn a_record_has_room_for_what_is_put_into_it_and_a_quarter_more_at_most() {
        assert_eq!(capacity(0), SMALLEST);
        let mut sizes = std::collections::BTreeSet::new();
        for len in 1..=LARGEST {
            let capacity = capacity(len);
            assert!(capacity >= len, "{len}");
            // The least that the next smaller one has no room for is the worst.
            assert!(
                len <= SMALLEST || 4 * capacity < 5 * len,
                "{len}: {capacity}"
            );
            sizes.insert(capacity);
        }
        assert_eq!(sizes.len(), 45);
        assert_eq!(capacity(LARGEST + 1), LARGEST);
        assert_eq!(capacity(MAX_SEGMENT), LARGEST);
    }

    #[test]
    fn only_the_record_that_ends_the_segment_is_last() {
        let first = SegmentHeader {
            segment_len: 70_000,
            captured: 65_536,
            ..Default::default()
        };
        let second = SegmentHeader {
            offset: 65_536,
            captured: 4_464,
            ..first
        };
        assert!(!first.is_last());
        assert!(second.is_last());
        assert!(SegmentHeader::default().is_last(), "a bare SYN is whole");
        let reply = SegmentHeader {
            direction: 1,
            ..first
        };
        assert!(reply.is_last(), "of a reply only the head is copied");
    }
}
