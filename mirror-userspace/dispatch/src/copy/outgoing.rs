//! The bytes of a copy that are to be written, and their share of the memory budget.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};
use mirror_core::budget::Reserved;

/// Bytes to write, each with its share of the memory budget until it is written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// The memory of the pieces that the copy came with.
    reserved: Reserved,
    /// The memory of the pieces that came later, which are the last of `pieces`: one entry each.
    later: VecDeque<Reserved>,
    bytes: usize,
    /// If written bytes are kept, in case they must be written again: how far they are written.
    kept: Option<Written>,
}

/// How much of the kept pieces is written: whole pieces, and bytes of the next one.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    pieces: usize,
    bytes: usize,
}

impl Outgoing {
    pub(crate) fn new(pieces: Vec<Bytes>, reserved: Reserved) -> Self {
        let bytes = pieces.iter().map(Bytes::len).sum();
        let mut outgoing = Self {
            pieces: VecDeque::from(pieces),
            reserved,
            later: VecDeque::new(),
            bytes,
            kept: None,
        };
        outgoing.advance(0);
        outgoing
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(crate) fn push(&mut self, bytes: Bytes, reserved: Reserved) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.pieces.push_back(bytes);
            self.later.push_back(reserved);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.pieces = VecDeque::new();
        self.later = VecDeque::new();
        self.reserved.release();
        self.bytes = 0;
        self.kept = None;
    }

    /// Keeps what is written from now on. Only for copies that are whole, which nothing is
    /// [pushed](Self::push) to.
    pub(crate) fn keep(&mut self) {
        self.kept = Some(Written::default());
    }

    /// Whether all of it is still there, written or not.
    pub(crate) const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Lets go of written bytes, and keeps none from now on.
    pub(crate) fn forget(&mut self) {
        let Some(written) = self.kept.take() else {
            return;
        };
        let whole = self.pieces.iter().take(written.pieces).map(Bytes::len);
        self.drop_written(whole.sum::<usize>() + written.bytes);
    }

    /// Goes back to the first byte kept since [`keep`](Self::keep): nothing counts as written.
    pub(crate) fn rewind(&mut self) {
        if self.kept.take().is_some() {
            self.bytes = self.pieces.iter().map(Bytes::len).sum();
        }
    }

    /// The first piece; of bytes that are being written and not kept, what is left of it.
    pub(crate) fn first(&self) -> Option<&Bytes> {
        self.pieces.front()
    }

    /// Bytes that wait to be written.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts the first unwritten pieces into `slices`; returns how many.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let written = self.kept.unwrap_or_default();
        let mut begun = written.bytes;
        slices
            .iter_mut()
            .zip(self.pieces.iter().skip(written.pieces))
            .map(|(slice, piece)| {
                let piece = piece.get(std::mem::take(&mut begun)..);
                *slice = IoSlice::new(piece.unwrap_or_default());
            })
            .count()
    }

    /// Takes the first of `written` bytes as written of these; returns how many are left over.
    pub(crate) fn advance(&mut self, written: usize) -> usize {
        let own = written.min(self.bytes);
        self.bytes -= own;
        match &mut self.kept {
            Some(kept) => {
                kept.bytes += own;
                while let Some(piece) = self.pieces.get(kept.pieces) {
                    let Some(more) = kept.bytes.checked_sub(piece.len()) else {
                        break;
                    };
                    *kept = Written {
                        pieces: kept.pieces + 1,
                        bytes: more,
                    };
                }
            }
            None => self.drop_written(own),
        }
        written - own
    }

    fn drop_written(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pieces.pop_front();
            if self.later.len() > self.pieces.len() {
                self.later.pop_front();
            } else if self.later.len() == self.pieces.len() {
                self.reserved.release();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mirror_core::budget::Budget;

    fn lens(outgoing: &Outgoing) -> Vec<usize> {
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = outgoing.fill(&mut slices);
        slices[..filled].iter().map(|slice| slice.len()).collect()
    }

    #[test]
    fn shares_of_the_budget_return_with_the_bytes() {
        let budget = Budget::new(100);
        let pieces = ["", "abc", "", "de"].map(Bytes::from).to_vec();
        let mut outgoing = Outgoing::new(pieces, budget.reserve(50).unwrap());
        outgoing.push(Bytes::from_static(b"fgh"), budget.reserve(10).unwrap());
        outgoing.push(Bytes::new(), budget.reserve(40).unwrap());
        outgoing.push(Bytes::from_static(b"i"), budget.reserve(20).unwrap());
        assert_eq!((budget.used(), outgoing.bytes), (80, 9));
        outgoing.advance(4);
        assert_eq!((budget.used(), lens(&outgoing)), (80, vec![1, 3, 1]));
        outgoing.advance(1);
        assert_eq!((budget.used(), lens(&outgoing)), (30, vec![3, 1]));
        outgoing.advance(3);
        assert_eq!((budget.used(), lens(&outgoing)), (20, vec![1]));
        outgoing.advance(1);
        assert_eq!((budget.used(), outgoing.bytes), (0, 0));
        assert!(outgoing.is_empty());
    }

    #[test]
    fn what_is_kept_is_written_again() {
        let budget = Budget::new(100);
        let pieces = ["abc", "", "de"].map(Bytes::from).to_vec();
        let mut outgoing = Outgoing::new(pieces, budget.reserve(50).unwrap());
        outgoing.keep();
        assert_eq!(outgoing.advance(1), 0);
        assert_eq!((outgoing.bytes, lens(&outgoing)), (4, vec![2, 0, 2]));
        assert_eq!(outgoing.advance(3), 0);
        assert_eq!((outgoing.bytes, lens(&outgoing)), (1, vec![1]));
        assert_eq!(outgoing.advance(5), 4, "those are somebody else's");
        assert!(outgoing.is_empty() && lens(&outgoing).is_empty());
        assert_eq!(budget.used(), 50);
        outgoing.rewind();
        assert_eq!((outgoing.bytes, lens(&outgoing)), (5, vec![3, 0, 2]));
        outgoing.advance(5);
        assert_eq!(budget.used(), 0, "once is enough");
    }

    #[test]
    fn what_is_forgotten_is_gone() {
        let budget = Budget::new(100);
        let pieces = ["abc", "de"].map(Bytes::from).to_vec();
        let mut outgoing = Outgoing::new(pieces, budget.reserve(50).unwrap());
        outgoing.keep();
        outgoing.advance(4);
        outgoing.forget();
        assert_eq!((outgoing.bytes, lens(&outgoing)), (1, vec![1]));
        outgoing.rewind();
        assert_eq!((outgoing.bytes, budget.used()), (1, 50));
        outgoing.keep();
        outgoing.advance(1);
        assert_eq!(budget.used(), 50);
        outgoing.forget();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn nothing_to_write_is_empty_at_once() {
        let budget = Budget::new(100);
        let outgoing = Outgoing::new(vec![Bytes::new()], budget.reserve(5).unwrap());
        assert!(outgoing.is_empty());
        assert_eq!(budget.used(), 0);
    }
}
