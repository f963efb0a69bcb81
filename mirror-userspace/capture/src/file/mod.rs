//! Capture files: packets that someone else captured, as segments.
//!
//! A file is read as a stream, from a path or from standard input, and may be damaged or written
//! by an attacker. So it is walked record by record in bounded memory: the record by its format
//! (`legacy`, `pcapng`), the frame down to its IP packet by its link type (`link`), then by the
//! very header walk that the kernel programs do ([`mirror_common::packet`]), with tunnels taken off
//! (`descent`) and IP fragments put together on the way (`fragments`). What gives no segment is
//! counted, by reason ([`FileCounters`]), and named ([`NotRead`]).
//!
//! Segments that v1's kernel has dropped are refused: those with a wrong checksum, as far as checksums
//! mean something in the capture (`senders`), and those of IPv6 that pass for IPv4.
//!
//! Where the capture has a connection's handshake, only what its client sent comes out. Where it has
//! not, both directions do, each as a flow of its own whose client is the sender: requests only make
//! sense in one of them.

mod checksum;
mod descent;
mod error;
mod format;
mod found;
mod fragment;
mod fragments;
mod headers;
mod interface;
mod legacy;
mod link;
mod other;
mod pcapng;
mod senders;
mod streams;
mod unpack;
mod window;
mod writer;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use mirror_common::packet::Tunnels;
use mirror_core::{
    counters::{FileCounters, NotRead},
    segment::{Direction, Segment},
};

pub use error::OpenError;
pub use format::Ending;
pub use link::LinkType;
pub use streams::StreamNumber;
pub use writer::{CaptureWriter, Headers};

use descent::{Descent, Down, Layer};
use format::{Format, Packet, Skipped, Step};
use found::{Found, PacketIn};
use fragments::Fragments;
use other::Other;
use senders::Senders;
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
    senders: Senders,
    ports: Vec<u16>,
    tunnels: Vec<Tunnels>,
    believes_all: bool,
    replies: bool,
    ending: Option<Ending>,
    counters: FileCounters,
    others: BTreeMap<Other, u64>,
    other_ports: BTreeMap<u16, u64>,
}

/// The ports of tunnels in captures, if nothing else is said: those that IANA has assigned, and 8472,
/// where Linux has VXLAN, and so do Flannel and Cilium.
#[must_use]
pub fn usual_tunnels() -> Vec<Tunnels> {
    let linux = Tunnels {
        vxlan: 8472,
        geneve: 0,
    };
    vec![Tunnels::default(), linux]
}

/// A segment from a capture file.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// The number of its connection in this file.
    pub stream: StreamNumber,
    /// The segment; its clock is the file's, in nanoseconds since the Unix epoch.
    pub segment: Segment<'a>,
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
            senders: Senders::default(),
            ports: Vec::new(),
            tunnels: usual_tunnels(),
            believes_all: false,
            replies: false,
            ending: None,
            counters: FileCounters::default(),
            others: BTreeMap::new(),
            other_ports: BTreeMap::new(),
        })
    }

    /// Gives only segments to these ports; default is all. Streams keep their numbers.
    #[must_use]
    pub fn with_ports(mut self, ports: Vec<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Takes off tunnels at these UDP ports; default is [`usual_tunnels`]. Those that have protocol
    /// numbers of their own are always taken off.
    #[must_use]
    pub fn with_tunnels(mut self, tunnels: Vec<Tunnels>) -> Self {
        self.tunnels = tunnels;
        self
    }

    /// Takes segments whatever their checksums are, too.
    #[must_use]
    pub fn ignoring_checksums(mut self, ignoring: bool) -> Self {
        self.believes_all = ignoring;
        self
    }

    /// Gives what servers send to clients, too, acknowledgments without payload included, where the capture
    /// has the connection's handshake. Ports are those of the servers.
    #[must_use]
    pub fn with_replies(mut self, replies: bool) -> Self {
        self.replies = replies;
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

    /// What there was beside segments to the wanted ports, by name: at most some tens of thousands.
    #[must_use]
    pub fn not_read(&self) -> NotRead {
        let links = &self.counters.unread_links;
        let frames = self.others.iter();
        NotRead {
            frames: frames.map(|(other, n)| (other.to_string(), *n)).collect(),
            links: links
                .iter()
                .map(|(number, n)| (LinkType(*number).to_string(), *n))
                .collect(),
            ports: self.other_ports.clone(),
        }
    }

    /// The next segment of a client with payload, SYN, FIN or RST, or of a server, if they are
    /// [wanted](Self::with_replies); `None` at the end of the file, whatever its
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
        let from_client = found.segment.direction == Direction::ToServer;
        self.counters.segments += u64::from(from_client);
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
        let mut descent = Descent {
            at: packet.at,
            ports: &self.tunnels,
            fragments: &mut self.fragments,
            tunnels: 0,
        };
        let frame = Layer {
            bytes: frame,
            wire_len: packet.wire_len.max(frame.len()),
            offset: packet.bytes.start,
            place: PacketIn::Window,
        };
        let down = descent.frame(packet.link, frame);
        let tunnels = descent.tunnels;
        match down {
            Down::Segment(found, sum) => {
                self.counters.tunnelled += u64::from(tunnels > 0);
                let sender = found.segment.flow.client.address;
                if self.senders.believe(sender, sum) || self.believes_all {
                    return self.keep(found);
                }
                self.counters.bad_checksum += 1;
            }
            Down::ForgedAddress => self.counters.forged_address += 1,
            Down::Fragment => {}
            Down::Other(other) => {
                self.counters.not_tcp += 1;
                *self.others.entry(other).or_default() += 1;
            }
            Down::Unparsable => self.counters.unparsable += 1,
            Down::UnreadLink(link) => self.count_unread_link(link),
        }
        None
    }

    /// Numbers a segment's connection; keeps the segment if it is one that the pipeline wants.
    fn keep(&mut self, mut found: Found) -> Option<Found> {
        let segment = &found.segment;
        let (stream, sender) = self.streams.number(segment);
        found.stream = stream;
        let flags = segment.flags;
        let (to, from) = (segment.flow.server.port, segment.flow.client.port);
        if sender == Sender::Server && self.replies && self.wants(from) {
            self.counters.from_server += 1;
            found.turn_round();
            return Some(found);
        }
        if !self.wants(to) {
            self.counters.other_port += 1;
            self.count_other_port(&found, sender);
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

impl<R> CaptureFile<R> {
    fn wants(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.contains(&port)
    }

    /// Counts a segment to a port that was not asked for by the port of its server; where nobody knows
    /// which end that is, servers have the lower ports.
    fn count_other_port(&mut self, found: &Found, sender: Sender) {
        let flow = &found.segment.flow;
        let port = match sender {
            Sender::Client => flow.server.port,
            Sender::MaybeClient => flow.server.port.min(flow.client.port),
            Sender::Server => return,
        };
        *self.other_ports.entry(port).or_default() += 1;
    }
}

#[cfg(test)]
mod tests;
