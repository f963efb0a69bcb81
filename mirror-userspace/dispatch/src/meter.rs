//! Which replies' latency is measured.
//!
//! Under light load a shard naps (`RingReader::nap`), and a reply
//! waits in its socket until somebody looks: when it came is not known then. So some copies are
//! watched, one in [`EVERY`], and while one of them is on its way the shard stays awake, for at most
//! [`PATIENCE`]: a slower reply is read a nap late, which is little by then. Where there was no nap,
//! every reply is measured. Each that is measured stands for those before it that were not.

use std::time::Duration;

use mirror_core::segment::Time;

/// Between two copies that are watched.
const EVERY: Duration = Duration::from_millis(40);
/// How long a copy that is watched keeps the shard awake.
const PATIENCE: Duration = Duration::from_millis(8);

/// The naps of a shard, and who keeps it from them.
#[derive(Debug, Default)]
pub(super) struct Meter {
    naps: u64,
    watched: usize,
    began: Time,
}

/// Measures one reply's latency, from the copy's first byte on. To be given back to
/// [`Meter::stop`], with or without a reply.
#[derive(Debug)]
pub(super) struct Stopwatch {
    began: Time,
    naps: u64,
    watched: bool,
}

impl Meter {
    pub(super) const fn handle_nap(&mut self) {
        self.naps += 1;
    }

    /// Whether a nap now would spoil a measurement.
    pub(super) fn is_watching(&self, now: Time) -> bool {
        self.watched > 0 && now.since(self.began) < PATIENCE
    }

    #[inline]
    pub(super) fn start(&mut self, now: Time) -> Stopwatch {
        let watched = now.since(self.began) >= EVERY;
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
        assert!(!meter.is_watching(at(1_002)));
        let unwatched = meter.start(at(1_039));
        meter.stop(unwatched, at(1_039));
        assert!(!meter.is_watching(at(1_039)));
        let third = meter.start(at(1_040));
        assert!(meter.is_watching(at(1_040)));
        meter.stop(third, at(1_041));
        assert!(!meter.is_watching(at(1_040)), "it failed");
    }
}
