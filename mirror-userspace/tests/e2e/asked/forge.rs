//! Segments that no socket sends, right but for what makes them forged.

use std::time::{Duration, Instant};

use lab::{Frames, Lab};

use crate::scene::PATIENCE;

const ETHERNET: usize = 14;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const SYN: u8 = 0x02;

/// A segment of a client to v1, to be changed and sent.
#[derive(Clone, Debug)]
pub(super) struct Forged {
    /// What stands before TCP.
    pub(super) before: Vec<u8>,
    pub(super) source_port: u16,
    pub(super) sequence: u32,
    pub(super) acknowledgment: u32,
    pub(super) flags: u8,
    pub(super) payload: Vec<u8>,
}

/// The client's link.
pub(super) struct Wire(Frames);

impl Wire {
    pub(super) fn open(lab: &Lab) -> Self {
        Self(Frames::open(&lab.client, "eth0").unwrap())
    }

    /// What the client of this port would send next, when it has read `reply` bytes behind the last
    /// request that it has sent.
    pub(super) fn next_of(&self, port: u16, reply: usize) -> Forged {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while let Some(frame) = self.0.receive(Duration::from_millis(200)).unwrap() {
            assert!(Instant::now() < deadline, "frames without end");
            let found = Forged::parse(&frame);
            last = found.filter(|one| one.source_port == port).or(last);
        }
        let mut next = last.expect("the client has sent nothing");
        next.sequence += u32::try_from(next.payload.len()).unwrap();
        next.acknowledgment += u32::try_from(reply).unwrap();
        next.flags = ACK | PSH;
        next
    }

    pub(super) fn send(&self, forged: &Forged) {
        self.0.send(&forged.bytes()).unwrap();
    }

    /// Sends it with a checksum that is wrong: no kernel takes it.
    pub(super) fn send_broken(&self, forged: &Forged) {
        let mut bytes = forged.bytes();
        let tcp = forged.before.len();
        bytes[tcp + 16] ^= 0x55;
        self.0.send(&bytes).unwrap();
    }
}

impl Forged {
    /// Data to port 80.
    fn parse(frame: &[u8]) -> Option<Self> {
        let tcp = match frame.get(12..ETHERNET)? {
            [0x08, 0x00] if frame[ETHERNET + 9] == 6 => ETHERNET + 20,
            [0x86, 0xdd] if frame[ETHERNET + 6] == 6 => ETHERNET + 40,
            _ => return None,
        };
        let word =
            |at: usize| u32::from_be_bytes(frame[tcp + at..tcp + at + 4].try_into().unwrap());
        let short =
            |at: usize| u16::from_be_bytes(frame[tcp + at..tcp + at + 2].try_into().unwrap());
        let payload = frame
            .get(tcp + usize::from(frame[tcp + 12] >> 4) * 4..)?
            .to_vec();
        (short(2) == 80 && !payload.is_empty()).then(|| Self {
            before: frame[..tcp].to_vec(),
            source_port: short(0),
            sequence: word(4),
            acknowledgment: word(8),
            flags: frame[tcp + 13],
            payload,
        })
    }

    /// The same without data, as the first of a connection.
    pub(super) fn syn(mut self) -> Self {
        self.flags = SYN;
        self.payload.clear();
        self
    }

    /// The same to another station.
    pub(super) fn for_another(mut self) -> Self {
        self.before[..6].copy_from_slice(&[2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);
        self
    }

    /// The same without the flag that says that it acknowledges something.
    pub(super) fn without_ack(mut self) -> Self {
        self.flags &= !ACK;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut tcp = [self.source_port.to_be_bytes(), 80_u16.to_be_bytes()].concat();
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgment.to_be_bytes());
        tcp.extend([0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(&self.payload);
        let mut before = self.before.clone();
        let ip = &mut before[ETHERNET..];
        let len = u16::try_from(tcp.len()).unwrap();
        let addresses = if ip[0] >> 4 == 4 {
            ip[2..4].copy_from_slice(&(len + 20).to_be_bytes());
            ip[10..12].fill(0);
            let sum = checksum(ip);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            ip[12..20].to_vec()
        } else {
            ip[4..6].copy_from_slice(&len.to_be_bytes());
            ip[8..40].to_vec()
        };
        let pseudo = [&addresses[..], &[0, 6], &len.to_be_bytes(), &tcp].concat();
        tcp[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
        before.extend(tcp);
        before
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
