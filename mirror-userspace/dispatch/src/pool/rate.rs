//! The limit on copies per second that a target gets: a token bucket.

use mirror_core::segment::Time;

/// A limit on copies per second. It allows bursts of a tenth of a second's worth.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Option<Time>,
}

impl RateLimit {
    pub(super) fn new(per_second: f64) -> Self {
        let burst = (per_second / 10.0).max(1.0);
        Self {
            per_second,
            burst,
            tokens: burst,
            filled: None,
        }
    }

    /// From now on it is another one. What has been saved up stays, as far as the new one allows.
    pub(super) fn change(limit: &mut Option<Self>, per_second: Option<f64>, now: Time) {
        match (limit.as_mut(), per_second) {
            (Some(limit), Some(per_second)) => {
                limit.fill(now);
                let other = Self::new(per_second);
                limit.per_second = other.per_second;
                limit.burst = other.burst;
                limit.tokens = limit.tokens.min(other.burst);
            }
            (_, per_second) => *limit = per_second.map(Self::new),
        }
    }

    /// Whether one more copy may be sent.
    pub(super) fn admit(&mut self, now: Time) -> bool {
        self.fill(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    fn fill(&mut self, now: Time) {
        if let Some(filled) = self.filled {
            let gained = now.since(filled).as_secs_f64() * self.per_second;
            self.tokens = (self.tokens + gained).min(self.burst);
        }
        self.filled = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(rate: f64, offered_per_second: u64, seconds: u64) -> u64 {
        let mut limit = RateLimit::new(rate);
        (0..offered_per_second * seconds)
            .filter(|i| limit.admit(Time::from_nanos(i * 1_000_000_000 / offered_per_second)))
            .count() as u64
    }

    #[test]
    fn it_holds_the_rate_and_a_burst() {
        assert_eq!(admitted(100.0, 50, 10), 500, "below it nothing is refused");
        let through = admitted(100.0, 5_000, 10);
        assert!((1_000..=1_010).contains(&through), "{through}");
        let slow = admitted(0.5, 100, 10);
        assert!((5..=6).contains(&slow), "{slow}");
    }

    #[test]
    fn another_rate_holds_at_once_and_gives_nothing_away() {
        let mut limit = Some(RateLimit::new(1.0));
        let mut admitted = 0;
        for ms in 0..10_000 {
            let now = Time::from_nanos(ms * 1_000_000);
            if ms % 10 == 0 {
                let rate = if ms < 5_000 { 1.0 } else { 100.0 };
                RateLimit::change(&mut limit, Some(rate), now);
            }
            admitted += u32::from(limit.as_mut().unwrap().admit(now));
        }
        assert!((504..=506).contains(&admitted), "{admitted}");
        RateLimit::change(&mut limit, None, Time::from_nanos(0));
        assert!(limit.is_none());
    }

    #[test]
    fn a_rate_of_zero_lets_one_through_and_no_more() {
        assert_eq!(admitted(0.0, 100, 10), 1);
    }
}
