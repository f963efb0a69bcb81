//! The classic pcap format (draft-ietf-opsawg-pcap): one header, then packets.
//!
//! `pcap-parser` reads the fields. Its own streaming reader is not used: it can only grow its
//! buffer to whatever length a file claims, or stop.

use std::io::{self, Read};

use mirror_core::segment::Time;
use pcap_parser::{
    PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
};

use super::{
    format::{Ending, MAX_BLOCK, Packet, Step},
    link::LinkType,
    window::Window,
};

/// What the file's header says of all its packets.
#[derive(Debug)]
pub(super) struct Legacy {
    header: PcapHeader,
}

impl Legacy {
    /// The length of the file's header.
    pub(super) const HEADER: usize = 24;

    /// Reads the file's header; `None` if it is not one.
    pub(super) fn parse_header(bytes: &[u8]) -> Option<Self> {
        let (_, header) = parse_pcap_header(bytes).ok()?;
        Some(Self { header })
    }

    pub(super) fn step<R: Read>(&self, window: &mut Window<R>) -> io::Result<Step> {
        let head = self.record_header();
        if !window.fill(head)? {
            return Ok(Step::End(if window.bytes().is_empty() {
                Ending::Complete
            } else {
                Ending::Cut
            }));
        }
        let captured = self.captured_len(window.bytes());
        if captured > MAX_BLOCK {
            return Ok(Step::End(Ending::Damaged));
        }
        if !window.fill(head + captured)? {
            return Ok(Step::End(Ending::Cut));
        }
        let parse = if self.header.is_modified_format() {
            parse_pcap_frame_modified
        } else if self.header.is_bigendian() {
            parse_pcap_frame_be
        } else {
            parse_pcap_frame
        };
        let Ok((_, frame)) = parse(window.bytes()) else {
            return Ok(Step::End(Ending::Damaged));
        };
        let packet = Packet {
            at: self.time(frame.ts_sec, frame.ts_usec),
            link: self.link(),
            bytes: head..head + captured,
            wire_len: frame.origlen as usize,
        };
        Ok(Step::Packet(packet, (head + captured) as u64))
    }

    /// The length of a packet's header; Kuznetzov's variant (magic a1b2cd34) has 8 bytes more.
    fn record_header(&self) -> usize {
        if self.header.is_modified_format() {
            24
        } else {
            16
        }
    }

    /// A packet's captured length, from its header.
    fn captured_len(&self, record: &[u8]) -> usize {
        let field = record
            .get(8..12)
            .and_then(|field| <[u8; 4]>::try_from(field).ok())
            .unwrap_or_default();
        if self.header.is_bigendian() {
            u32::from_be_bytes(field) as usize
        } else {
            u32::from_le_bytes(field) as usize
        }
    }

    /// The link type: the upper half of the field tells the length of a frame check sequence,
    /// which the IP length cuts off anyway.
    fn link(&self) -> LinkType {
        let [_, _, high, low] = self.header.network.0.to_be_bytes();
        LinkType(u16::from_be_bytes([high, low]))
    }

    fn time(&self, seconds: u32, fraction: u32) -> Time {
        let unit = if self.header.is_nanosecond_precision() {
            1
        } else {
            1_000
        };
        Time::from_nanos(u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit)
    }
}
