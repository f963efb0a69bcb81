//! What passes on connections that are not read as requests.
//!
//! A request that nobody reads can't be counted exactly. What begins like one, where a segment of the
//! client began and behind something that the server said, is one for certain enough to be called lost: so
//! there were *at least* as many.

use crate::{
    counters::sum::counters,
    http::{self, Footing, Protocol},
    segment::SeqNum,
    stream::Data,
};

counters! {
    /// What passed unread.
    #[derive(Copy)]
    NotFollowed {
        /// Connections on which something did.
        connections: u64,
        /// Requests on them: at least so many.
        requests_at_least: u64,
        /// Segments, or parts of them.
        segments: u64,
        /// Payload bytes.
        bytes: u64,
    }
}

counters! {
    /// What passed unread, by why. A connection counts once for each reason that held on it.
    #[derive(Copy)]
    NotFollowedBy {
        /// The connection carries another protocol.
        not_http: NotFollowed,
        /// On connections that began with a TLS handshake.
        tls: NotFollowed,
        /// It carries HTTP/2, and its beginning was not captured, or it can't be followed any longer. Its requests are
        /// in [`DropReason`](super::DropReason)'s counts.
        http2: NotFollowed,
        /// It has left HTTP/1 by Upgrade or CONNECT.
        upgraded: NotFollowed,
        /// Where the next request begins was in doubt, and was not found again.
        doubt: NotFollowed,
        /// It was picked up in the middle, or bytes were missing, and no request had begun yet for certain.
        out_of_step: NotFollowed,
    }
}

impl NotFollowedBy {
    /// Each reason's name in the ledger, and what it stands for.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, NotFollowed); 6] {
        [
            ("not_http", self.not_http),
            ("tls", self.tls),
            ("http2", self.http2),
            ("upgraded", self.upgraded),
            ("doubt", self.doubt),
            ("out_of_step", self.out_of_step),
        ]
    }
}

/// What is to be known of one connection to count what passes on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passing {
    /// Whether the next bytes pass unread, as far as is known before them.
    unread: bool,
    /// The reasons that it was counted for, one bit each.
    counted: u8,
    /// Whether it is known what the client had received when it sent the last bytes that passed unread.
    knows_acknowledged: bool,
    /// What that was.
    acknowledged: SeqNum,
}

impl Passing {
    /// Notes how the parser stands behind a gap, or at the beginning.
    pub(super) fn stand(&mut self, footing: Footing) {
        self.unread = footing != Footing::InStep;
    }

    /// Counts bytes that the parser was given, and stands like this behind them.
    #[inline]
    pub(super) fn count(
        &mut self,
        data: &Data<'_>,
        (footing, protocol): (Footing, Protocol),
        counters: &mut NotFollowedBy,
    ) {
        if footing == Footing::InStep {
            self.unread = false;
        } else {
            self.count_unread(data, (footing, protocol), counters);
        }
    }

    #[cold]
    fn count_unread(
        &mut self,
        data: &Data<'_>,
        (footing, protocol): (Footing, Protocol),
        counters: &mut NotFollowedBy,
    ) {
        let before = self.knows_acknowledged.then_some(self.acknowledged);
        self.knows_acknowledged = data.ack.is_some();
        self.acknowledged = data.ack.unwrap_or_default();
        // The first bytes of another protocol are known by themselves; on a connection of HTTP/1 they had a
        // request in them, which was counted as such.
        let was_read = !std::mem::replace(&mut self.unread, true);
        if was_read && protocol == Protocol::Http1 {
            return;
        }
        let (bit, counter) = match (footing, protocol) {
            (_, Protocol::NotHttp) => (0, &mut counters.not_http),
            (_, Protocol::Tls) => (1, &mut counters.tls),
            (_, Protocol::Http2 | Protocol::Http2Midstream) => (2, &mut counters.http2),
            (_, Protocol::Upgraded) => (3, &mut counters.upgraded),
            (Footing::Left, Protocol::Http1 | Protocol::Undecided) => (4, &mut counters.doubt),
            (Footing::OutOfStep | Footing::InStep, Protocol::Http1 | Protocol::Undecided) => {
                (5, &mut counters.out_of_step)
            }
        };
        counter.connections += u64::from(self.counted & 1 << bit == 0);
        self.counted |= 1 << bit;
        counter.segments += 1;
        counter.bytes += data.bytes.len() as u64;
        let answered = before
            .zip(data.ack)
            .is_some_and(|(before, now)| before.precedes(now));
        if answered && data.starts_segment && http::begins_request(data.bytes) {
            counter.requests_at_least += 1;
        }
    }
}
