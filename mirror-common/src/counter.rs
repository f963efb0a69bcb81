//! One counter for each way a segment can end in the kernel program.

use crate::packet::Unparsable;

/// The number of counters per CPU.
pub const COUNTERS: usize = 32;

/// A kernel-side counter: an index into the per-CPU [`Counters`].
///
/// At a quiet moment, over all CPUs, `Seen` equals the sum of `OtherPort`, `NoPayload`,
/// `SampledOut`, `Copied`, `RingFull` and all [`Unparsable`] reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Frames that are not TCP over IP: outside the ledger's balance.
    NotTcp = 0,
    /// TCP segments that reached the program.
    Seen = 1,
    /// Segments to a port that is not mirrored.
    OtherPort = 2,
    /// Segments without payload, SYN, FIN or RST.
    NoPayload = 3,
    /// Segments that are not in the sample.
    SampledOut = 4,
    /// Segments copied whole into a ring.
    Copied = 5,
    /// Segments lost, in part or whole, because the ring had no room.
    RingFull = 6,
    /// The first of [`Unparsable::ALL`]; the others follow in order.
    Unparsable = 16,
}

/// The counters of one CPU, or their sum.
pub type Counters = [u64; COUNTERS];

/// The counter of a reason.
#[must_use]
#[inline(always)]
pub const fn unparsable(reason: Unparsable) -> usize {
    Counter::Unparsable as usize + reason as usize
}

const _: () = assert!(Counter::Unparsable as usize + Unparsable::ALL.len() <= COUNTERS);
