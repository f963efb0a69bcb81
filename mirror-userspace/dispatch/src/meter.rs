//! Which replies' latency is measured.
//!
//! Under light load a shard sleeps for milliseconds at a time
//! (`RingReader::nap` in `mirror-capture`), and a reply that arrives meanwhile waits in its
//! socket: nobody knows for how long. So one copy in [`EVERY`] is watched, and keeps the shard awake until
//! its reply, for at most [`PATIENCE`]: for a slower reply, the error of one sleep is small. A reply whose
//! shard did not sleep is measured in any case. Each measured reply stands for those before it that were
//! not measured.

use std::{cell::Cell, time::Duration};

use mirror_core::segment::Time;

/// The time between two watched copies.
const EVERY: Duration = Duration::from_millis(40);
/// How long a watched copy keeps its shard awake at most.
const PATIENCE: Duration = Duration::from_millis(8);

/// How often a shard has slept, and the copies that keep it awake.
#[derive(Debug, Default)]
pub(super) struct Meter {
    naps: Cell<u64>,
    watched: Cell<usize>,
    began: Cell<Time>,
}

/// Measures one reply's latency, from the copy's first byte on.
#[derive(Debug)]
pub(super) struct Stopwatch<'a> {
    meter: &'a Meter,
    began: Time,
    naps: u64,
    watched: bool,
}

impl Meter {
    pub(super) fn handle_nap(&self) {
        self.naps.set(self.naps.get() + 1);
    }

    /// Whether sleeping now would spoil a measurement.
    pub(super) fn is_watching(&self, now: Time) -> bool {
        self.watched.get() > 0 && now.since(self.began.get()) < PATIENCE
    }

    pub(super) fn start(&self, now: Time) -> Stopwatch<'_> {
        let watched = now.since(self.began.get()) >= EVERY;
        if watched {
            self.began.set(now);
            self.watched.set(self.watched.get() + 1);
        }
        Stopwatch {
            meter: self,
            began: now,
            naps: self.naps.get(),
            watched,
        }
    }
}

impl Stopwatch<'_> {
    /// How long it took, if that is known.
    pub(super) fn stop(self, now: Time) -> Option<Duration> {
        let awake = self.naps == self.meter.naps.get();
        (self.watched || awake).then(|| now.since(self.began))
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        let watched = self.meter.watched.get();
        self.meter.watched.set(watched - usize::from(self.watched));
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
        let meter = Meter::default();
        for ms in 1_000..1_010 {
            let watch = meter.start(at(ms));
            assert_eq!(watch.stop(at(ms + 3)), Some(Duration::from_millis(3)));
        }
    }

    #[test]
    fn one_is_watched_and_keeps_the_shard_awake_for_a_while() {
        let meter = Meter::default();
        let (first, second) = (meter.start(at(1_000)), meter.start(at(1_001)));
        assert!(meter.is_watching(at(1_007)) && !meter.is_watching(at(1_008)));
        meter.handle_nap();
        assert_eq!(first.stop(at(1_020)), Some(Duration::from_millis(20)));
        assert_eq!(second.stop(at(1_020)), None, "when it came is not known");
        assert!(!meter.is_watching(at(1_002)));
        drop(meter.start(at(1_039)));
        assert!(!meter.is_watching(at(1_039)));
        let third = meter.start(at(1_040));
        assert!(meter.is_watching(at(1_040)));
        drop(third);
        assert!(!meter.is_watching(at(1_040)), "it failed");
    }
}
