//! Whose replies give way to others.
//!
//! What is kept may never be asked for: a request need not come again, and what v1 answered may never be seen. So a reply
//! that found no memory takes it from those that were kept longest, in time for the next request.

use std::hash::Hash;

use super::Contents;

/// Requests whose replies are waited for at once: of more, the oldest are given up.
pub(super) const OPEN: usize = 2_048;

/// What the head of a reply may take, beside its body.
const HEAD: usize = 16 << 10;

impl<K: Copy + Eq + Hash> Contents<K> {
    /// Makes room for one more; the oldest one, if that is given up for it.
    pub(super) fn make_room(&mut self) -> Option<K> {
        if std::mem::take(&mut self.lacks_memory) {
            while !self.has_memory() {
                if !self.earlier.drop_oldest() {
                    return self.give_up_oldest();
                }
            }
        }
        if self.began.len() < OPEN {
            return None;
        }
        let oldest = self.began.pop_front()?;
        self.give_up_for_room(oldest)
    }

    /// Whether there is memory for all replies to a request.
    fn has_memory(&self) -> bool {
        let each = self.rules.body.saturating_add(HEAD);
        let wanted = each.saturating_mul(3).min(self.budget.limit());
        self.budget.reserve(wanted).is_some()
    }

    /// Gives up the oldest request that is waited for.
    fn give_up_oldest(&mut self) -> Option<K> {
        loop {
            let oldest = self.began.pop_front()?;
            if let Some(given_up) = self.give_up_for_room(oldest) {
                return Some(given_up);
            }
        }
    }

    /// The request, if it was waited for until now.
    fn give_up_for_room(&mut self, oldest: K) -> Option<K> {
        self.open.remove(&oldest)?;
        // Of what is captured, a reply may never be seen.
        *match self.captured {
            true => &mut self.not_compared.not_captured,
            false => &mut self.not_compared.no_room,
        } += 1;
        Some(oldest)
    }
}
