//! When the next segment is due.

use std::time::Duration;

use mirror_core::segment::Time;
use tokio::time::Instant;

/// Steps back up to this are disorder in the file; after longer ones its clock goes on from there.
const DISORDER: Duration = Duration::from_secs(1);

/// How fast a capture is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// This many times as fast as it was recorded; above 0.
    Times(f64),
    /// As fast as the target takes it.
    Max,
}

/// The file's clock against ours.
#[derive(Debug)]
pub(super) struct Pace {
    speed: Speed,
    /// When the first segment was played, and the latest time in the file so far.
    start: Option<(Instant, Time)>,
    /// How much of the file's time has passed.
    passed: Duration,
}

impl Pace {
    pub(super) const fn new(speed: Speed) -> Self {
        Self {
            speed,
            start: None,
            passed: Duration::ZERO,
        }
    }

    /// Whether the target sets the pace.
    pub(super) fn is_targets(&self) -> bool {
        self.speed == Speed::Max
    }

    /// When a segment of this time is to be played; `None` is at once. Asking again changes
    /// nothing.
    pub(super) fn due(&mut self, at: Time) -> Option<Instant> {
        let Speed::Times(speed) = self.speed else {
            return None;
        };
        let (start, last) = self.start.get_or_insert_with(|| (Instant::now(), at));
        self.passed += at.since(*last);
        if at > *last || last.since(at) > DISORDER {
            *last = at;
        }
        // A wait too long to be told is as good as for ever.
        let wait = Duration::try_from_secs_f64(self.passed.as_secs_f64() / speed).ok();
        start.checked_add(wait.unwrap_or(Duration::from_hours(1 << 20)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn segments_are_due_as_far_apart_as_in_the_file_times_the_speed() {
        let mut pace = Pace::new(Speed::Times(2.0));
        let start = pace.due(millis(1_000)).unwrap();
        let waits = [1_000, 3_000, 3_000, 2_990, 3_010, 5, 1_005].map(|at| {
            let due = pace.due(millis(at)).unwrap();
            due.duration_since(start).as_millis()
        });
        assert_eq!(waits, [0, 1_000, 1_000, 1_000, 1_005, 1_005, 1_505]);
        let mut endless = Pace::new(Speed::Times(1e-300));
        assert!(endless.due(millis(0)).is_some());
        assert!(endless.due(millis(1 << 40)).is_some(), "no panic");
    }

    #[test]
    fn at_full_speed_everything_is_due_at_once() {
        let mut pace = Pace::new(Speed::Max);
        assert!(pace.is_targets());
        assert_eq!(pace.due(millis(u64::from(u32::MAX))), None);
    }
}
