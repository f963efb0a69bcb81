//! Requests that are the same, to whose replies a version may answer something else by itself.
//!
//! Without a second baseline, the baseline's own replies to the same request show which fields differ by
//! themselves: the reply to one is kept until the next one comes, is compared with that, and both are done with, so
//! that each reply is used once. (If each were compared with the one before it, what one reply says would decide
//! about two comparisons, and their evidence could not be multiplied.)

use std::collections::{HashMap, VecDeque};

use super::kept::Kept;

/// Most replies that are kept.
const MOST: usize = 256;

/// Replies of the baseline that wait for the same request to come again.
#[derive(Debug)]
pub(super) struct Earlier {
    replies: HashMap<u64, Waiting, foldhash::fast::RandomState>,
    /// In the order in which they came, with their numbers. Those that are used may still be here, at most as many as
    /// the others may be.
    came: VecDeque<(u64, u64)>,
    /// How many came.
    count: u64,
    /// What all of them may take, and take.
    room: usize,
    taken: usize,
}

/// A reply, and its number in the order in which they came.
#[derive(Debug)]
struct Waiting {
    number: u64,
    kept: Box<Kept>,
}

impl Earlier {
    /// For replies of so many bytes at most, together.
    pub(super) fn new(room: usize) -> Self {
        Self {
            replies: HashMap::default(),
            came: VecDeque::new(),
            count: 0,
            room,
            taken: 0,
        }
    }

    /// The reply to the same request that came before, which is used with it.
    pub(super) fn take(&mut self, same: u64) -> Option<Box<Kept>> {
        let waiting = self.replies.remove(&same)?;
        self.taken -= waiting.kept.size();
        Some(waiting.kept)
    }

    /// Whether the reply that waits for this request is the one with this number.
    fn is_number(&self, same: u64, number: u64) -> bool {
        let waiting = self.replies.get(&same);
        waiting.is_some_and(|waiting| waiting.number == number)
    }

    /// Gives up the oldest reply; says whether there was one.
    pub(super) fn drop_oldest(&mut self) -> bool {
        while let Some((oldest, number)) = self.came.pop_front() {
            // One that was used is not the one that came since.
            if self.is_number(oldest, number) {
                return self.take(oldest).is_some();
            }
        }
        false
    }

    /// The reply to a request of which none is kept.
    pub(super) fn put(&mut self, same: u64, kept: Box<Kept>) {
        let size = kept.size();
        if size > self.room {
            return;
        }
        self.take(same);
        while (self.taken + size > self.room || self.replies.len() >= MOST) && self.drop_oldest() {}
        if self.came.len() >= 2 * MOST {
            let mut came = std::mem::take(&mut self.came);
            came.retain(|(same, number)| self.is_number(*same, *number));
            self.came = came;
        }
        self.taken += size;
        self.count += 1;
        let number = self.count;
        self.came.push_back((same, number));
        self.replies.insert(same, Waiting { number, kept });
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::budget::Budget;

    use super::*;

    fn kept(budget: &Budget, size: usize) -> Box<Kept> {
        let mut kept = Kept::new(1 << 16, budget.empty());
        kept.handle_body(&vec![0; size]);
        Box::new(kept)
    }

    #[test]
    fn each_is_used_once_and_the_oldest_make_room() {
        let budget = Budget::new(1 << 20);
        let mut earlier = Earlier::new(10_000);
        for same in 0..100 {
            earlier.put(same, kept(&budget, 1_000));
            assert!(earlier.taken <= 10_000 && budget.used() <= 20_000);
        }
        assert!(earlier.take(80).is_none() && earlier.take(99).is_some());
        assert!(earlier.take(99).is_none());
        earlier.put(99, kept(&budget, 20_000));
        assert!(earlier.take(99).is_none());
        for same in 0..2_000 {
            earlier.put(same % 500, kept(&budget, 0));
            assert!(earlier.came.len() <= 2 * MOST && earlier.replies.len() <= MOST);
        }
        drop(earlier);
        assert_eq!(budget.used(), 0);
    }

    /// Whatever was used before, each second reply finds the first.
    #[test]
    fn what_is_used_makes_no_room_twice() {
        let budget = Budget::new(1 << 20);
        let mut earlier = Earlier::new(1 << 20);
        for round in 0..1_000 {
            for same in 0..9 {
                let found = earlier.take(same).is_some();
                assert_eq!(found, round % 2 == 1, "{same}, round {round}");
                if !found {
                    earlier.put(same, kept(&budget, 100));
                }
            }
            assert!(earlier.came.len() <= 2 * MOST && earlier.taken <= 9 * 1_000);
        }
    }
}
