//! Connections in pages that are never moved, each with a small key.
//!
//! A map that held the connections themselves would copy all of them each time it grows, and hold
//! twice the memory meanwhile. Pages are charged to the budget whole, when they are allocated; they
//! stay for the next connections, so their memory is bounded by the most that were ever open.

use std::num::NonZeroU32;

use crate::budget::{Budget, Reserved};

/// Slots per page.
const PAGE: usize = 64;
/// What the index (a hash table of keys with a control byte each, a quarter full at worst) and the
/// list of free slots (doubling) cost for each slot.
const INDEX_COST: usize = 32;

/// Names the slot of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(NonZeroU32);

impl Key {
    fn new(slot: usize) -> Option<Self> {
        let number = u32::try_from(slot).ok()?.checked_add(1)?;
        NonZeroU32::new(number).map(Self)
    }

    const fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Entries in pages that never move, each found by its key.
#[derive(Debug)]
pub(super) struct Slab<E> {
    pages: Vec<Vec<Option<E>>>,
    free: Vec<Key>,
    len: usize,
    held: Reserved,
}

impl<E> Slab<E> {
    /// What a page takes from the budget.
    pub(super) const PAGE_COST: usize = PAGE * (size_of::<Option<E>>() + INDEX_COST);

    /// An empty slab that takes its memory from `budget`.
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            pages: Vec::new(),
            free: Vec::new(),
            len: 0,
            held: budget.empty(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: Key) -> Option<&E> {
        let slot = key.slot();
        self.pages.get(slot / PAGE)?.get(slot % PAGE)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut E> {
        self.slot_mut(key)?.as_mut()
    }

    /// The keys of the entries that `wanted` wants.
    pub(super) fn keys_of(&self, wanted: impl Fn(&E) -> bool) -> Vec<Key> {
        let slots = self.pages.iter().flatten().enumerate();
        slots
            .filter(|(_, entry)| entry.as_ref().is_some_and(&wanted))
            .filter_map(|(slot, _)| Key::new(slot))
            .collect()
    }

    /// Whether another entry fits, with a new page if need be and if the budget allows it.
    pub(super) fn make_room(&mut self) -> bool {
        if !self.free.is_empty() {
            return true;
        }
        let first = self.pages.len() * PAGE;
        let keys = (first..first + PAGE).rev().map_while(Key::new);
        if !self.held.grow(Self::PAGE_COST) {
            return false;
        }
        self.free.extend(keys);
        let mut page = Vec::with_capacity(PAGE);
        page.resize_with(PAGE, || None);
        self.pages.push(page);
        !self.free.is_empty()
    }

    /// Stores an entry where [`make_room`](Self::make_room) has made room; else gives nothing.
    pub(super) fn insert(&mut self, entry: E) -> Option<Key> {
        let key = self.free.pop()?;
        *self.slot_mut(key)? = Some(entry);
        self.len += 1;
        Some(key)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<E> {
        let entry = self.slot_mut(key)?.take()?;
        self.free.push(key);
        self.len -= 1;
        Some(entry)
    }

    fn slot_mut(&mut self, key: Key) -> Option<&mut Option<E>> {
        let slot = key.slot();
        self.pages.get_mut(slot / PAGE)?.get_mut(slot % PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_used_again_and_memory_is_charged_by_the_page() {
        let budget = Budget::new(2 * Slab::<u64>::PAGE_COST);
        let mut slab = Slab::new(&budget);
        let mut keys = Vec::new();
        for n in 0..2 * PAGE as u64 {
            assert!(slab.make_room());
            keys.push(slab.insert(n).unwrap());
        }
        assert!(!slab.make_room(), "two pages, no more");
        assert!(slab.insert(0).is_none());
        assert_eq!(slab.get(keys[70]), Some(&70));
        assert_eq!(slab.remove(keys[70]), Some(70));
        assert_eq!((slab.remove(keys[70]), slab.get(keys[70])), (None, None));
        assert!(slab.make_room());
        assert_eq!(slab.insert(71), Some(keys[70]));
        assert_eq!(slab.len(), 2 * PAGE);
        assert_eq!(budget.used(), budget.limit());
        drop(slab);
        assert_eq!(budget.used(), 0);
    }
}
