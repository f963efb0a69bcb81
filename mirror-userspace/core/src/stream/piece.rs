//! A segment's bytes and their place in the stream.

use std::ops::Add;

use crate::segment::{Segment, SeqNum, Time};

/// What lies further from the expected sequence number, on either side, does not belong to this
/// connection: 32 MiB, the window that Linux grows to where it was tuned for much (`tcp_rmem`; 6 MiB
/// by default). TCP itself knows windows of 1 GiB (RFC 7323 section 2.3).
pub(crate) const REACH: u64 = 32 << 20;

/// A place in a stream: a sequence number that does not wrap. Its low 32 bits are the sequence
/// number itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

impl Position {
    /// Where a stream that starts with `seq` starts: one wrap above zero, so that what lies up to
    /// 2 GiB before it has a place too.
    pub(super) fn of_first(seq: SeqNum) -> Self {
        Self((1 << 32) | u64::from(seq.0))
    }

    /// The place nearest to this one that has this sequence number.
    pub(super) fn nearest(self, seq: SeqNum) -> Self {
        let distance = i64::from(seq.distance_from(self.seq()));
        Self(self.0.saturating_add_signed(distance))
    }

    /// The sequence number of the byte here.
    pub(super) fn seq(self) -> SeqNum {
        SeqNum((self.0 & 0xffff_ffff) as u32)
    }

    /// Bytes from `earlier` to here; 0 if `earlier` is later.
    pub(super) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Position {
    type Output = Self;

    fn add(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

/// A run of stream, as one segment carried it: `bytes`, then bytes that the snap length `cut` off,
/// then the end of the stream if `fin` (which takes a sequence number of its own).
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) start: Position,
    pub(super) bytes: &'a [u8],
    pub(super) cut: u32,
    pub(super) fin: bool,
    pub(super) starts_segment: bool,
    pub(super) at: Time,
    pub(super) ack: Option<SeqNum>,
}

impl<'a> Piece<'a> {
    /// The piece that a segment carries, in a stream that has come to `next`.
    pub(super) fn of(segment: &Segment<'a>, next: Position) -> Self {
        let captured = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        Self {
            start: next.nearest(segment.payload_seq()),
            bytes: segment.payload,
            cut: segment.wire_len.saturating_sub(captured),
            fin: segment.flags.fin(),
            starts_segment: segment.starts_segment,
            at: segment.at,
            ack: segment.ack,
        }
    }

    /// How many payload bytes it has.
    pub(super) const fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The place after its last sequence number.
    pub(super) fn end(&self) -> Position {
        self.start + self.len() + u64::from(self.cut) + u64::from(self.fin)
    }

    /// Whether it takes no sequence number at all: an acknowledgment, or Linux's keep-alive probe.
    pub(super) fn is_empty(&self) -> bool {
        self.end() == self.start
    }

    /// What is left of it from `position` on, and how many payload bytes that took off.
    pub(super) fn from(mut self, position: Position) -> (Self, u64) {
        let passed = position.since(self.start);
        if passed == 0 {
            return (self, 0);
        }
        let taken = passed.min(self.len());
        self.bytes = usize::try_from(taken)
            .ok()
            .and_then(|taken| self.bytes.get(taken..))
            .unwrap_or_default();
        let passed_cut = u32::try_from(passed - taken).unwrap_or(u32::MAX);
        self.cut = self.cut.saturating_sub(passed_cut);
        self.start = position;
        self.starts_segment = false;
        (self, taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_on_where_sequence_numbers_wrap() {
        let first = Position::of_first(SeqNum(u32::MAX));
        let second = first.nearest(SeqNum(0));
        assert_eq!(second, first + 1);
        assert_eq!(second.seq(), SeqNum(0));
        assert_eq!(second.nearest(SeqNum(u32::MAX)), first);
        let zero = Position::of_first(SeqNum(0));
        assert_eq!(
            zero.since(zero.nearest(SeqNum(u32::MAX))),
            1,
            "before the first"
        );
    }

    #[test]
    fn the_front_comes_off_bytes_first_then_the_cut() {
        let start = Position::of_first(SeqNum(5));
        let piece = Piece {
            start,
            bytes: b"abc",
            cut: 2,
            fin: true,
            starts_segment: true,
            at: Time::default(),
            ack: None,
        };
        assert_eq!(piece.end(), start + 6);
        for (passed, bytes, cut) in [
            (0, "abc", 2),
            (2, "c", 2),
            (3, "", 2),
            (4, "", 1),
            (5, "", 0),
        ] {
            let (rest, taken) = piece.from(start + passed);
            assert_eq!((rest.bytes, rest.cut), (bytes.as_bytes(), cut));
            assert_eq!(taken, passed.min(3));
            assert_eq!(rest.end(), piece.end());
            assert_eq!(rest.starts_segment, passed == 0);
        }
    }
}
