//! Internet checksums (RFC 1071) of captured packets: which are right, and which nobody has computed.
//!
//! A kernel drops a segment with a wrong checksum, so that v1 never has its bytes, and the sender
//! sends them again. But captures have segments whose checksum nobody has computed yet, or ever:
//!
//! - where they were captured on the machine that sent them, whose interface computes checksums later,
//! - where segments were put together on their way (GRO), on the machine that received them.
//!
//! Then Linux, macOS and Windows leave the sum of the pseudo-header alone in the field (Windows without
//! the length in it, for what the interface will cut). What else is wrong is judged by its sender, see
//! [`senders`](super::senders).

use mirror_common::packet::{LoadBytes as _, upper};

use super::found::{Cut, MTU};

const TCP: u8 = 6;

/// What the checksums of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// They are right, or left to the interface.
    Right,
    /// It can't be told.
    Unknown,
    Wrong,
}

impl Sum {
    /// The checksums of the TCP segment that this IP packet carries, IPv4's own among them.
    pub(super) fn of(packet: &Cut<'_>) -> Self {
        Self::judge(packet).unwrap_or(Self::Unknown)
    }

    fn judge(packet: &Cut<'_>) -> Option<Self> {
        let upper = upper(packet)?;
        let segment = packet.bytes.get(upper.start..upper.end)?;
        let (pseudo, addresses_are_final) = match packet.bytes.first()? >> 4 {
            4 => {
                if !is_ipv4_header_right(packet.bytes.get(..upper.start)?) {
                    return Some(Self::Wrong);
                }
                (packet.bytes.get(12..20)?, true)
            }
            // A routing header may have another destination (RFC 8200 section 8.1).
            _ => (packet.bytes.get(8..40)?, upper.start == 40),
        };
        let pseudo = add(pseudo, u64::from(TCP));
        let with_len = pseudo + segment.len() as u64;
        if fold(add(segment, with_len)) == u16::MAX {
            return Some(Self::Right);
        }
        let field = u16::from_be_bytes(segment.load(16)?);
        let is_left = field == fold(with_len) || field == fold(pseudo);
        Some(if is_left {
            Self::Right
        } else if addresses_are_final && upper.end <= MTU {
            Self::Wrong
        } else {
            // Longer than a frame: put together or not cut yet, and its checksum may be a part's.
            Self::Unknown
        })
    }
}

/// A field of 0 was left to the interface: what is computed is never 0, as a header is not.
fn is_ipv4_header_right(header: &[u8]) -> bool {
    header.get(10..12) == Some(&[0, 0]) || fold(add(header, 0)) == u16::MAX
}

/// Adds to an Internet checksum.
pub(super) fn add(bytes: &[u8], sum: u64) -> u64 {
    let (words, last) = bytes.as_chunks::<2>();
    let tail = last.first().map_or(0, |byte| u64::from(*byte) << 8);
    let body: u64 = words
        .iter()
        .map(|word| u64::from(u16::from_be_bytes(*word)))
        .sum();
    sum + body + tail
}

/// Folds a sum into 16 bits.
pub(super) fn fold(mut sum: u64) -> u16 {
    loop {
        match u16::try_from(sum) {
            Ok(folded) => return folded,
            Err(_) => sum = (sum & 0xffff) + (sum >> 16),
        }
    }
}
