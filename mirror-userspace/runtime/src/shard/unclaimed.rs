//! Records that are no mirror's (any more).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mirror_capture::Read;
use mirror_core::{counters::RingCounters, segment::Time};

/// Between two lines about it.
const QUIET: Duration = Duration::from_secs(60);

/// How many records were no mirror's, on all shards that were started with it. Those of shards that are gone stay in it: it
/// never goes back.
#[derive(Clone, Debug, Default)]
pub struct UnclaimedRecords(Arc<AtomicU64>);

impl UnclaimedRecords {
    /// So many so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was read of attachments that no mirror of the shard has: of one that panicked and is not detached yet, or of
/// what only looks like a record and does not say whose it is.
pub(super) struct Unclaimed {
    counters: RingCounters,
    all: UnclaimedRecords,
    told: u64,
    next: Time,
}

impl Unclaimed {
    /// None so far; they are counted in `all` as well.
    pub(super) fn new(all: UnclaimedRecords) -> Self {
        Self {
            counters: RingCounters::default(),
            all,
            told: 0,
            next: Time::default(),
        }
    }

    pub(super) fn count(&mut self, read: &Read<'_>) {
        read.count(&mut self.counters);
        self.all.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Says how many there were, at most once a minute.
    pub(super) fn tell(&mut self, now: Time) {
        if let Some(line) = self.line(now) {
            log::warn!("{line}");
        }
    }

    fn line(&mut self, now: Time) -> Option<String> {
        let new = self.counters.records - self.told;
        if new == 0 || now < self.next {
            return None;
        }
        self.told = self.counters.records;
        self.next = now + QUIET;
        let malformed = self.counters.malformed;
        Some(format!(
            "{new} records of the ring belonged to no rule and were passed over ({malformed} malformed ones so far): \
             their rule's mirror has just broken, which the log says, or else this is a bug"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobodys_is_counted_and_said_once_a_minute() {
        let all = UnclaimedRecords::default();
        let mut unclaimed = Unclaimed::new(all.clone());
        let at = |seconds: u64| Time::from_nanos(seconds * 1_000_000_000);
        assert_eq!(unclaimed.line(at(0)), None);
        unclaimed.count(&Read::Malformed(None));
        assert!(unclaimed.line(at(1)).unwrap().starts_with("1 records"));
        unclaimed.count(&Read::Malformed(None));
        assert_eq!(unclaimed.line(at(60)), None);
        let line = unclaimed.line(at(61)).unwrap();
        assert!(line.contains("(2 malformed"), "{line}");
        assert_eq!(unclaimed.line(at(200)), None, "no news");
        // With those of other shards, and after this one has ended.
        let mut other = Unclaimed::new(all.clone());
        drop(unclaimed);
        other.count(&Read::Malformed(None));
        assert_eq!(all.count(), 3);
    }
}
