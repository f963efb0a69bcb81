//! Requests of HTTP/2 to which the client no longer wants a reply.

use crate::{
    budget::{Budget, Reserved},
    pipeline::{RequestKey, ring::Ring},
};

/// Those that dispatch is to be told, behind all copies: a client can give up far more requests than it makes.
#[derive(Debug)]
pub(super) struct Cancelled {
    all: Ring<RequestKey>,
    held: Reserved,
}

impl Cancelled {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            all: Ring::new(),
            held: budget.empty(),
        }
    }

    /// Without memory for it, the target is left to answer for nothing.
    pub(super) fn push(&mut self, request: RequestKey) {
        if self.held.grow(Ring::<RequestKey>::COST) {
            self.all.push(request);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.first().is_none()
    }

    pub(super) fn pop(&mut self) -> Option<RequestKey> {
        let request = self.all.pop()?;
        self.held.shrink(Ring::<RequestKey>::COST);
        Some(request)
    }
}
