//! How many copies a target refuses for want of room.

use super::ENOUGH;

/// Refusals that may be by chance.
const FEW: u32 = 3;

/// The part of the copies by which refusals must exceed what is normal.
const MARGIN: f64 = 0.05;

/// Windows by which what is normal is known well enough.
const WELL_KNOWN: u32 = 10;

/// The refusals of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The part of copies that is refused beyond what is normal, of those that normally are not.
    pub(super) beyond: f64,
    /// By how much that may be off: two standard deviations.
    pub(super) unsure: f64,
    /// Whether that is too much to be chance.
    pub(super) is_much: bool,
}

/// The refusals of a window, and what is normal.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    replies: u32,
    refused: u32,
    /// The part of copies that the target refuses whatever is sent.
    nature: f64,
    /// Windows since that was found out.
    known_by: u32,
}

impl Refusals {
    pub(super) const fn replies(&self) -> u32 {
        self.replies
    }

    pub(super) const fn is_none(&self) -> bool {
        self.refused == 0
    }

    pub(super) fn add(&mut self, refused: bool) {
        self.replies = self.replies.saturating_add(1);
        self.refused = self.refused.saturating_add(u32::from(refused));
    }

    /// One that was added as an answer turned out to be a refusal. That may have been in a window before.
    pub(super) fn correct(&mut self) {
        self.refused = self.refused.saturating_add(1);
        self.replies = self.replies.max(self.refused);
    }

    /// What the replies since the last [`reset`](Self::reset) show.
    pub(super) fn look(&self) -> Look {
        let (replies, refused) = (f64::from(self.replies), f64::from(self.refused));
        // Of few replies not all should count as one thing (Agresti and Coull, with one of each for two).
        let part = (refused + 1.0) / (replies + 2.0);
        let unsure = 2.0 * (part * (1.0 - part) / (replies + 2.0)).sqrt();
        // What is normal was found out by few replies, too.
        let margin = MARGIN + if self.nature > 0.0 { 2.0 } else { 1.0 } * unsure;
        let others = (1.0 - self.nature).max(f64::EPSILON);
        Look {
            beyond: (refused / replies.max(1.0) - self.nature).max(0.0) / others,
            unsure: unsure / others,
            is_much: self.refused >= FEW && part - self.nature > margin,
        }
    }

    /// Begins anew; what was seen is as it should be, if it `is_normal`.
    pub(super) fn reset(&mut self, is_normal: bool) {
        let (replies, refused) = (self.replies, self.refused);
        self.replies = 0;
        self.refused = 0;
        if !is_normal || replies < ENOUGH || self.nature <= 0.0 {
            return;
        }
        let off = f64::from(refused) / f64::from(replies) - self.nature;
        self.known_by = self.known_by.saturating_add(1);
        // It was found out by few replies, and so becomes better known first. Later it only falls, lest an overload
        // that grows slowly is taken for normal.
        if self.known_by <= WELL_KNOWN {
            self.nature += off / f64::from(self.known_by + 1);
        } else {
            self.nature += 0.2 * off.min(0.0);
        }
    }

    /// So many are refused beyond what is normal, whatever is sent: that is normal from now on.
    pub(super) fn accept(&mut self, beyond: f64) {
        self.nature += beyond * (1.0 - self.nature);
        self.known_by = 0;
    }
}
