//! How many losses a second are written down.

use super::Why;
use crate::segment::Time;

/// Most losses of one reason in a second, whatever is kept: what a flood of them may cost.
const MOST: usize = 1_000;

/// Lets so many losses of each reason through in a second: a flood of one neither costs much, nor hides another.
#[derive(Clone, Debug)]
pub struct Allowance {
    each: usize,
    second: u64,
    used: Vec<(Why, usize)>,
    /// Losses that were not let through.
    pub refused: u64,
}

impl Allowance {
    /// As many as are kept, at most 1000.
    #[must_use]
    pub const fn new(kept: usize) -> Self {
        Self {
            each: if kept < MOST { kept } else { MOST },
            second: 0,
            used: Vec::new(),
            refused: 0,
        }
    }

    /// Whether one more loss is written down.
    pub fn lets(&mut self, now: Time, why: Why) -> bool {
        let second = now.as_nanos() / 1_000_000_000;
        // Time that steps back gives nothing anew.
        if second > self.second {
            self.second = second;
            self.used.clear();
        }
        let lets = match self.used.iter_mut().find(|(known, _)| *known == why) {
            Some((_, used)) if *used >= self.each => false,
            Some((_, used)) => {
                *used += 1;
                true
            }
            None => {
                self.used.push((why, 1));
                self.each > 0
            }
        };
        self.refused += u64::from(!lets);
        lets
    }
}
