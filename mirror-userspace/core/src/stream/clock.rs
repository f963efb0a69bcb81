//! A clock that only goes forward, from one that does not.
//!
//! Captures from several CPUs are a little out of order; capture files that were merged or edited
//! jump by years, in both directions. Time-outs need a clock that never goes back, yet never
//! stands still for long either. So small steps back are read as "no time has passed", and larger
//! ones as a new beginning from which time goes on.

use std::time::Duration;

use crate::segment::Time;

/// Steps back up to this are disorder, not a new beginning: more than what CPUs and rings differ
/// by, less than any time-out.
const DISORDER: Duration = Duration::from_millis(500);

/// A step forward counts for at most this much, longer than any time-out: else a few steps to the
/// end of time would use the steady clock up.
const LONGEST_STEP: Duration = Duration::from_secs(24 * 60 * 60);

/// A clock that never goes back, driven by the caller's time, which may.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The latest the caller said since the last step back.
    told: Time,
    /// What that is on the steady clock.
    steady: Time,
}

impl Clock {
    /// Tells the caller's time; returns the steady time.
    pub(super) fn advance(&mut self, told: Time) -> Time {
        if told > self.told {
            self.steady = self.steady + told.since(self.told).min(LONGEST_STEP);
            self.told = told;
        } else if self.told.since(told) > DISORDER {
            self.told = told;
        }
        self.steady
    }

    /// The time on the steady clock.
    pub(super) const fn now(&self) -> Time {
        self.steady
    }

    /// When a steady moment will come, in the caller's time.
    pub(super) fn in_callers_time(&self, steady: Time) -> Time {
        self.told + steady.since(self.steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_steps_forward_and_never_goes_back() {
        let mut clock = Clock::default();
        let second = Duration::from_secs(1);
        let at = |seconds: u64| Time::from_nanos(seconds * 1_000_000_000);
        let start = clock.advance(at(100));
        assert_eq!(clock.advance(at(101)), start + second);
        let jitter = Time::from_nanos(100_600_000_000);
        assert_eq!(clock.advance(jitter), start + second, "disorder");
        assert_eq!(clock.advance(at(101)), start + second, "not counted twice");
        assert_eq!(clock.advance(at(7)), start + second, "a new beginning");
        assert_eq!(
            clock.advance(at(8)),
            start + second * 2,
            "goes on from there"
        );
        assert_eq!(clock.in_callers_time(start + second * 5), at(11));
    }

    #[test]
    fn steps_to_the_end_of_time_do_not_stop_it() {
        let mut clock = Clock::default();
        let end = Time::from_nanos(u64::MAX);
        let mut last = clock.advance(Time::from_nanos(0));
        for _ in 0..1_000 {
            let now = clock.advance(end);
            assert_eq!(now, last + LONGEST_STEP);
            last = clock.advance(Time::from_nanos(0));
        }
        clock.advance(end);
        assert_eq!(clock.in_callers_time(end), end, "no overflow");
    }
}
