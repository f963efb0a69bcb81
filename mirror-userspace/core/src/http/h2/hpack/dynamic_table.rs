//! The dynamic table (RFC 7541 sections 2.3.2 and 4).

use std::{collections::VecDeque, rc::Rc};

use super::super::Refusal;
use crate::budget::{Budget, Reserved};

/// What each entry counts beside its name and value (RFC 7541 section 4.1).
pub(super) const OVERHEAD: usize = 32;
/// What each entry reserves beyond that: its place in the queue, and what an allocator adds to two allocations.
const PLACE: usize = 96;
/// The table's size until the encoder changes it (RFC 9113 section 6.5.2).
const INITIAL: usize = 4096;

/// The entries that the encoder has inserted, the newest first.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<Entry>,
    /// Bytes by the measure of section 4.1.
    size: usize,
    limit: usize,
    reserved: Reserved,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    value: Box<[u8]>,
}

/// A field name. Entries that were inserted by naming another entry share its name: a copy would let three bytes of a
/// header block cost as much as the table holds.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// Of the static table.
    Static(&'static str),
    /// The text of a literal, which was copied.
    Literal(Rc<[u8]>),
    /// That of an entry which was inserted before anything was known.
    Unknown,
}

impl Name {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Static(name) => name.as_bytes(),
            Self::Literal(name) => name,
            Self::Unknown => &[],
        }
    }
}

impl Entry {
    fn size(&self) -> usize {
        self.name.bytes().len() + self.value.len() + OVERHEAD
    }
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

    /// Bytes by the measure of section 4.1.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Name and value of an entry, 0 being the newest.
    pub(super) fn get(&self, index: usize) -> Option<(&Name, &[u8])> {
        let entry = self.entries.get(index)?;
        Some((&entry.name, &entry.value))
    }

    /// Forgets all entries.
    pub(super) fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.size = 0;
        self.reserved.release();
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
    pub(super) fn insert(&mut self, name: Name, value: &[u8]) -> Result<(), Refusal> {
        let size = name.bytes().len() + value.len() + OVERHEAD;
        self.evict(size);
        if size > self.limit {
            return Ok(());
        }
        if !self.reserved.grow(size + PLACE) {
            return Err(Refusal::Memory);
        }
        #[cfg(test)]
        crate::http::tests::work::done(value.len());
        self.size += size;
        let value = value.into();
        self.entries.push_front(Entry { name, value });
        Ok(())
    }

    /// Makes room for `more` bytes.
    fn evict(&mut self, more: usize) {
        while self.size + more > self.limit {
            let Some(oldest) = self.entries.pop_back() else {
                break;
            };
            #[cfg(test)]
            crate::http::tests::work::done(1);
            self.size -= oldest.size();
            self.reserved.shrink(oldest.size() + PLACE);
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }
}
