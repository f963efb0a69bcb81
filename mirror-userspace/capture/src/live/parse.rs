//! From the bytes of a ring record to a [`Segment`].
//!
//! The records come from our own program, and are checked all the same: a record that claims more
//! than it carries is counted and dropped, never believed.

use mirror_common::record::{MAX_SEGMENT, SegmentHeader, SocketState, flag};
use mirror_core::segment::{Direction, Endpoint, FlowId, Segment, SeqNum, TcpFlags, Time};
use zerocopy::FromBytes as _;

use super::config::AttachmentId;

/// A record of the ring, parsed.
#[derive(Debug)]
pub struct Record<'a> {
    /// The segment, or the part of one, that the record carries.
    pub segment: Segment<'a>,
    /// Whether it is the last of its skb: the kernel counts a segment as copied with this one.
    pub ends_segment: bool,
}

/// Reads a record: a header, payload, and whatever the size class or the ring's alignment left
/// over behind it. `None` if it contradicts itself.
///
/// The header is copied out, as the perf ring aligns records to 4 bytes only.
pub(super) fn read_record(bytes: &[u8]) -> Option<Record<'_>> {
    let (header, rest) = SegmentHeader::read_from_prefix(bytes).ok()?;
    let payload = rest.get(..usize::try_from(header.captured).ok()?)?;
    let end = header.offset.checked_add(header.captured)?;
    if end > header.segment_len || usize::try_from(header.segment_len).ok()? > MAX_SEGMENT {
        return None;
    }
    let ends_segment = header.is_last();
    Some(Record {
        segment: segment(&header, payload, ends_segment),
        ends_segment,
    })
}

/// When the record was captured, as far as it says so.
pub(super) fn captured_at(bytes: &[u8]) -> Option<Time> {
    let (header, _) = SegmentHeader::read_from_prefix(bytes).ok()?;
    Some(Time::from_nanos(header.timestamp))
}

/// The attachment that the record says it is of, as far as it says so.
pub(super) fn attachment_of(bytes: &[u8]) -> Option<AttachmentId> {
    let (header, _) = SegmentHeader::read_from_prefix(bytes).ok()?;
    Some(AttachmentId(header.attachment))
}

fn segment<'a>(header: &SegmentHeader, payload: &'a [u8], ends_segment: bool) -> Segment<'a> {
    let starts_segment = header.offset == 0;
    let mut flags = header.flags;
    let mut skipped = header.offset;
    if !starts_segment {
        // The SYN went with the first record, and took a sequence number.
        skipped += u32::from(flags & flag::SYN != 0);
        flags &= !flag::SYN;
    }
    if !ends_segment {
        flags &= !(flag::FIN | flag::RST);
    }
    let urgent = urgent_from(header, skipped);
    if urgent.is_none() {
        flags &= !flag::URG;
    }
    Segment {
        at: Time::from_nanos(header.timestamp),
        flow: flow(header),
        seq: SeqNum(header.sequence) + skipped,
        ack: (flags & flag::ACK != 0).then_some(SeqNum(header.acknowledgment)),
        flags: TcpFlags(flags),
        urgent,
        direction: direction(header),
        expected: SocketState::has_expected(header.socket).then_some(SeqNum(header.expected)),
        starts_segment,
        payload,
        wire_len: match direction(header) {
            Direction::ToServer => header.captured,
            Direction::ToClient => header.segment_len.saturating_sub(header.offset),
        },
    }
}

const fn direction(header: &SegmentHeader) -> Direction {
    match header.direction {
        0 => Direction::ToServer,
        _ => Direction::ToClient,
    }
}

/// The connection, which has the same name whichever end sent the segment.
fn flow(header: &SegmentHeader) -> FlowId {
    let source = Endpoint {
        address: header.source,
        port: header.source_port,
    };
    let destination = Endpoint {
        address: header.destination,
        port: header.destination_port,
    };
    let (client, server) = match direction(header) {
        Direction::ToServer => (source, destination),
        Direction::ToClient => (destination, source),
    };
    FlowId {
        client,
        server,
        attachment: header.attachment,
    }
}

/// The urgent pointer, counted from `skipped` sequence numbers behind the segment's own; `None` if
/// the urgent byte came before.
fn urgent_from(header: &SegmentHeader, skipped: u32) -> Option<u16> {
    if header.flags & flag::URG == 0 {
        return None;
    }
    u32::from(header.urgent)
        .checked_sub(skipped)
        .filter(|&pointer| pointer > 0 || skipped == 0)
        .and_then(|pointer| u16::try_from(pointer).ok())
}

#[cfg(test)]
mod tests;
