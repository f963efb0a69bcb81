//! Which segments that end a stream, or begin another one in its place, are believed.

use super::Assembler;
use crate::{
    segment::{Segment, SeqNum},
    stream::piece::REACH,
};

impl Assembler {
    /// Whether a reset is to be believed. The server believes only the exact position (RFC 5961 section 3.2),
    /// which is ahead of ours by what we missed; ours is ahead of what its kernel says by what is still on
    /// the way to it.
    pub(in crate::stream) fn believes_reset(&self, reset: &Segment<'_>) -> bool {
        let position = self.next.nearest(reset.seq);
        match reset.expected {
            // Linux also takes the end of what it has behind a hole (`tcp_validate_incoming`).
            Some(expected) => {
                let queued = self.queue.as_ref().and_then(|queue| queue.end());
                reset.seq == expected || position == self.next || queued == Some(position)
            }
            None => self.next <= position && position.since(self.next) <= REACH,
        }
    }

    /// Whether a segment with payload belongs to the stream that a SYN proposed in place of this
    /// one: it starts where that starts, or behind it and not where this one goes on.
    pub(in crate::stream) fn is_of_proposed(&self, first: SeqNum, segment: &Segment<'_>) -> bool {
        let seq = segment.payload_seq();
        if seq == first {
            return true;
        }
        let first = self.next.nearest(first);
        let start = self.next.nearest(seq);
        let is_ours = start <= self.next && start + u64::from(segment.wire_len) >= self.next;
        let behind_first = first < start && start.since(first) <= REACH;
        behind_first && !is_ours && (self.next < first || self.next.since(first) > REACH)
    }
}
