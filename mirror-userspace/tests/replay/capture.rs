//! Captures to replay, written by the program's own writer.

use std::net::SocketAddr;

use mirror_capture::file::{CaptureWriter, Headers};
use mirror_common::record::flag;
use mirror_core::segment::{FlowId, Segment, SeqNum, TcpFlags, Time};

/// 2026-11-22T06:00:00Z, in nanoseconds since the Unix epoch.
const START: u64 = 1_795_327_200_000_000_000;

/// The type of pcapng's blocks that hold packets.
const ENHANCED_PACKET: usize = 6;

/// A capture while it is written; a millisecond passes with each segment.
pub(crate) struct Capture {
    writer: CaptureWriter<Vec<u8>>,
    millis: u64,
}

/// The sending end of one connection.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    flow: FlowId,
    next: SeqNum,
    /// The server's next sequence number, as far as the client knows.
    server: SeqNum,
}

impl Capture {
    pub(crate) fn new() -> Self {
        Self {
            writer: CaptureWriter::new(Vec::new(), Headers::Ethernet, &[]).unwrap(),
            millis: 0,
        }
    }

    /// A connection from 10.0.0.1 and this port to port 80.
    pub(crate) fn connect(&mut self, port: u16) -> Client {
        self.connect_to(port, 80)
    }

    /// A connection to another port.
    pub(crate) fn connect_to(&mut self, port: u16, server: u16) -> Client {
        let mut client = Client {
            flow: FlowId {
                client: SocketAddr::from(([10, 0, 0, 1], port)).into(),
                server: SocketAddr::from(([10, 0, 0, 2], server)).into(),
                attachment: 0,
            },
            // Another one for each connection, as RFC 9293 section 3.4.1 wants.
            next: SeqNum(
                u32::try_from(self.millis)
                    .unwrap()
                    .wrapping_mul(0x9e37_79b1),
            ),
            server: SeqNum(1),
        };
        self.segment(&client, flag::SYN, b"");
        client.next = client.next + 1;
        client
    }

    /// The client sends this, in segments of the usual size.
    pub(crate) fn say(&mut self, client: &mut Client, bytes: impl AsRef<[u8]>) {
        for piece in bytes.as_ref().chunks(1_448) {
            self.segment(client, flag::ACK, piece);
            client.next = client.next + u32::try_from(piece.len()).unwrap();
        }
    }

    /// The server sends this in one segment, which acknowledges all that the client has sent; the client gets it.
    pub(crate) fn answer(&mut self, client: &mut Client, flags: u8, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let FlowId {
            client: to,
            server: from,
            ..
        } = client.flow;
        let server = Client {
            flow: FlowId {
                client: from,
                server: to,
                ..client.flow
            },
            next: client.server,
            server: client.next,
        };
        self.segment(&server, flag::ACK | flags, bytes);
        let taken = u32::try_from(bytes.len()).unwrap();
        client.server = client.server + taken + u32::from(flags & flag::SYN != 0);
    }

    /// The client is done.
    pub(crate) fn finish(&mut self, client: &Client) {
        self.segment(client, flag::FIN | flag::ACK, b"");
    }

    /// The client aborts.
    pub(crate) fn reset(&mut self, client: &Client) {
        self.segment(client, flag::RST | flag::ACK, b"");
    }

    /// The client sends so many bytes, and the capture misses them.
    pub(crate) fn miss(&mut self, client: &mut Client, bytes: u32) {
        client.next = client.next + bytes;
    }

    /// The server sends so many bytes, and the capture misses them; the client gets them.
    pub(crate) fn miss_answer(&mut self, client: &mut Client, bytes: u32) {
        client.server = client.server + bytes;
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.millis += millis;
    }

    fn segment(&mut self, client: &Client, flags: u8, payload: &[u8]) {
        self.millis += 1;
        let flags = TcpFlags(flags);
        let at = Time::from_nanos(START + self.millis * 1_000_000);
        let ack = flags.ack().then_some(client.server);
        let segment = Segment::from_client(at, client.flow, client.next, ack, flags, payload);
        self.writer.write(&segment).unwrap();
    }

    /// Closes the capture, and returns it as pcap with every frame changed by `change`, which is given
    /// all behind its Ethernet addresses.
    pub(crate) fn changed(self, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let file = self.bytes();
        let field = |at: usize| {
            let bytes = file.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes) as usize)
        };
        // Magic, version 2.4, no time zone, snap length, Ethernet.
        let mut pcap = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1_u32]
            .map(u32::to_le_bytes)
            .concat();
        let mut at = 0;
        while let (Some(kind), Some(len)) = (field(at), field(at + 4)) {
            if kind == ENHANCED_PACKET {
                let captured = field(at + 20).unwrap();
                let frame = &file[at + 28..][..captured];
                let frame = [&frame[..12], &change(&frame[12..])].concat();
                let len = u32::try_from(frame.len()).unwrap();
                pcap.extend([0, 0, len, len].map(u32::to_le_bytes).concat());
                pcap.extend(frame);
            }
            at += len;
        }
        pcap
    }

    /// Closes the capture, and returns its bytes.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.writer.finish(&["the end"]).unwrap()
    }
}

pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: v1.test\r\naccept:  */*\r\n\r\n")
}

pub(crate) fn post(target: &str, body: &str) -> String {
    let len = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: v1.test\r\nContent-Length: {len}\r\n\r\n{body}")
}
