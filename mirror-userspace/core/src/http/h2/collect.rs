//! A few bytes that may come in pieces.

/// Up to `N` bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collected<const N: usize> {
    bytes: [u8; N],
    have: u8,
}

impl<const N: usize> Default for Collected<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            have: 0,
        }
    }
}

impl<const N: usize> Collected<N> {
    /// Takes bytes off `from` until there are `N`; gives them then, and is empty again.
    pub(super) fn fill(&mut self, from: &mut &[u8]) -> Option<[u8; N]> {
        let room = self.bytes.get_mut(usize::from(self.have)..)?;
        let taken = room.len().min(from.len());
        let (some, rest) = from.split_at_checked(taken)?;
        room.get_mut(..taken)?.copy_from_slice(some);
        *from = rest;
        #[cfg(test)]
        crate::http::tests::work::done(taken);
        self.have += u8::try_from(taken).ok()?;
        if usize::from(self.have) < N {
            return None;
        }
        self.have = 0;
        Some(self.bytes)
    }

    /// Whether it is empty.
    pub(super) const fn is_empty(&self) -> bool {
        self.have == 0
    }
}

/// Takes up to `left` bytes off `from`, and counts them off.
pub(super) fn take<'a>(from: &mut &'a [u8], left: &mut u32) -> &'a [u8] {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
    let (taken, rest) = from.split_at_checked(wanted).unwrap_or((*from, &[]));
    *from = rest;
    *left -= u32::try_from(taken.len()).unwrap_or(*left);
    taken
}
