//! Capture files: read to the end, each packet in one counter, and what was read written and read
//! again.

use mirror_capture::file::{CaptureFile, CaptureWriter, Headers};
use mirror_core::segment::{Direction, FlowId, SeqNum, TcpFlags, Time};

/// A segment as owned data. Two of them compare as their headers and bytes do.
#[derive(Debug, PartialEq, Eq)]
struct Owned {
    at: Time,
    flow: FlowId,
    seq: SeqNum,
    ack: Option<SeqNum>,
    flags: TcpFlags,
    urgent: Option<u16>,
    payload: Vec<u8>,
    wire_len: u32,
}

/// `data` is the file.
pub fn run(data: &[u8]) {
    let Some(segments) = read(data) else { return };
    // Longer ones become several packets (GRO), later ones do not fit the format's clock.
    let fits = |owned: &Owned| owned.wire_len < 60_000;
    let Ok(mut writer) = CaptureWriter::new(Vec::new(), Headers::Ethernet, &[]) else {
        panic!("a vector can be written to");
    };
    let kept: Vec<Owned> = segments.into_iter().filter(fits).collect();
    for owned in &kept {
        let written = writer.write(&mirror_core::segment::Segment {
            at: owned.at,
            flow: owned.flow,
            seq: owned.seq,
            ack: owned.ack,
            flags: owned.flags,
            urgent: owned.urgent,
            direction: Direction::ToServer,
            expected: None,
            starts_segment: true,
            payload: &owned.payload,
            wire_len: owned.wire_len,
        });
        assert!(written.is_ok());
    }
    let Ok(file) = writer.finish(&[]) else {
        panic!("a vector can be written to");
    };
    assert_eq!(read(&file).as_ref(), Some(&kept), "written and read again");
}

/// All segments of a file; `None` if it is no capture.
fn read(data: &[u8]) -> Option<Vec<Owned>> {
    let mut file = CaptureFile::new(data).ok()?;
    let mut segments = Vec::new();
    while let Ok(Some(captured)) = file.next_segment() {
        let segment = captured.segment;
        assert!(segment.payload.len() <= segment.wire_len as usize);
        segments.push(Owned {
            at: segment.at,
            flow: FlowId {
                attachment: 0,
                ..segment.flow
            },
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            urgent: segment.urgent,
            payload: segment.payload.to_vec(),
            wire_len: segment.wire_len,
        });
    }
    assert!(file.ending().is_some(), "read to its end");
    let counters = file.counters();
    assert_eq!(counters.segments, segments.len() as u64);
    let fragments = counters.fragments;
    let all_fragments = fragments.joined
        + fragments.duplicates
        + fragments.overlapping
        + fragments.refused
        + fragments.timed_out
        + fragments.evicted;
    assert_eq!(
        counters.packets + fragments.datagrams,
        counters.segments
            + counters.no_payload
            + counters.other_port
            + counters.from_server
            + counters.bad_checksum
            + counters.forged_address
            + counters.not_tcp
            + counters.unparsable
            + counters.unread_links.values().sum::<u64>()
            + all_fragments,
        "every packet is in one counter"
    );
    // A record is at least 16 bytes long, unless it is packed.
    let is_plain = [&[0x1f, 0x8b][..], &[0x28, 0xb5], &[0x2a, 0x4d]]
        .iter()
        .all(|magic| !data.starts_with(magic) && data.get(1..3) != Some(magic));
    assert!(!is_plain || counters.packets <= data.len() as u64 / 16);
    Some(segments)
}
