//! Which replies' latency is measured.
//!
//! Under light load a shard sleeps for milliseconds at a time (`RingReader::nap` in
//! `mirror-capture`), and a reply that arrives meanwhile waits in its socket: nobody knows for how
//! long. So one copy in [`EVERY`] is watched, and keeps the shard awake until its reply, for at most
//! [`PATIENCE`]: for a slower reply, the error of one short sleep is small, and none is long before it is there. A reply
//! whose shard did not sleep is measured in any case. Each measured reply stands for those before it that were not
//! measured.

use std::time::Duration;

use mirror_core::segment::Time;

/// The time between two watched copies.
const EVERY: Duration = Duration::from_millis(40);
/// How long a watched copy keeps its shard awake at most.
const PATIENCE: Duration = Duration::from_millis(8);

/// How often a shard has slept, and the copies that keep it awake.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Whether every copy is watched.
    all: bool,
    naps: u64,
    watched: usize,
    began: Time,
}

/// Measures one reply's latency, from the copy's first byte on. Must be given back to
/// [`Meter::stop`], with or without a reply.
#[derive(Debug)]
pub(super) struct Stopwatch {
    began: Time,
    naps: u64,
    watched: bool,
}

impl Meter {
    /// With `all`, every copy is watched: what is compared must not be a choice of the quick.
    pub(super) fn new(all: bool) -> Self {
        Self {
            all,
            ..Self::default()
        }
    }

    /// Whether every reply's latency is to be known.
    pub(super) const fn watches_all(&self) -> bool {
        self.all
    }

    pub(super) const fn handle_nap(&mut self) {
        self.naps += 1;
    }

    /// Whether sleeping now would spoil a measurement.
    pub(super) fn is_watching(&self, now: Time) -> bool {
        self.watched > 0 && now.since(self.began) < PATIENCE
    }

    /// Whether a long sleep now would.
    pub(super) const fn is_waiting(&self) -> bool {
        self.watched > 0
    }

    #[inline]
    pub(super) fn start(&mut self, now: Time) -> Stopwatch {
        let watched = self.all || now.since(self.began) >= EVERY;
        if watched {
            self.began = now;
            self.watched += 1;
        }
        Stopwatch {
            began: now,
            naps: self.naps,
            watched,
        }
    }

    /// Of a copy whose latency says nothing of the target: it is not watched.
    #[inline]
    pub(super) const fn start_unwatched(&self, now: Time) -> Stopwatch {
        Stopwatch {
            began: now,
            naps: self.naps,
            watched: false,
        }
    }

    /// How long it took, if that is known.
    #[inline]
    pub(super) fn stop(&mut self, watch: Stopwatch, now: Time) -> Option<Duration> {
        self.watched = self.watched.saturating_sub(usize::from(watch.watched));
        let awake = watch.naps == self.naps;
        (watch.watched || awake).then(|| now.since(watch.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn without_naps_every_reply_is_measured() {
        let mut meter = Meter::default();
        for ms in 1_000..1_010 {
            let watch = meter.start(at(ms));
            assert_eq!(
                meter.stop(watch, at(ms + 3)),
                Some(Duration::from_millis(3))
            );
        }
    }

    #[test]
    fn one_is_watched_and_keeps_the_shard_awake_for_a_while() {
        let mut meter = Meter::default();
        let (first, second) = (meter.start(at(1_000)), meter.start(at(1_001)));
        assert!(meter.is_watching(at(1_007)) && !meter.is_watching(at(1_008)));
        assert!(
            meter.is_waiting(),
            "a short sleep may come now, and no long one"
        );
        meter.handle_nap();
        assert_eq!(
            meter.stop(first, at(1_020)),
            Some(Duration::from_millis(20))
        );
        assert_eq!(
            meter.stop(second, at(1_020)),
            None,
            "when it came is not known"
        );
        assert!(!meter.is_watching(at(1_002)) && !meter.is_waiting());
        let unwatched = [meter.start(at(1_039)), meter.start_unwatched(at(1_040))];
        for watch in unwatched {
            meter.stop(watch, at(1_040));
        }
        assert!(!meter.is_watching(at(1_039)));
        let third = meter.start(at(1_040));
        assert!(meter.is_watching(at(1_040)));
        meter.stop(third, at(1_041));
        assert!(!meter.is_watching(at(1_040)), "it failed");
    }
}
