//! What both capture formats come down to: packets with a time, a link type and two lengths.

use std::{
    fmt,
    io::{self, Read},
    ops::Range,
};

use mirror_core::segment::Time;

use super::{legacy::Legacy, link::LinkType, pcapng::PcapNg, window::Window};

/// The longest packet or block that is held. libpcap captures 256 KiB at most, and BIG TCP has
/// skbs of 512 KiB; what claims to be longer is skipped, or means that the file is damaged.
pub(super) const MAX_BLOCK: usize = 1 << 20;

/// A packet as the file describes it; `bytes` counts from the start of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) at: Time,
    pub(super) link: LinkType,
    pub(super) bytes: Range<usize>,
    /// Its length on the wire. A capture file may say anything, even less than was captured.
    pub(super) wire_len: usize,
}

/// One step through a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A packet, and how long the record is that holds it.
    Packet(Packet, u64),
    /// A record without a packet of ours, and how long it is.
    Other(Skipped, u64),
    /// There is nothing more.
    End(Ending),
}

/// Why a record gives no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// It is not for packets (statistics, names, decryption keys and the like).
    Metadata,
    /// It contradicts itself, or refers to an interface that was not described.
    Malformed,
    /// It is a packet longer than anything a network carries.
    Oversized,
}

/// How a capture file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After a whole packet.
    Complete,
    /// In the middle of a packet: the writer was stopped, or the disk was full.
    Cut,
    /// A length field cannot be true, so that nothing after it can be found.
    Damaged,
    /// The packed data can't be unpacked any further.
    Corrupt,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "the capture is complete",
            Self::Cut => "the capture ends in the middle of a packet",
            Self::Damaged => "the capture is damaged: a packet's length cannot be true",
            Self::Corrupt => "the capture is damaged: it cannot be unpacked to its end",
        })
    }
}

/// The format of an open file, and what its headers said.
#[derive(Debug)]
pub(super) enum Format {
    Legacy(Legacy),
    PcapNg(PcapNg),
}

impl Format {
    /// Recognises the format by its first bytes; `None` if this is no capture file.
    pub(super) fn recognise<R: Read>(window: &mut Window<R>) -> io::Result<Option<Self>> {
        if !window.fill(PcapNg::RECOGNISED_BY)? {
            return Ok(None);
        }
        if PcapNg::recognise(window.bytes()) {
            return Ok(Some(Self::PcapNg(PcapNg::default())));
        }
        if !window.fill(Legacy::HEADER)? {
            return Ok(None);
        }
        let Some(legacy) = Legacy::parse_header(window.bytes()) else {
            return Ok(None);
        };
        window.skip(Legacy::HEADER as u64)?;
        Ok(Some(Self::Legacy(legacy)))
    }

    /// Looks at the next record, without moving on.
    pub(super) fn step<R: Read>(&mut self, window: &mut Window<R>) -> io::Result<Step> {
        match self {
            Self::Legacy(legacy) => legacy.step(window),
            Self::PcapNg(pcapng) => pcapng.step(window),
        }
    }
}
