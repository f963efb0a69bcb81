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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_later_is_cut_and_what_it_acknowledges_stays() {
        let until = Until(Time::from_nanos(10));
        let segment = |at, direction, payload| Segment {
            at: Time::from_nanos(at),
            flow: mirror_core::testing::flow_of("10.0.0.1:4242"),
            direction,
            expected: Some(mirror_core::segment::SeqNum(5)),
            seq: mirror_core::segment::SeqNum(5),
            ack: Some(mirror_core::segment::SeqNum(7)),
            flags: TcpFlags(flag::ACK | flag::FIN),
            urgent: None,
            starts_segment: true,
            payload,
            wire_len: 3,
        };
        for (at, direction, payload, left) in [
            (9, Direction::ToServer, b"GET".as_slice(), 3),
            (10, Direction::ToServer, b"GET", 0),
            (10, Direction::ToClient, b"200", 3),
            (10, Direction::ToServer, b"", 0),
        ] {
            let whole = segment(at, direction, payload);
            let cut = until.cut(whole);
            assert_eq!(cut.payload.len(), left);
            assert_eq!(cut.ack, whole.ack);
            let ends = cut.flags.fin();
            assert_eq!(
                ends,
                left == payload.len(),
                "what ends here is what was taken"
            );
        }
        let whole = segment(u64::MAX - 1, Direction::ToServer, b"GET");
        assert_eq!(Until::default().cut(whole).payload.len(), 3);
    }
}
