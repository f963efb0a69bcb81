//! When a name is to be resolved again: behind a name in a cluster pods come and go.

use std::time::Duration;

use mirror_core::segment::Time;

/// How soon after a failed connection a name is resolved again, at most once in this time.
const HASTE: Duration = Duration::from_secs(1);

/// When a name is to be resolved.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// `None`: not until it is needed for the first time.
    due: Option<Time>,
    began: Time,
    under_way: bool,
}

impl Names {
    /// When it is to be resolved next, unless it is being resolved.
    pub(super) fn due(&self) -> Option<Time> {
        self.due.filter(|_| !self.under_way)
    }

    pub(super) fn is_due(&self, now: Time) -> bool {
        !self.under_way && self.due.is_some_and(|due| due <= now)
    }

    /// Begins unless it is under way; the next time is `due`.
    pub(super) const fn begin(&mut self, now: Time, due: Time) -> bool {
        if self.under_way {
            return false;
        }
        self.under_way = true;
        self.began = now;
        self.due = Some(due);
        true
    }

    pub(super) const fn end(&mut self) {
        self.under_way = false;
    }

    /// A connection failed: the address may be out of date.
    pub(super) fn hasten(&mut self, now: Time) {
        let soon = now.max(self.began + HASTE);
        self.due = self.due.map(|due| due.min(soon));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_name_is_resolved_again_in_time_and_after_failures() {
        let mut names = Names::default();
        assert!(!names.is_due(at(0)), "nobody needs it yet");
        assert!(names.begin(at(0), at(30_000)));
        assert!(!names.begin(at(1), at(30_000)), "one at a time");
        names.end();
        assert!(!names.is_due(at(29_999)) && names.is_due(at(30_000)));
        names.hasten(at(10));
        assert!(!names.is_due(at(999)) && names.is_due(at(1_000)));
        names.hasten(at(5_000));
        assert!(names.is_due(at(1_000)), "never later");
        assert!(names.begin(at(5_000), at(35_000)));
        assert!(!names.is_due(at(40_000)), "under way");
    }
}
