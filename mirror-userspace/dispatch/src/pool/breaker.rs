//! Keeps a dead target, or a dead address of one, from being hammered.
//!
//! Consecutive failures open the breaker: nothing is sent for a while, then one copy is sent as a probe.
//! If the probe fails, the wait doubles; any answer closes the breaker.

use std::time::Duration;

use mirror_core::segment::Time;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Consecutive failures that open the breaker. Default: 5.
    pub failures: u32,
    /// How long the breaker stays open at first. Default: 100 ms.
    pub first_wait: Duration,
    /// The longest time that the breaker stays open between probes. Default: 10 s.
    pub longest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failures: 5,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// The breaker of one target or address.
#[derive(Debug)]
pub(super) struct Breaker {
    limits: Limits,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Time, wait: Duration },
    Probing { wait: Duration },
}

/// Whether a failure opened the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tripped {
    Yes,
    No,
}

impl Breaker {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Closed { failures: 0 },
        }
    }

    /// Whether the breaker is closed; [`admit`](Self::admit) then always returns `true`.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Whether a copy may be sent; the first copy after the wait is the probe.
    pub(super) fn admit(&mut self, now: Time) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { wait, .. } if self.is_due(now) => {
                self.state = State::Probing { wait };
                true
            }
            State::Open { .. } | State::Probing { .. } => false,
        }
    }

    /// Whether the next copy is the probe.
    pub(super) fn is_due(&self, now: Time) -> bool {
        matches!(self.state, State::Open { until, .. } if until <= now)
    }

    /// Notes an answer: the breaker closes.
    pub(super) const fn handle_answer(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// Notes a failure; from the limit on, the breaker opens.
    pub(super) fn handle_failure(&mut self, now: Time) -> Tripped {
        let wait = match self.state {
            State::Closed { failures } if failures + 1 < self.limits.failures => {
                self.state = State::Closed {
                    failures: failures + 1,
                };
                return Tripped::No;
            }
            State::Closed { .. } => self.limits.first_wait,
            State::Probing { wait } => wait.saturating_mul(2).min(self.limits.longest_wait),
            // Copies that were in flight when the breaker opened.
            State::Open { .. } => return Tripped::No,
        };
        self.state = State::Open {
            until: now + wait,
            wait,
        };
        Tripped::Yes
    }

    /// Notes a copy that ended without saying anything about the target: if it was the probe, the next
    /// copy is the probe instead.
    pub(super) const fn handle_no_verdict(&mut self, now: Time) {
        if let State::Probing { wait } = self.state {
            self.state = State::Open { until: now, wait };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * MS)
    }

    fn tripped() -> Breaker {
        let mut breaker = Breaker::new(Limits::default());
        for _ in 0..4 {
            assert_eq!(breaker.handle_failure(at(0)), Tripped::No);
        }
        assert!(breaker.is_closed());
        assert_eq!(breaker.handle_failure(at(0)), Tripped::Yes);
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::new(Limits::default());
        for _ in 0..100 {
            for _ in 0..4 {
                assert_eq!(breaker.handle_failure(at(0)), Tripped::No);
            }
            breaker.handle_answer();
        }
        assert!(breaker.admit(at(0)));
    }

    #[test]
    fn one_copy_probes_and_an_answer_closes_it() {
        let mut breaker = tripped();
        assert!(!breaker.admit(at(99)));
        assert!(breaker.admit(at(100)), "the probe");
        assert!(!breaker.admit(at(100)), "one at a time");
        assert!(!breaker.admit(at(60_000)), "however long it takes");
        breaker.handle_answer();
        assert!(breaker.is_closed() && breaker.admit(at(60_000)));
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let mut breaker = tripped();
        let mut now = 100;
        for wait in [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            assert!(breaker.admit(at(now)));
            assert_eq!(breaker.handle_failure(at(now)), Tripped::Yes);
            assert!(!breaker.admit(at(now + wait - 1)));
            now += wait;
        }
    }

    #[test]
    fn late_failures_do_not_prolong_it() {
        let mut breaker = tripped();
        assert_eq!(breaker.handle_failure(at(99)), Tripped::No);
        assert!(breaker.admit(at(100)));
    }

    #[test]
    fn a_probe_that_says_nothing_is_followed_by_another() {
        let mut breaker = tripped();
        assert!(breaker.admit(at(100)));
        breaker.handle_no_verdict(at(150));
        assert!(breaker.admit(at(150)));
        assert!(!breaker.admit(at(150)));
    }
}
