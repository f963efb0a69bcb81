//! A body while it is being collected: few pieces, each written once.

use bytes::Bytes;

use super::blocks::{BLOCK, Blocks};
use crate::budget::Reserved;

/// From this many bytes on, what arrives at once becomes a piece of its own. Less is gathered, so that a
/// body sent byte by byte does not become a million pieces.
const OWN_PIECE: usize = 4096;

/// The largest buffer but a block that small pieces are gathered in, in bytes.
const LARGEST_GATHER: usize = 16 * 1024;

/// What a piece costs beyond its bytes: its handle and the allocator's header.
const PIECE_OVERHEAD: usize = 64;

/// Collected bytes, each copied once. All of its memory is reserved by whoever owns it.
#[derive(Debug, Default)]
pub(super) struct Body {
    pieces: Vec<Bytes>,
    gather: Vec<u8>,
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
    pub(super) fn push(&mut self, bytes: &[u8], reserved: &mut Reserved, blocks: &Blocks) -> bool {
        let beyond = bytes.len().saturating_sub(self.room());
        let size = self.next_buffer(beyond);
        if beyond > 0 && !reserved.grow(beyond.div_ceil(size) * (size + PIECE_OVERHEAD)) {
            return false;
        }
        self.len += bytes.len();
        let mut rest = bytes;
        loop {
            let (fits, more) = rest.split_at_checked(self.room()).unwrap_or((rest, &[]));
            self.gather.extend_from_slice(fits);
            if more.is_empty() {
                return true;
            }
            self.seal(blocks);
            self.gather = match size {
                BLOCK => blocks.take(),
                _ => Vec::with_capacity(size),
            };
            rest = more;
        }
    }

    /// All pieces, in order.
    pub(super) fn into_pieces(mut self, blocks: &Blocks) -> Vec<Bytes> {
        self.seal(blocks);
        self.pieces
    }

    fn room(&self) -> usize {
        self.gather.capacity() - self.gather.len()
    }

    /// The size of the next buffer if so many bytes have to go there.
    fn next_buffer(&self, bytes: usize) -> usize {
        // What a block may have too much is little beside what it gets, or beside what there is.
        if bytes > BLOCK / 2 || self.len >= 4 * BLOCK {
            BLOCK
        } else if bytes >= OWN_PIECE {
            bytes
        } else {
            // Doubling bounds the number of pieces; starting exact keeps small bodies small.
            self.len.clamp(bytes, LARGEST_GATHER)
        }
    }

    fn seal(&mut self, blocks: &Blocks) {
        if !self.gather.is_empty() {
            let full = std::mem::take(&mut self.gather);
            self.pieces.push(blocks.freeze(full));
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
        let blocks = Blocks::new(4 * BLOCK);
        let (mut body, mut sent) = (Body::default(), Vec::new());
        for (byte, len) in (0..=u8::MAX).cycle().zip(pieces) {
            let bytes = vec![byte; len];
            assert!(body.push(&bytes, &mut reserved, &blocks));
            sent.extend(bytes);
        }
        assert_eq!(body.len(), sent.len());
        (sent, body.into_pieces(&blocks), reserved.bytes())
    }

    #[test]
    fn bytes_come_back_as_they_went_in() {
        for sizes in [
            vec![1; 70_000],
            vec![4096, 1, 1, 9000, 3],
            vec![],
            vec![100_000],
            vec![1448; 50],
            vec![1448; 200],
            vec![70_000, 3, 65_536, 65_536, 5000],
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
    fn large_segments_fill_blocks() {
        let (_, pieces, reserved) = collect([65_483, 106, 65_483, 40_000].into_iter());
        let lens: Vec<_> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lens, [BLOCK, LARGEST_GATHER, BLOCK, 23_616]);
        assert_eq!(reserved, lens.iter().sum::<usize>() + 4 * PIECE_OVERHEAD);
    }

    #[test]
    fn what_is_larger_than_a_block_takes_several() {
        let (_, pieces, reserved) = collect(std::iter::once(3 * BLOCK + 1));
        assert_eq!(pieces.len(), 4);
        assert_eq!(reserved, 4 * (BLOCK + PIECE_OVERHEAD));
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let (budget, blocks) = (Budget::new(5000), Blocks::new(0));
        let mut reserved = budget.empty();
        let mut body = Body::default();
        assert!(body.push(b"abc", &mut reserved, &blocks));
        let before = reserved.bytes();
        assert!(!body.push(&[0; 8000], &mut reserved, &blocks));
        assert_eq!((body.len(), reserved.bytes()), (3, before));
        assert_eq!(body.into_pieces(&blocks), [Bytes::from_static(b"abc")]);
    }
}
