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
    replies: HashMap<u64, Box<Kept>, foldhash::fast::RandomState>,
    /// In the order in which they came. Those that are used may still be here.
    came: VecDeque<u64>,
    /// What all of them may take, and take.
    room: usize,
    taken: usize,
}

impl Earlier {
    /// For replies of so many bytes at most, together.
    pub(super) fn new(room: usize) -> Self {
        Self {
            replies: HashMap::default(),
            came: VecDeque::new(),
            room,
            taken: 0,
        }
    }

    /// The reply to the same request that came before, which is used with it.
    pub(super) fn take(&mut self, same: u64) -> Option<Box<Kept>> {
        let kept = self.replies.remove(&same)?;
        self.taken -= kept.size();
        Some(kept)
    }

    /// The reply to a request of which none is kept.
    pub(super) fn put(&mut self, same: u64, kept: Box<Kept>) {
        let size = kept.size();
        if size > self.room {
            return;
        }
        while (self.taken + size > self.room || self.came.len() >= MOST)
            && let Some(oldest) = self.came.pop_front()
        {
            self.take(oldest);
        }
        self.taken += size;
        self.came.push_back(same);
        if let Some(before) = self.replies.insert(same, kept) {
            self.taken -= before.size();
        }
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
            assert!(earlier.came.len() <= MOST && earlier.replies.len() <= MOST);
        }
        drop(earlier);
        assert_eq!(budget.used(), 0);
    }
}
