//! Where a stream came into view, and which SYN is its own.

use crate::segment::{Segment, SeqNum, Time};

/// The first that was seen of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The sequence number of its first byte.
    pub(super) seq: SeqNum,
    /// Whether nothing but its SYN has come.
    pub(super) embryonic: bool,
    /// When the segment was captured that it was opened by.
    pub(super) at: Time,
}

impl Beginning {
    /// Whether a SYN belongs to this stream and not to a later one of the same 4-tuple: the stream
    /// starts right behind it (it was sent again, or read late), or it was picked up further on, by a
    /// segment that was captured after the SYN and read before it.
    pub(super) fn is_of(self, syn: &Segment<'_>) -> bool {
        let first = syn.payload_seq();
        first == self.seq || syn.at < self.at && first.precedes(self.seq)
    }
}
