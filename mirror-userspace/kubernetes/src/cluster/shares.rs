//! Something of which there is a bounded amount, shared by namespaces.

use std::collections::BTreeMap;

/// Who has how much of it. Nobody has more than a part; and where all of it is used up, a namespace gets
/// what another one has beyond what it would have itself, so that in the end all have the same, or what
/// they want.
#[derive(Debug)]
pub struct Shares {
    whole: usize,
    part: usize,
    used: BTreeMap<String, usize>,
    sum: usize,
}

/// Whether a namespace can have more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// What is asked for fits in the share.
    Enough,
    /// Once this namespace has given something back.
    After(String),
    /// It has its part, or as much as anybody.
    None,
}

impl Shares {
    /// A bounded amount, and the most of it that one namespace may have.
    #[must_use]
    pub const fn new(whole: usize, part: usize) -> Self {
        Self {
            whole,
            part,
            used: BTreeMap::new(),
            sum: 0,
        }
    }

    /// Whether a namespace can have so much more.
    #[must_use]
    pub fn room(&self, namespace: &str, amount: usize) -> Room {
        let wanted = self.used_by(namespace).saturating_add(amount);
        if wanted > self.part || amount > self.whole {
            return Room::None;
        }
        if self.sum.saturating_add(amount) <= self.whole {
            return Room::Enough;
        }
        match self.used.iter().max_by_key(|(_, used)| **used) {
            Some((greediest, used)) if *used > wanted => Room::After(greediest.clone()),
            _ => Room::None,
        }
    }

    /// It has so much more.
    pub fn take(&mut self, namespace: &str, amount: usize) {
        if amount > 0 {
            *self.used.entry(namespace.to_owned()).or_default() += amount;
            self.sum += amount;
        }
    }

    /// It has so much less.
    pub fn give_back(&mut self, namespace: &str, amount: usize) {
        let Some(used) = self.used.get_mut(namespace) else {
            return;
        };
        let amount = amount.min(*used);
        *used -= amount;
        self.sum -= amount;
        if *used == 0 {
            self.used.remove(namespace);
        }
    }

    /// The namespaces that have something.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.used.keys().map(String::as_str)
    }

    /// All that they have.
    #[must_use]
    pub const fn sum(&self) -> usize {
        self.sum
    }

    /// All that there is.
    #[must_use]
    pub const fn whole(&self) -> usize {
        self.whole
    }

    fn used_by(&self, namespace: &str) -> usize {
        self.used.get(namespace).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_gives_way_to_who_has_less() {
        let mut shares = Shares::new(10, 8);
        assert_eq!(shares.room("aaa", 9), Room::None, "more than a part");
        assert_eq!(shares.room("aaa", 8), Room::Enough);
        shares.take("aaa", 8);
        assert_eq!(shares.room("aaa", 1), Room::None);
        assert_eq!(shares.room("bank", 2), Room::Enough);
        shares.take("bank", 2);
        assert_eq!(shares.room("bank", 2), Room::After("aaa".into()));
        assert_eq!(shares.room("bank", 6), Room::None, "no more than aaa has");
        shares.give_back("aaa", 3);
        shares.take("bank", 3);
        assert_eq!(
            (shares.room("aaa", 1), shares.room("bank", 1)),
            (Room::None, Room::None)
        );
        assert_eq!(shares.room("new", 4), Room::After("bank".into()));
        shares.give_back("bank", 100);
        assert_eq!((shares.sum(), shares.namespaces().count()), (5, 1));
    }
}
