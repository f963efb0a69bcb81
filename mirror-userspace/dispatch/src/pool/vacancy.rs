//! How long copies wait for an address to go to.
//!
//! A service may have no ready endpoint: v2 is being rolled out, or was never there. Copies wait,
//! within the bounds of the queue, for `endpoint_wait` from when the first of them had nowhere to
//! go; then all that wait are dropped, and so is what follows, until there is an address again.

use std::time::Duration;

use mirror_core::segment::Time;

/// Since when a target has had no address, if it has none.
#[derive(Debug, Default)]
pub(super) struct Vacancy {
    /// `None` if there are addresses, or none was needed yet.
    since: Option<Time>,
}

impl Vacancy {
    /// Notes that there is no address, because a list is empty or a copy needs one.
    pub(super) fn begin(&mut self, now: Time) {
        self.since.get_or_insert(now);
    }

    /// Notes that there is an address again.
    pub(super) const fn end(&mut self) {
        self.since = None;
    }

    /// Until when copies wait.
    pub(super) fn end_of(&self, patience: Duration) -> Option<Time> {
        self.since.map(|since| since + patience)
    }

    /// Whether it has lasted longer than copies wait.
    pub(super) fn is_too_long(&self, now: Time, patience: Duration) -> bool {
        self.end_of(patience).is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn it_lasts_from_the_first_word_of_it_to_the_first_address() {
        let patience = Duration::from_secs(5);
        let mut vacancy = Vacancy::default();
        assert!(!vacancy.is_too_long(at(60_000), patience), "nobody asked");
        vacancy.begin(at(60_000));
        vacancy.begin(at(64_000));
        assert!(!vacancy.is_too_long(at(64_999), patience));
        assert!(vacancy.is_too_long(at(65_000), patience));
        vacancy.end();
        assert!(!vacancy.is_too_long(at(65_000), patience));
        vacancy.begin(at(66_000));
        assert!(!vacancy.is_too_long(at(70_999), patience));
    }
}
