//! What was counted on either side of the ring.

use mirror_common::{
    counter::{Counter, Counters, unparsable},
    packet::Unparsable,
};

use super::sum::counters;

counters! {
    /// How segments ended in the kernel program, summed over CPUs.
    ///
    /// At a quiet moment [`seen`](Self::seen) is the sum of all that follow it but [`unasked`](Self::unasked). The CPUs go on
    /// counting while they are read, so that sums taken under load are off by the few segments in
    /// between.
    #[derive(Copy)]
    KernelCounters {
        /// Frames that are no TCP over IP; not part of `seen`.
        not_tcp: u64,
        /// TCP segments that reached the program.
        seen: u64,
        /// Segments to a port that is not mirrored.
        other_port: u64,
        /// Segments with neither payload nor SYN, FIN or RST.
        no_payload: u64,
        /// Segments that are not in the sample.
        sampled_out: u64,
        /// Segments copied whole into a ring.
        copied: u64,
        /// Segments lost, in part or whole, because the ring had no room.
        ring_full: u64,
        /// Segments that v1's kernel or any refuses, and those of Multipath TCP, by reason, in the order of
        /// [`Counter::REFUSED`].
        refused: [u64; Counter::REFUSED.len()],
        /// Sampled segments for which v1's kernel was not asked or had no answer; not part of the sum.
        unasked: u64,
        /// Segments whose headers could not be parsed, by reason, in the order of [`Unparsable::ALL`].
        unparsable: [u64; Unparsable::ALL.len()],
    }
}

impl KernelCounters {
    /// How many segments were lost for this reason.
    #[must_use]
    pub fn unparsable(&self, reason: Unparsable) -> u64 {
        self.unparsable.get(reason as usize).copied().unwrap_or(0)
    }

    /// Whether each segment seen ended in exactly one way.
    #[must_use]
    pub fn balance(&self) -> bool {
        let ended = [
            self.other_port,
            self.no_payload,
            self.sampled_out,
            self.copied,
            self.ring_full,
        ];
        let ended = ended.iter().chain(&self.refused).chain(&self.unparsable);
        self.seen == ended.sum::<u64>()
    }
}

impl From<&Counters> for KernelCounters {
    /// Names what one CPU counted.
    fn from(counters: &Counters) -> Self {
        let at = |index: usize| counters.get(index).copied().unwrap_or(0);
        let of = |counter: Counter| at(counter as usize);
        Self {
            not_tcp: of(Counter::NotTcp),
            seen: of(Counter::Seen),
            other_port: of(Counter::OtherPort),
            no_payload: of(Counter::NoPayload),
            sampled_out: of(Counter::SampledOut),
            copied: of(Counter::Copied),
            ring_full: of(Counter::RingFull),
            refused: Counter::REFUSED.map(of),
            unasked: of(Counter::Unasked),
            unparsable: Unparsable::ALL.map(|reason| at(unparsable(reason))),
        }
    }
}

counters! {
    /// What one reader took out of its ring.
    #[derive(Copy)]
    RingCounters {
        /// Segments to servers that were read whole: over all readers, at a quiet moment, the kernel's
        /// [`copied`](KernelCounters::copied).
        read: u64,
        /// The same of what servers sent.
        replies: u64,
        /// Records, of which a large segment takes several.
        records: u64,
        /// Payload bytes in the records that were read.
        bytes: u64,
        /// Records that contradicted themselves and were dropped.
        malformed: u64,
    }
}

#[cfg(test)]
mod tests {
    use mirror_common::counter::COUNTERS;

    use super::*;

    #[test]
    fn each_counter_has_its_name_and_sums_balance() {
        let mut counters: Counters = [0; COUNTERS];
        for (index, count) in counters.iter_mut().enumerate() {
            *count = 1 << index;
        }
        let one = KernelCounters::from(&counters);
        assert_eq!(one.copied, 1 << Counter::Copied as usize);
        assert_eq!(one.refused, Counter::REFUSED.map(|why| 1 << why as usize));
        for reason in Unparsable::ALL {
            assert_eq!(one.unparsable(reason), 1 << unparsable(reason));
        }
        assert!(!one.balance());

        let mut sum = KernelCounters {
            seen: 23,
            other_port: 5,
            copied: 6,
            refused: [1; Counter::REFUSED.len()],
            unparsable: [1; Unparsable::ALL.len()],
            ..KernelCounters::default()
        };
        assert!(sum.balance());
        sum += &sum.clone();
        assert_eq!((sum.seen, sum.unparsable[0]), (46, 2));
        assert!(sum.balance());
    }
}
