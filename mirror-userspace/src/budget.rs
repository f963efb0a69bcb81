//! The memory budget of a shard: every byte that is kept for later is reserved here first.
//!
//! The count is of bytes *allocated*, not of bytes in use, so that the limit is a limit on memory.
//! A [`Reserved`] gives its bytes back when it is dropped, wherever it has travelled by then.

use std::{cell::Cell, rc::Rc};

/// A limit on bytes, shared by all stages of one shard. Cloning it shares the same limit.
#[derive(Clone, Debug)]
pub struct Budget {
    used: Rc<Cell<usize>>,
    peak: Rc<Cell<usize>>,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            used: Rc::default(),
            peak: Rc::default(),
            limit,
        }
    }

    /// The most bytes that can be reserved at once.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes reserved now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// The most bytes that were ever reserved at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak.get()
    }

    /// An empty reservation, to be grown.
    #[must_use]
    pub fn empty(&self) -> Reserved {
        Reserved {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Reserves `bytes`, or leaves the budget as it was and returns `None`.
    #[must_use]
    pub fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let mut reserved = self.empty();
        reserved.grow(bytes).then_some(reserved)
    }
}

/// Bytes taken from a [`Budget`]; dropping it returns them.
#[derive(Debug)]
pub struct Reserved {
    budget: Budget,
    bytes: usize,
}

impl Reserved {
    /// How many bytes are held.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes, or changes nothing and returns `false`.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let Some(used) = self
            .budget
            .used
            .get()
            .checked_add(more)
            .filter(|used| *used <= self.budget.limit)
        else {
            return false;
        };
        self.budget.used.set(used);
        self.budget.peak.set(self.budget.peak.get().max(used));
        self.bytes += more;
        true
    }

    /// Gives `less` bytes back, at most those held.
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.budget.used.set(self.budget.used.get() - less);
    }

    /// Gives everything back.
    pub fn release(&mut self) {
        self.shrink(self.bytes);
    }

    /// Moves everything that `other` holds here. Both must be of the same budget.
    pub fn absorb(&mut self, mut other: Self) {
        debug_assert!(Rc::ptr_eq(&self.budget.used, &other.budget.used));
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_reservation_changes_nothing() {
        let budget = Budget::new(10);
        let mut held = budget.reserve(6).unwrap();
        assert!(budget.reserve(5).is_none());
        assert!(!held.grow(5));
        assert!(!held.grow(usize::MAX), "no overflow");
        assert_eq!((budget.used(), held.bytes()), (6, 6));
        assert!(held.grow(4));
        assert_eq!((budget.used(), budget.peak()), (10, 10));
    }

    #[test]
    fn dropping_returns_the_bytes_wherever_they_went() {
        let budget = Budget::new(10);
        let mut a = budget.reserve(3).unwrap();
        a.absorb(budget.reserve(4).unwrap());
        assert_eq!(budget.used(), 7);
        a.shrink(1);
        assert_eq!(budget.used(), 6);
        drop(a);
        assert_eq!((budget.used(), budget.peak()), (0, 7));
    }
}
