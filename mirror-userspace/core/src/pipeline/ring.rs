//! A queue of small things that floods may fill, and whose room is not kept behind them.

use std::collections::VecDeque;

/// Places that are kept while there are none.
const KEPT: usize = 64;

/// First in, first out. Whoever pushes has paid for it.
#[derive(Debug)]
pub(super) struct Ring<T>(VecDeque<T>);

impl<T> Ring<T> {
    /// What one costs, in a ring that is a quarter full at least.
    pub(super) const COST: usize = 4 * size_of::<T>();

    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn push(&mut self, one: T) {
        self.0.push_back(one);
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.0.front()
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.0.back()
    }

    /// Takes out the first one.
    pub(super) fn pop(&mut self) -> Option<T> {
        let first = self.0.pop_front()?;
        if self.0.capacity() > KEPT && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len().max(KEPT / 2));
        }
        Some(first)
    }
}
