//! Capture files: packets that someone else captured, as segments.
//!
//! A file is read as a stream, from a path or from standard input, and may be damaged or written
//! by an attacker. So it is walked record by record in bounded memory: the record by its format
//! (`legacy`, `pcapng`), the frame down to its IP packet by its link type (`link`), then by the
//! very header walk that the kernel program does ([`mirror_common::packet`]), with IP fragments
//! put together on the way (`fragments`). What gives no segment is counted, by reason
//! ([`FileCounters`]).
//!
//! Where the capture has a connection's handshake, only what its client sent comes out. Where it has
//! not, both directions do, each as a flow of its own whose client is the sender: requests only make
//! sense in one of them.

mod format;
mod found;
mod fragment;
mod fragments;
mod headers;
mod interface;
mod legacy;
mod link;
mod pcapng;
mod streams;
mod unpack;
mod window;
mod writer;

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use mirror_common::packet::{self, Unparsable, Walk};
use mirror_core::{counters::FileCounters, segment::Segment};

pub use format::Ending;
pub use link::LinkType;
pub use streams::StreamNumber;
pub use writer::{CaptureWriter, Headers};

use format::{Format, Packet, Skipped, Step};
use found::{Cut, Found, PacketIn};
use fragments::Fragments;
use link::Carried;
use streams::{Sender, Streams};
use unpack::Unpacked;
use window::Window;

/// A capture file that is being read: pcap (micro- and nanoseconds, both byte orders) or pcapng, as
/// it is or packed by gzip or zstd.
///
/// Holds at most 2 MiB of the file, 16 MiB of IP fragments and the numbers of the 131 072
/// connections seen last; and what unpacking takes: 64 KiB for gzip, for zstd up to 128 MiB, if the
/// file was packed so (`zstd --long`).
#[derive(Debug)]
pub struct CaptureFile<R> {
    window: Window<Unpacked<R>>,
    format: Format,
    /// The length of the record that the window starts with and that has been read.
    behind: u64,
    fragments: Fragments,
    streams: Streams,
    ports: Vec<u16>,
    ending: Option<Ending>,
    counters: FileCounters,
}

/// A segment from a capture file.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// The number of its connection in this file.
    pub stream: StreamNumber,
    /// The segment; its clock is the file's, in nanoseconds since the Unix epoch.
    pub segment: Segment<'a>,
}

/// Why a capture file could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// It could not be read.
    Io(io::Error),
    /// It is neither pcap nor pcapng, or ends inside its first header.
    NotACapture,
    /// It is something else, which can be made into a capture: what it is, and how.
    Other(&'static str),
    /// It is packed, and damaged or cut before the capture's first header.
    Broken,
}

impl CaptureFile<Box<dyn Read>> {
    /// Opens a file, or standard input if `path` is `-`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(OpenError::Io)?)
        };
        Self::new(input)
    }
}

impl<R: Read> CaptureFile<R> {
    /// Reads a capture from `input`, which needs no buffer of its own.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn new(input: R) -> Result<Self, OpenError> {
        let unpacked = Unpacked::new(input).map_err(OpenError::Io)?;
        let mut window = Window::new(unpacked);
        let recognised = Format::recognise(&mut window).map_err(OpenError::Io)?;
        let Some(format) = recognised else {
            return Err(match unpack::known_as(window.bytes()) {
                Some(what) => OpenError::Other(what),
                None if window.input().broken().is_some() => OpenError::Broken,
                None => OpenError::NotACapture,
            });
        };
        Ok(Self {
            window,
            format,
            behind: 0,
            fragments: Fragments::default(),
            streams: Streams::default(),
            ports: Vec::new(),
            ending: None,
            counters: FileCounters::default(),
        })
    }

    /// Gives only segments to these ports; default is all. Streams keep their numbers.
    #[must_use]
    pub fn with_ports(mut self, ports: Vec<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// How the file ended; `None` as long as it has not.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// What was read, and what was not.
    #[must_use]
    pub fn counters(&self) -> FileCounters {
        FileCounters {
            fragments: self.fragments.counters(),
            ..self.counters.clone()
        }
    }

    /// The next segment of a client with payload, SYN, FIN or RST; `None` at the end of the file, whatever its
    /// [`ending`](Self::ending): a file cut short gives all segments before the cut.
    ///
    /// # Errors
    /// The file can't be read on.
    pub fn next_segment(&mut self) -> io::Result<Option<Captured<'_>>> {
        let found = loop {
            if self.ending.is_some() {
                return Ok(None);
            }
            if !self.window.skip(std::mem::take(&mut self.behind))? {
                self.end(Ending::Cut);
                continue;
            }
            match self.format.step(&mut self.window)? {
                Step::Packet(packet, len) => {
                    self.behind = len;
                    self.counters.packets += 1;
                    if let Some(found) = self.find(&packet) {
                        break found;
                    }
                }
                Step::Other(skipped, len) => {
                    self.behind = len;
                    self.count_skipped(skipped);
                }
                Step::End(ending) => self.end(ending),
            }
        };
        self.counters.segments += 1;
        Ok(Some(found.captured(match found.place {
            PacketIn::Window => self.window.bytes(),
            PacketIn::Datagram => self.fragments.whole(),
        })))
    }

    fn end(&mut self, ending: Ending) {
        let ending = self.window.input().broken().unwrap_or(ending);
        self.fragments.finish();
        if ending != Ending::Complete {
            log::warn!("{ending}; what was before it is used");
        }
        self.ending = Some(ending);
    }

    fn count_skipped(&mut self, skipped: Skipped) {
        match skipped {
            Skipped::Metadata => {}
            Skipped::Malformed => self.counters.malformed_records += 1,
            Skipped::Oversized => self.counters.oversized_packets += 1,
        }
    }

    /// Counts a packet of a link type that is not read, with one warning for each type.
    fn count_unread_link(&mut self, link: LinkType) {
        let count = self.counters.unread_links.entry(link.0).or_default();
        if *count == 0 {
            log::warn!("link type {link} is not read: its packets are left out");
        }
        *count += 1;
    }

    /// Looks for a segment in a packet; what else it may be is counted.
    fn find(&mut self, packet: &Packet) -> Option<Found> {
        let frame = self.window.bytes().get(packet.bytes.clone())?;
        let start = match link::peel(packet.link, frame) {
            Carried::Ip(start) => start,
            Carried::Other => {
                self.counters.not_tcp += 1;
                return None;
            }
            Carried::UnknownLink => {
                self.count_unread_link(packet.link);
                return None;
            }
        };
        let ip = Cut {
            bytes: frame.get(start..)?,
            wire_len: packet.wire_len.max(frame.len()) - start,
        };
        let offset = packet.bytes.start + start;
        let found = match packet::walk(&ip, packet::Link::Ip) {
            Walk::Unparsable(Unparsable::Fragment) => {
                if !self.fragments.insert(packet.at, ip.bytes) {
                    return None;
                }
                let whole = self.fragments.whole();
                match packet::walk(whole, packet::Link::Ip) {
                    Walk::Tcp(tcp) => Found::new(packet.at, &tcp, whole, 0, PacketIn::Datagram),
                    _ => None,
                }
            }
            Walk::Tcp(tcp) => Found::new(packet.at, &tcp, ip.bytes, offset, PacketIn::Window),
            Walk::NotTcp => {
                self.counters.not_tcp += 1;
                return None;
            }
            Walk::Unparsable(_) => None,
        };
        let Some(found) = found else {
            self.counters.unparsable += 1;
            return None;
        };
        self.keep(found)
    }

    /// Numbers a segment's connection; keeps the segment if it is one that the pipeline wants.
    fn keep(&mut self, mut found: Found) -> Option<Found> {
        let segment = &found.segment;
        let (stream, sender) = self.streams.number(segment);
        found.stream = stream;
        let flags = segment.flags;
        if !self.ports.is_empty() && !self.ports.contains(&segment.flow.server.port) {
            self.counters.other_port += 1;
            None
        } else if sender == Sender::Server {
            self.counters.from_server += 1;
            None
        } else if segment.wire_len == 0 && !(flags.syn() || flags.fin() || flags.rst()) {
            self.counters.no_payload += 1;
            None
        } else {
            Some(found)
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotACapture => f.write_str("not a capture file (neither pcap nor pcapng)"),
            Self::Other(what) => write!(f, "not a capture file, but {what}"),
            Self::Broken => f.write_str("packed data that is damaged or cut at its beginning"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NotACapture | Self::Other(_) | Self::Broken => None,
        }
    }
}

#[cfg(test)]
mod tests;
