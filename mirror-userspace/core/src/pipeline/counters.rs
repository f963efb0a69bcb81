//! What the pipeline counts: every connection in one class, every copy in one bucket.

use super::{Drops, NotFollowedBy};
use crate::{
    counters::{Answered, Histogram, Spread, sum::counters},
    http::Protocol,
    policy::FilterRuleId,
};

counters! {
    /// What became of the copies for one target, up to the hand-over.
    ///
    /// `requests = filtered + lost_unseen + observed + sampled_out + dropped + handed_over + assembling`,
    /// where the first three are counted once for all targets in [`PipelineCounters`].
    TargetCopies {
        /// Requests that are not in this target's sample.
        sampled_out: u64,
        /// Requests that were sampled but lost before their copy was complete, by reason.
        dropped: Drops,
        /// Copies handed over to dispatch.
        handed_over: u64,
        /// Being collected now, or shown to the observer: 0 once all connections have ended. Counted for
        /// itself, so that a request that vanishes keeps the books from balancing.
        assembling: u64,
    }
}

counters! {
    /// What was seen of v1's replies to requests whose heads were read.
    RepliesOfV1 {
        /// Replies by status class, each interim one besides.
        answered: Answered,
        /// Requests whose connection ended, by either end, when v1 had sent nothing of a reply. A client that sends
        /// such a request again, on another connection, is mirrored again.
        unanswered: u64,
        /// Requests whose reply stands behind one whose end was not captured: of pipelined requests only.
        unplaced: u64,
        /// Other requests whose reply was not seen: its head was not captured, its place was in doubt, or the mirror
        /// stopped before it came.
        unseen: u64,
        /// From when a request's last byte was captured to its reply's head, by the capture's clock.
        latency: Histogram,
    }
}

counters! {
    /// What the pipeline counts. Requests that share a fate for all targets are counted once here.
    PipelineCounters {
        /// Requests of which at least a part was seen.
        requests: u64,
        /// Of these, those of HTTP/2.
        http2_requests: u64,
        /// How these spread over the connections of HTTP/2.
        http2_spread: Spread,
        /// Requests refused by a rule of the policy, indexed by [`FilterRuleId`].
        filtered: Vec<u64>,
        /// Requests lost before they had a complete, trustworthy head, by reason.
        lost_unseen: Drops,
        /// Complete requests shown to the observer, where nothing is sent.
        observed: u64,
        /// What became of the other requests, for each target.
        targets: Vec<TargetCopies>,
        /// What the connections carried.
        connections: ConnectionCounters,
        /// How v1 answered; nothing where its replies are not captured.
        replies_of_v1: RepliesOfV1,
        /// What passed on them unread.
        not_followed: NotFollowedBy,
    }
}

impl PipelineCounters {
    /// Zeroes for a policy with so many rules and targets.
    #[must_use]
    pub fn new(rules: usize, targets: usize) -> Self {
        Self {
            filtered: vec![0; rules],
            targets: vec![TargetCopies::default(); targets],
            ..Self::default()
        }
    }

    pub(super) fn count_filtered(&mut self, rule: FilterRuleId) {
        if let Some(count) = self.filtered.get_mut(rule.0) {
            *count += 1;
        }
    }
}

counters! {
    /// Connections by what they carry: each in exactly one class, `opened` being the sum of the seven.
    #[derive(Copy)]
    ConnectionCounters {
        /// All connections that were tracked.
        opened: u64,
        /// Of these, those that are tracked now.
        open: u64,
        /// Of these, those already open when the mirror was attached.
        midstream: u64,
        /// Of these, those that begin with a PROXY header.
        proxied: u64,
        /// Connections that carry HTTP/1.0 or HTTP/1.1.
        http1: u64,
        /// Connections that begin with the preface of HTTP/2 (prior knowledge), or go on with it behind a request that
        /// asked for it.
        http2: u64,
        /// Connections of HTTP/2 whose beginning was not captured: their requests are only counted.
        http2_midstream: u64,
        /// Of those of HTTP/2, those that can't be followed any longer: what is not open yet is at best counted.
        http2_lost: u64,
        /// Of those of HTTP/2 whose requests are only counted, those on which there may have been more.
        http2_out_of_step: u64,
        /// Connections that begin with a TLS handshake.
        tls: u64,
        /// Connections that carry another protocol.
        not_http: u64,
        /// Connections that left HTTP/1 by Upgrade or CONNECT.
        upgraded: u64,
        /// Those whose first bytes have not told, or did not tell, what they are.
        undecided: u64,
    }
}

impl ConnectionCounters {
    pub(super) const fn opened(&mut self, from_start: bool) {
        self.opened += 1;
        self.open += 1;
        self.midstream += !from_start as u64;
        self.undecided += 1;
    }

    pub(super) const fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    pub(super) const fn became(&mut self, before: Protocol, now: Protocol) {
        let class = self.class(before);
        *class = class.saturating_sub(1);
        *self.class(now) += 1;
    }

    const fn class(&mut self, protocol: Protocol) -> &mut u64 {
        match protocol {
            Protocol::Http1 => &mut self.http1,
            Protocol::Http2 => &mut self.http2,
            Protocol::Http2Midstream => &mut self.http2_midstream,
            Protocol::Tls => &mut self.tls,
            Protocol::NotHttp => &mut self.not_http,
            Protocol::Upgraded => &mut self.upgraded,
            Protocol::Undecided => &mut self.undecided,
        }
    }
}
