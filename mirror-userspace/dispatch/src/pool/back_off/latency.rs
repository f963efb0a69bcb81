//! Whether a target's latency has doubled, by medians: one slow reply, or one route among many, changes nothing.

use std::{collections::VecDeque, time::Duration};

use super::{CALM, Seen};

/// Replies that a median is of: at least so many, …
const FEWEST: usize = 64;

/// … in a trial fewer, as fewer copies are sent, …
const FEWEST_IN_TRIAL: usize = 16;

/// … and at most so many.
const MOST: usize = 256;

/// Medians that the normal is known by.
const KNOWN_BY: usize = 8;
const REMEMBERED: usize = 16;

/// What is no more than this above the normal is no overload, whatever it is a multiple of.
const LEAST: f64 = 0.005;

/// The latencies of a window, and what is normal.
#[derive(Debug, Default)]
pub(super) struct Latency {
    latest: Vec<Duration>,
    /// Medians of windows in which nothing was wrong and nothing held back, in seconds.
    medians: VecDeque<f64>,
    /// Windows in a row in which it had doubled.
    doubled: u32,
    /// Windows in a row in which it was neither normal nor doubled.
    between: u32,
}

impl Latency {
    pub(super) fn add(&mut self, latency: Option<Duration>) {
        if let Some(latency) = latency
            && self.latest.len() < MOST
        {
            self.latest.push(latency);
        }
    }

    /// What was measured is of another load than what comes.
    pub(super) fn forget(&mut self) {
        self.latest.clear();
    }

    /// The median in seconds, if it is twice the normal for the second time. While a trial `waits` for it, nothing is
    /// good before there is one.
    pub(super) fn take(&mut self, all_is_sent: bool, waits: bool) -> Seen {
        let needed = if waits { FEWEST_IN_TRIAL } else { FEWEST };
        if self.latest.len() < needed {
            return if waits { Seen::Unclear } else { Seen::Good };
        }
        let middle = self.latest.len() / 2;
        let (_, median, _) = self.latest.select_nth_unstable(middle);
        let median = median.as_secs_f64();
        self.latest.clear();
        let normal = self.normal();
        if let Some(normal) = normal
            && median >= 2.0 * normal
            && median - normal >= LEAST
        {
            self.between = 0;
            self.doubled = self.doubled.saturating_add(1);
            return match self.doubled {
                1 => Seen::Unclear,
                _ => Seen::Bad(median, 0.0),
            };
        }
        self.doubled = 0;
        let is_normal = normal.is_none_or(|normal| median < 1.5 * normal + LEAST);
        if !is_normal {
            // For so long it is no queue that an overload left: whether there is one shows if more is sent.
            self.between = self.between.saturating_add(1);
            return match self.between > CALM {
                true => Seen::Good,
                false => Seen::Unclear,
            };
        }
        self.between = 0;
        if all_is_sent {
            if self.medians.len() >= REMEMBERED {
                self.medians.pop_front();
            }
            self.medians.push_back(median);
        }
        Seen::Good
    }

    /// It is so whatever is sent: that is normal from now on.
    pub(super) fn accept(&mut self, median: f64) {
        self.doubled = 0;
        self.medians.clear();
        self.medians.extend([median; KNOWN_BY]);
    }

    fn normal(&self) -> Option<f64> {
        let mut medians: Vec<f64> = self.medians.iter().copied().collect();
        if medians.len() < KNOWN_BY {
            return None;
        }
        let middle = medians.len() / 2;
        let (_, median, _) = medians.select_nth_unstable_by(middle, f64::total_cmp);
        Some(*median)
    }
}
