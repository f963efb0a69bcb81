//! Requests of HTTP/2 to which the client no longer wants a reply.

use std::collections::VecDeque;

use crate::{
    budget::{Budget, Reserved},
    pipeline::RequestKey,
};

/// What one costs, in a ring that is a quarter full at least.
const COST: usize = 4 * size_of::<RequestKey>();

/// Places that are kept while there are none.
const KEPT: usize = 64;

/// Those that dispatch is to be told, behind all copies: a client can give up far more requests than it makes.
#[derive(Debug)]
pub(super) struct Cancelled {
    all: VecDeque<RequestKey>,
    held: Reserved,
}

impl Cancelled {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            all: VecDeque::new(),
            held: budget.empty(),
        }
    }

    /// Without memory for it, the target is left to answer for nothing.
    pub(super) fn push(&mut self, request: RequestKey) {
        if self.held.grow(COST) {
            self.all.push_back(request);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<RequestKey> {
        let request = self.all.pop_front()?;
        self.held.shrink(COST);
        // What a flood took is not kept.
        if self.all.capacity() > KEPT && self.all.len() < self.all.capacity() / 4 {
            self.all.shrink_to(self.all.len().max(KEPT / 2));
        }
        Some(request)
    }
}
