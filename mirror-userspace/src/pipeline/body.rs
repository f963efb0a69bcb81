//! A body while it is being collected: few pieces, each written once.

use bytes::{Bytes, BytesMut};

use crate::budget::Reserved;

/// From this size on, in bytes, received bytes become a piece of their own: copied exactly once.
/// Smaller ones are gathered, so that a body sent byte by byte does not become a million pieces.
const OWN_PIECE: usize = 4096;

/// The largest buffer that small pieces are gathered in, in bytes.
const LARGEST_GATHER: usize = 16 * 1024;

/// What a piece costs beyond its bytes: its handle and the allocator's header.
const PIECE_OVERHEAD: usize = 64;

/// Collected bytes. All of its memory is reserved by whoever owns it.
#[derive(Debug, Default)]
pub(super) struct Body {
    pieces: Vec<Bytes>,
    gather: BytesMut,
    len: usize,
}

impl Body {
    /// How many bytes were collected.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Appends `bytes`, their memory taken into `reserved`. `false`, with nothing changed, if the
    /// budget has no room.
    #[must_use]
    pub(super) fn push(&mut self, bytes: &[u8], reserved: &mut Reserved) -> bool {
        let room = self.gather.capacity() - self.gather.len();
        if bytes.len() > room {
            let capacity = if bytes.len() >= OWN_PIECE {
                bytes.len()
            } else {
                // Doubling bounds the number of pieces; starting exact keeps small bodies small.
                self.len.clamp(bytes.len(), LARGEST_GATHER)
            };
            if !reserved.grow(capacity + PIECE_OVERHEAD) {
                return false;
            }
            self.seal();
            self.gather = BytesMut::with_capacity(capacity);
        }
        self.gather.extend_from_slice(bytes);
        self.len += bytes.len();
        true
    }

    /// All pieces, in order.
    pub(super) fn into_pieces(mut self) -> Vec<Bytes> {
        self.seal();
        self.pieces
    }

    fn seal(&mut self) {
        if !self.gather.is_empty() {
            self.pieces.push(std::mem::take(&mut self.gather).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    fn collect(pieces: impl Iterator<Item = usize>) -> (Vec<u8>, Vec<Bytes>, usize) {
        let budget = Budget::new(usize::MAX);
        let mut reserved = budget.empty();
        let (mut body, mut sent) = (Body::default(), Vec::new());
        for (byte, len) in (0..=u8::MAX).cycle().zip(pieces) {
            let bytes = vec![byte; len];
            assert!(body.push(&bytes, &mut reserved));
            sent.extend(bytes);
        }
        assert_eq!(body.len(), sent.len());
        (sent, body.into_pieces(), reserved.bytes())
    }

    #[test]
    fn bytes_come_back_as_they_went_in() {
        for sizes in [
            vec![1; 70_000],
            vec![4096, 1, 1, 9000, 3],
            vec![],
            vec![100_000],
            vec![1448; 50],
        ] {
            let (sent, pieces, _) = collect(sizes.into_iter());
            assert_eq!(pieces.concat(), sent);
        }
    }

    #[test]
    fn a_body_sent_byte_by_byte_is_few_pieces_and_little_waste() {
        let (sent, pieces, reserved) = collect(std::iter::repeat_n(1, 100_000));
        assert!(pieces.len() < 32, "{} pieces", pieces.len());
        assert!(
            reserved < sent.len() * 5 / 4,
            "{reserved} bytes reserved for {}",
            sent.len()
        );
    }

    #[test]
    fn a_large_segment_is_one_exact_piece() {
        let (_, pieces, reserved) = collect([65_536, 65_536].into_iter());
        assert_eq!(
            pieces.iter().map(Bytes::len).collect::<Vec<_>>(),
            [65_536, 65_536]
        );
        assert_eq!(reserved, 2 * (65_536 + PIECE_OVERHEAD));
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let budget = Budget::new(5000);
        let mut reserved = budget.empty();
        let mut body = Body::default();
        assert!(body.push(b"abc", &mut reserved));
        let before = reserved.bytes();
        assert!(!body.push(&[0; 8000], &mut reserved));
        assert_eq!((body.len(), reserved.bytes()), (3, before));
        assert_eq!(body.into_pieces(), [Bytes::from_static(b"abc")]);
    }
}
