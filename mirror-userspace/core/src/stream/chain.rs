//! Lists of connections that are strung through the connections themselves.
//!
//! All waits of one kind last equally long, so a list in the order in which they began is a list in
//! the order in which they end: the first entry is the next that is due, and the one to evict.
//! Entering, leaving and moving to the end cost the same whatever the length, and no memory.

use super::{
    slab::{Key, Slab},
    work,
};

/// An entry's place in a chain.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    before: Option<Key>,
    after: Option<Key>,
}

impl Links {
    /// The entry after this one.
    #[cfg(test)]
    pub(super) const fn after(self) -> Option<Key> {
        self.after
    }
}

/// What an entry is strung up by. An entry with two of these can be in two chains.
pub(super) trait Linked<Which> {
    fn links(&mut self) -> &mut Links;
}

/// The ends of a chain of entries linked by `Which`.
#[derive(Debug)]
pub(super) struct Chain<Which> {
    first: Option<Key>,
    last: Option<Key>,
    which: std::marker::PhantomData<Which>,
}

impl<Which> Default for Chain<Which> {
    fn default() -> Self {
        Self {
            first: None,
            last: None,
            which: std::marker::PhantomData,
        }
    }
}

impl<Which> Chain<Which> {
    /// The entry that has been in for longest.
    pub(super) const fn first(&self) -> Option<Key> {
        self.first
    }

    /// Puts an entry at the end. It must not be in a chain of this kind.
    pub(super) fn push<E: Linked<Which>>(&mut self, entries: &mut Slab<E>, key: Key) {
        work::step();
        let last = self.last.replace(key);
        if let Some(entry) = entries.get_mut(key) {
            *entry.links() = Links {
                before: last,
                after: None,
            };
        }
        match last.and_then(|last| entries.get_mut(last)) {
            Some(last) => last.links().after = Some(key),
            None => self.first = Some(key),
        }
    }

    /// Takes an entry out. It must be in this chain.
    pub(super) fn remove<E: Linked<Which>>(&mut self, entries: &mut Slab<E>, key: Key) {
        work::step();
        let Some(entry) = entries.get_mut(key) else {
            return;
        };
        let Links { before, after } = std::mem::take(entry.links());
        match before.and_then(|before| entries.get_mut(before)) {
            Some(before) => before.links().after = after,
            None => self.first = after,
        }
        match after.and_then(|after| entries.get_mut(after)) {
            Some(after) => after.links().before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    struct Entry {
        links: Links,
    }

    impl Linked<()> for Entry {
        fn links(&mut self) -> &mut Links {
            &mut self.links
        }
    }

    fn order(chain: &Chain<()>, slab: &mut Slab<Entry>) -> Vec<Key> {
        let forward: Vec<_> =
            std::iter::successors(chain.first, |key| slab.get(*key).unwrap().links.after).collect();
        let mut backward: Vec<_> =
            std::iter::successors(chain.last, |key| slab.get(*key).unwrap().links.before).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        forward
    }

    #[test]
    fn entries_leave_from_anywhere_and_come_back_at_the_end() {
        let mut slab = Slab::new(&Budget::new(usize::MAX));
        assert!(slab.make_room());
        let mut chain = Chain::default();
        let keys: Vec<_> = (0..4)
            .map(|_| {
                let links = Links::default();
                slab.insert(Entry { links }).unwrap()
            })
            .collect();
        for key in &keys {
            chain.push(&mut slab, *key);
        }
        for (leaves, expected) in [(1, [0, 2, 3, 1]), (0, [2, 3, 1, 0]), (0, [2, 3, 1, 0])] {
            chain.remove(&mut slab, keys[leaves]);
            chain.push(&mut slab, keys[leaves]);
            assert_eq!(order(&chain, &mut slab), expected.map(|n: usize| keys[n]));
        }
        for key in &keys {
            chain.remove(&mut slab, *key);
        }
        assert_eq!(order(&chain, &mut slab), []);
    }
}
