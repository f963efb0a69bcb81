//! The dynamic table (RFC 7541 sections 2.3.2 and 4).

use std::collections::VecDeque;

use super::super::Refusal;
use crate::budget::{Budget, Reserved};

/// What each entry counts beside its name and value (RFC 7541 section 4.1).
pub(super) const OVERHEAD: usize = 32;
/// The table's size until the encoder changes it (RFC 9113 section 6.5.2).
const INITIAL: usize = 4096;

/// The entries that the encoder has inserted, the newest first.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<Entry>,
    /// Bytes by the measure of section 4.1; they are reserved.
    size: usize,
    limit: usize,
    reserved: Reserved,
}

#[derive(Debug)]
struct Entry {
    /// Name and value, one behind the other.
    bytes: Box<[u8]>,
    name: usize,
}

impl DynamicTable {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            limit: INITIAL,
            reserved: budget.empty(),
        }
    }

    /// Name and value of an entry, 0 being the newest.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(index)?;
        entry.bytes.split_at_checked(entry.name)
    }

    /// A size update (section 6.3).
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.evict(0);
    }

    /// Inserts an entry; one that is larger than the table empties it (section 4.4).
    ///
    /// # Errors
    /// [`Refusal::Memory`] if the budget has no more.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let size = name.len() + value.len() + OVERHEAD;
        self.evict(size);
        if size > self.limit {
            return Ok(());
        }
        if !self.reserved.grow(size) {
            return Err(Refusal::Memory);
        }
        self.size += size;
        let name_len = name.len();
        self.entries.push_front(Entry {
            bytes: [name, value].concat().into(),
            name: name_len,
        });
        Ok(())
    }

    /// Makes room for `more` bytes.
    fn evict(&mut self, more: usize) {
        let before = self.size;
        while self.size + more > self.limit {
            let Some(oldest) = self.entries.pop_back() else {
                break;
            };
            self.size -= oldest.bytes.len() + OVERHEAD;
        }
        self.reserved.shrink(before - self.size);
    }
}
