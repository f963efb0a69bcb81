//! One shard's end of the rings.

use mirror_core::counters::RingCounters;
use mirror_core::segment::{Direction, Segment, Time};

use std::thread;

use super::{
    config::AttachmentId,
    mark::Mark,
    parse::{Record, attachment_of, read_record},
    ring::Ring,
    sleep::Sleeper,
};

/// What is read at once: the record that reaches one of these is the last.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Records that were read.
    pub records: usize,
    /// Bytes of records, headers included.
    pub bytes: usize,
}

impl Batch {
    /// Takes off a record; whether it was the last.
    pub(super) fn ends_with(&mut self, record: &[u8]) -> bool {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(record.len());
        self.records == 0 || self.bytes == 0
    }
}

/// What was read.
#[derive(Debug)]
pub enum Read<'a> {
    /// A record.
    Record(Record<'a>),
    /// Bytes that are none, of this attachment if they say so much.
    Malformed(Option<AttachmentId>),
}

impl Read<'_> {
    fn of(bytes: &[u8]) -> Read<'_> {
        read_record(bytes).map_or_else(|| Read::Malformed(attachment_of(bytes)), Read::Record)
    }

    /// Whose it is; `None` if nobody knows.
    #[must_use]
    pub fn attachment(&self) -> Option<AttachmentId> {
        match self {
            Self::Record(record) => Some(AttachmentId(record.segment.flow.attachment)),
            Self::Malformed(attachment) => *attachment,
        }
    }

    /// Enters it in the books of whoever it is for.
    pub fn count(&self, counters: &mut RingCounters) {
        counters.records += 1;
        match self {
            Self::Record(record) => {
                let ends = u64::from(record.ends_segment);
                match record.segment.direction {
                    Direction::ToServer => counters.read += ends,
                    Direction::ToClient => counters.replies += ends,
                }
                counters.bytes += record.segment.payload.len() as u64;
            }
            Self::Malformed(_) => counters.malformed += 1,
        }
    }
}

/// Reads the segments of one shard: [`drain`](Self::drain), then [`wait`](Self::wait), and so on.
///
/// It can be sent to the thread that is to use it; `wait` needs that thread's tokio runtime, with
/// I/O and time enabled. A reader may outlive its [`Capture`](super::Capture): it then finds what was left in
/// the ring, and nothing more.
pub struct RingReader {
    ring: Ring,
    sleeper: Sleeper,
    /// What was [drained](Self::drain) so far.
    pub counters: RingCounters,
}

impl RingReader {
    pub(super) fn new(ring: Ring, sleeper: Sleeper) -> Self {
        Self {
            ring,
            sleeper,
            counters: RingCounters::default(),
        }
    }

    /// Hands the segments of a batch of records to `handle`, and counts them in [`counters`](Self::counters), as far as
    /// they are not malformed. Otherwise as [`read`](Self::read).
    pub fn drain(&mut self, now: Time, batch: Batch, mut handle: impl FnMut(Segment<'_>)) -> usize {
        let mut counters = self.counters;
        let count = self.read(now, batch, |read| {
            read.count(&mut counters);
            if let Read::Record(record) = read {
                handle(record.segment);
            }
        });
        self.counters = counters;
        count
    }

    /// Hands a batch of records to `handle`, in the order in which the kernel wrote them, and returns
    /// how many there were. None means that nothing more is due at `now`: the ring is empty, or
    /// what is there may have to wait for something earlier.
    ///
    /// `now` is read from `CLOCK_MONOTONIC`, before this. The perf ring's CPUs have rings of their own,
    /// and what one of them wrote waits for the others: no longer than 2 ms after it was
    /// captured, and in at most 4 MiB (with more than 256 CPUs, 16 KiB each) and 32 KiB a CPU.
    ///
    /// A record's room in the ring is free again as soon as `handle` returns from it (BPF ring),
    /// or when it was copied out of it (perf). Nothing is counted: whose a record is, the caller knows.
    pub fn read(&mut self, now: Time, batch: Batch, mut handle: impl FnMut(Read<'_>)) -> usize {
        let mut bytes = 0;
        let read = self.ring.read(now, batch, |record| {
            bytes += record.len() as u64;
            handle(Read::of(record));
        });
        if read > 0 || self.ring.withholds() {
            self.sleeper.stay_awake(read, bytes);
        }
        read
    }

    /// What is in the rings now, records included that are still being written.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.ring.mark()
    }

    /// Whether all that was in the rings at this mark has been read. However much is written meanwhile, it is once so
    /// many bytes have been read as there were (BPF ring), or as there is room for (perf).
    #[must_use]
    pub fn is_past(&self, mark: Mark) -> bool {
        self.ring.is_past(mark)
    }

    /// Has the thread sleep after a [`drain`](Self::drain) that found nothing, if it has nothing else to do: for 3 to
    /// 40 ms, but for at most about 10 ms once an eighth of the ring is taken, or it `is_wanted`. `false`, and no
    /// sleep, if it is time to [`wait`](Self::wait) for a record.
    pub fn nap(&mut self, is_wanted: impl Fn() -> bool) -> bool {
        let Some(parts) = self.sleeper.nap() else {
            return false;
        };
        for part in parts {
            thread::sleep(part);
            if self.sleeper.ends_nap(self.ring.taken()) || is_wanted() {
                break;
            }
        }
        true
    }

    /// Waits until the rings are worth [draining](Self::drain) again: about 1 ms after traffic, else until
    /// the next record, at most 200 ms. May return for no reason, and can be cancelled at any time.
    pub async fn wait(&mut self) {
        self.sleeper.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Capture;

    const fn can_be_sent<T: Send>() {}

    /// Readers are made where the capture starts, and used on the threads of their shards.
    const _: () = {
        can_be_sent::<RingReader>();
        can_be_sent::<Capture>();
    };
}
