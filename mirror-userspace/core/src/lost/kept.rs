//! The losses that are kept.

use std::collections::VecDeque;

use super::{Loss, Why};

/// The newest losses. Where there are too many, the oldest of the most frequent reason goes: a thousand of one
/// reason don't push out the one of another.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    len: usize,
    by_reason: Vec<(Why, VecDeque<Loss>)>,
    /// Losses that were kept and had to go.
    pub gone: u64,
}

impl Kept {
    /// Keeps at most so many losses, in so many bytes.
    #[must_use]
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_bytes,
            ..Self::default()
        }
    }

    /// Keeps one more.
    pub fn push(&mut self, loss: Loss) {
        self.bytes += loss.bytes();
        self.len += 1;
        match self.by_reason.iter_mut().find(|(why, _)| *why == loss.why) {
            Some((_, kept)) => kept.push_back(loss),
            None => self.by_reason.push((loss.why, VecDeque::from([loss]))),
        }
        while self.len > self.most || self.bytes > self.most_bytes {
            let oldest = |kept: &VecDeque<Loss>| kept.front().map_or(u64::MAX, |loss| loss.number);
            let most = self
                .by_reason
                .iter_mut()
                .max_by_key(|(_, kept)| (kept.len(), u64::MAX - oldest(kept)));
            let Some(gone) = most.and_then(|(_, kept)| kept.pop_front()) else {
                return;
            };
            self.bytes -= gone.bytes();
            self.len -= 1;
            self.gone += 1;
        }
    }

    /// How many are kept.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none is kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, by reason.
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.by_reason.iter().flat_map(|(_, kept)| kept)
    }
}
