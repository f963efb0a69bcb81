//! A body while it is being collected: few pieces, each written once.

use bytes::Bytes;

use super::blocks::{BLOCK, Blocks};
use crate::budget::Reserved;

/// From this many bytes on, what arrives at once becomes a piece of its own. Less is gathered, so that a
/// body sent byte by byte does not become a million pieces.
pub(super) const OWN_PIECE: usize = 4096;

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

/// Bytes in a buffer that may be kept.
#[derive(Debug)]
pub(super) struct Waited {
    pub(super) bytes: Bytes,
    /// What the buffer takes.
    pub(super) memory: usize,
}

impl Waited {
    /// `bytes`, if they are in this buffer, and are most of it: all of it is kept with them.
    pub(super) fn of(buffer: &Bytes, bytes: &[u8]) -> Option<Self> {
        let (whole, part) = (buffer.as_ptr_range(), bytes.as_ptr_range());
        let within = whole.start <= part.start && part.end <= whole.end;
        let most = bytes.len() >= OWN_PIECE && bytes.len() >= buffer.len() / 4 * 3;
        (within && most).then(|| Self {
            bytes: buffer.slice_ref(bytes),
            memory: buffer.len(),
        })
    }
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

    /// Appends what [waited](crate::stream::Data::waited) without a copy, if there is no room for it in what is being
    /// filled; else as [`push`](Self::push). What is left empty of that is less than what is appended.
    #[must_use]
    pub(super) fn push_waited(
        &mut self,
        waited: Waited,
        reserved: &mut Reserved,
        blocks: &Blocks,
    ) -> bool {
        let Waited { bytes, memory } = waited;
        if self.room() >= bytes.len() {
            return self.push(&bytes, reserved, blocks);
        }
        if !reserved.grow(memory + PIECE_OVERHEAD) {
            return false;
        }
        self.seal(blocks);
        self.len += bytes.len();
        self.pieces.push(bytes);
        true
    }

    /// All pieces, in order.
    pub(super) fn into_pieces(mut self, blocks: &Blocks) -> Vec<Bytes> {
        self.seal(blocks);
        self.pieces
    }

    /// Whether it is exactly one message of gRPC: a byte that says whether it is compressed, and its length before it.
    pub(super) fn is_one_message(&self) -> bool {
        let pieces = self.pieces.iter().map(|piece| &**piece);
        let mut bytes = pieces.chain([&*self.gather]).flatten().skip(1).copied();
        let length = [(); 4].map(|()| bytes.next());
        let [Some(a), Some(b), Some(c), Some(d)] = length else {
            return false;
        };
        let length = u64::from(u32::from_be_bytes([a, b, c, d]));
        self.len as u64 == 5 + length
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
    fn one_message_of_grpc_is_told_from_less_and_more() {
        let blocks = Blocks::new(0);
        let holds = |bytes: &[u8], cut: usize| {
            let mut reserved = Budget::new(usize::MAX).empty();
            let mut body = Body::default();
            for part in [&bytes[..cut], &bytes[cut..]] {
                assert!(body.push(part, &mut reserved, &blocks));
            }
            body.is_one_message()
        };
        for cut in 0..8 {
            assert!(holds(b"\0\0\0\0\x03abc", cut));
        }
        for other in [
            &b""[..],
            b"\0\0\0\0",
            b"\0\0\0\0\x03ab",
            b"\0\0\0\0\x03abcd",
            b"\0\xff\xff\xff\xff",
        ] {
            assert!(!holds(other, 0), "{other:?}");
        }
        assert!(holds(b"\0\0\0\0\0", 0), "an empty message");
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
    fn what_waited_is_kept_where_nothing_else_has_room() {
        let budget = Budget::new(1 << 20);
        let (mut reserved, blocks, mut body) = (budget.empty(), Blocks::new(0), Body::default());
        let buffer = Bytes::from(vec![7; 20_000]);
        let waited = |len: usize| Waited::of(&buffer, &buffer[20_000 - len..]);
        assert!(waited(14_999).is_none(), "too little of it");
        assert!(Waited::of(&buffer, &[7; 20_000]).is_none(), "elsewhere");
        assert!(body.push(b"abc", &mut reserved, &blocks));
        assert!(body.push_waited(waited(15_000).unwrap(), &mut reserved, &blocks));
        assert_eq!(reserved.bytes(), 3 + 20_000 + 2 * PIECE_OVERHEAD);
        assert!(body.push_waited(waited(20_000).unwrap(), &mut reserved, &blocks));
        let pieces = body.into_pieces(&blocks);
        assert_eq!(pieces.concat(), [b"abc", &[7; 35_000][..]].concat());
        assert_eq!(pieces[1].as_ptr(), buffer[5_000..].as_ptr(), "no copy");
        assert_eq!(pieces[2].as_ptr(), buffer.as_ptr());
    }

    /// A block that is being filled is not left for what waited, or small pieces between would take a block each.
    #[test]
    fn what_waited_fills_the_block_at_hand() {
        let budget = Budget::new(usize::MAX);
        let (mut reserved, blocks, mut body) = (budget.empty(), Blocks::new(0), Body::default());
        let buffer = Bytes::from(vec![7; OWN_PIECE]);
        for _ in 0..2_000 {
            assert!(body.push(&[1; 100], &mut reserved, &blocks));
            let waited = Waited::of(&buffer, &buffer).unwrap();
            assert!(body.push_waited(waited, &mut reserved, &blocks));
        }
        let len = 2_000 * (100 + OWN_PIECE);
        assert_eq!(body.len(), len);
        assert!(reserved.bytes() < len * 5 / 4, "{}", reserved.bytes());
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let (budget, blocks) = (Budget::new(5000), Blocks::new(0));
        let mut reserved = budget.empty();
        let mut body = Body::default();
        assert!(body.push(b"abc", &mut reserved, &blocks));
        let before = reserved.bytes();
        assert!(!body.push(&[0; 8000], &mut reserved, &blocks));
        let buffer = Bytes::from(vec![0; 8000]);
        let waited = Waited::of(&buffer, &buffer).unwrap();
        assert!(!body.push_waited(waited, &mut reserved, &blocks));
        assert_eq!((body.len(), reserved.bytes()), (3, before));
        assert_eq!(body.into_pieces(&blocks), [Bytes::from_static(b"abc")]);
    }
}
