//! A header block, collected from HEADERS and CONTINUATION frames (RFC 9113 section 4.3).

use super::{Limits, Refusal, streams::Whose};
use crate::budget::{Budget, Reserved};

/// A header block that is not complete.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) whose: Whose,
    /// END_STREAM of its HEADERS frame.
    pub(super) ends: bool,
    continuations: u32,
    bytes: Vec<u8>,
    /// The bytes that `bytes` has allocated.
    reserved: Reserved,
}

impl Block {
    pub(super) fn new(stream: u32, whose: Whose, ends: bool, budget: &Budget) -> Self {
        Self {
            stream,
            whose,
            ends,
            continuations: 0,
            bytes: Vec::new(),
            reserved: budget.empty(),
        }
    }

    /// One more CONTINUATION frame.
    ///
    /// # Errors
    /// [`Refusal::Block`] past the limit.
    pub(super) const fn go_on(&mut self, limits: &Limits) -> Result<(), Refusal> {
        if self.continuations >= limits.continuations {
            return Err(Refusal::Block);
        }
        self.continuations += 1;
        Ok(())
    }

    /// What was collected.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps some more of it.
    ///
    /// # Errors
    /// [`Refusal::Block`] past the limit, [`Refusal::Memory`] past the budget.
    pub(super) fn push(&mut self, fragment: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let needed = self.bytes.len() + fragment.len();
        if needed > limits.block {
            return Err(Refusal::Block);
        }
        let held = self.reserved.bytes();
        if needed > held {
            let wanted = needed.next_power_of_two().min(limits.block);
            if !self.reserved.grow(wanted - held) {
                return Err(Refusal::Memory);
            }
            #[cfg(test)]
            crate::http::tests::work::done(self.bytes.len());
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        #[cfg(test)]
        crate::http::tests::work::done(fragment.len());
        self.bytes.extend_from_slice(fragment);
        Ok(())
    }
}
