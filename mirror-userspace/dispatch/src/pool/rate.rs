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

    /// Whether one more copy may be sent.
    pub(super) fn admit(&mut self, now: Time) -> bool {
        if let Some(filled) = self.filled {
            let gained = now.since(filled).as_secs_f64() * self.per_second;
            self.tokens = (self.tokens + gained).min(self.burst);
        }
        self.filled = Some(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
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
    fn a_rate_of_zero_lets_one_through_and_no_more() {
        assert_eq!(admitted(0.0, 100, 10), 1);
    }
}
