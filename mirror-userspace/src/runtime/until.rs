//! The moment from which on the requests of clients are another agent's.

use mirror_common::record::flag;
use mirror_core::segment::{Direction, Segment, TcpFlags, Time};

/// No payload of a client that was captured at this moment or later is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until(pub(super) Time);

impl Default for Until {
    fn default() -> Self {
        Self(Time::from_nanos(u64::MAX))
    }
}

impl Until {
    /// The segment, or what is left of it: that it came, and what it acknowledges.
    pub(super) fn cut(self, segment: Segment<'_>) -> Segment<'_> {
        if segment.at < self.0
            || segment.direction == Direction::ToClient
            || segment.payload.is_empty()
        {
            return segment;
        }
        Segment {
            payload: &[],
            wire_len: 0,
            // It waits for what is not taken here.
            expected: None,
            urgent: None,
            flags: TcpFlags(segment.flags.0 & !flag::FIN),
            ..segment
        }
    }
}
