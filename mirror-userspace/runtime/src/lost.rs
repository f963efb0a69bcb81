//! The last losses of a mirror, of all its shards.

use mirror_core::{
    counters::KernelCounters,
    lost::{KeepLost, Kept, Loss, Why},
    pipeline::{Pipeline, next_number},
};
use mirror_dispatch::Dispatcher;

use super::clock;

/// Bytes that the losses of full rings may take: they have no segments.
const FULL_BYTES: usize = 1 << 20;

/// The last losses.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// Those that are kept, the newest first.
    pub losses: Vec<Loss>,
    /// How many others there were.
    pub not_kept: u64,
}

impl Lost {
    pub(super) fn of(pipeline: &Pipeline, dispatcher: &Dispatcher) -> Self {
        let Some((kept, others)) = pipeline.lost() else {
            return Self::default();
        };
        Self {
            losses: kept.iter().cloned().collect(),
            not_kept: others + dispatcher.lost_untold(),
        }
    }

    /// Takes those of another shard as well, and lets the oldest go beyond `most`.
    pub(super) fn join(&mut self, other: Self, most: usize) {
        self.losses.extend(other.losses);
        let newest_first = |loss: &Loss| std::cmp::Reverse(loss.number);
        self.losses.sort_by_key(newest_first);
        let beyond = self.losses.len().saturating_sub(most);
        self.losses.truncate(most);
        self.not_kept += other.not_kept + beyond as u64;
    }
}

/// Notices that rings were full: the kernel counts segments, and nobody knows whose they were.
#[derive(Debug, Default)]
pub(super) struct FullRings {
    seen: u64,
    kept: Kept,
}

impl FullRings {
    pub(super) fn new(keep: KeepLost) -> Self {
        Self {
            seen: 0,
            kept: Kept::new(keep.losses, FULL_BYTES),
        }
    }

    /// What was lost since this was asked before is one loss, which stands for all of it.
    pub(super) fn look(&mut self, counters: &KernelCounters) -> Lost {
        let now = counters.ring_full;
        let more = now.saturating_sub(self.seen);
        self.seen = now;
        if more > 0 {
            self.kept.push(Loss {
                number: next_number(),
                at: clock::now(),
                why: Why {
                    row: "segments",
                    reason: "ring_full",
                },
                cause: None,
                count: more,
                flow: None,
                target: None,
                line: None,
                segments: Vec::new(),
            });
        }
        Lost {
            losses: self.kept.iter().cloned().collect(),
            not_kept: self.kept.gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_found_no_room_are_one_loss_each_time_that_somebody_asks() {
        let mut rings = FullRings::new(KeepLost {
            losses: 2,
            bytes: 0,
        });
        let counts = |rings: &mut FullRings, ring_full| -> Vec<u64> {
            let counters = KernelCounters {
                ring_full,
                ..KernelCounters::default()
            };
            let lost = rings.look(&counters);
            lost.losses.iter().map(|loss| loss.count).collect()
        };
        assert!(counts(&mut rings, 0).is_empty());
        assert_eq!(counts(&mut rings, 7), [7]);
        assert_eq!(counts(&mut rings, 7), [7]);
        assert_eq!(counts(&mut rings, 9), [7, 2]);
        assert_eq!(counts(&mut rings, 10), [2, 1]);
    }

    #[test]
    fn the_newest_of_all_shards_are_shown() {
        let of = |numbers: &[u64]| {
            let mut kept = Kept::new(10, FULL_BYTES);
            for number in numbers {
                kept.push(Loss {
                    number: *number,
                    at: clock::now(),
                    why: Why::dropped("gap"),
                    cause: None,
                    count: 1,
                    flow: None,
                    target: None,
                    line: None,
                    segments: Vec::new(),
                });
            }
            Lost {
                losses: kept.iter().cloned().collect(),
                not_kept: 1,
            }
        };
        let mut all = of(&[1, 4]);
        all.join(of(&[2, 3]), 3);
        let numbers: Vec<_> = all.losses.iter().map(|loss| loss.number).collect();
        assert_eq!((numbers, all.not_kept), (vec![4, 3, 2], 3));
    }
}
