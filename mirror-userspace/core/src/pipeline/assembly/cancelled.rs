//! Requests of HTTP/2 of which no copy is wanted any more.

use crate::{
    budget::{Budget, Reserved},
    pipeline::{GivenUp, RequestKey, ring::Ring},
};

/// A request, and why.
type One = (RequestKey, GivenUp);

/// Those that dispatch is to be told, behind all copies: a client can give up far more requests than it makes.
#[derive(Debug)]
pub(super) struct Cancelled {
    all: Ring<One>,
    held: Reserved,
}

impl Cancelled {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            all: Ring::new(),
            held: budget.empty(),
        }
    }

    /// `false` without memory for it: the target is left to answer for nothing.
    pub(super) fn push(&mut self, one: One) -> bool {
        let room = self.held.grow(Ring::<One>::COST);
        if room {
            self.all.push(one);
        }
        room
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.first().is_none()
    }

    pub(super) fn pop(&mut self) -> Option<One> {
        let one = self.all.pop()?;
        self.held.shrink(Ring::<One>::COST);
        Some(one)
    }
}
