//! What the pipeline counts: every connection in one class, every copy in one bucket.

use super::NotFollowedBy;
use crate::{
    counters::{Histogram, Sum, sum::counters},
    http::{Lost, Protocol},
    policy::FilterRuleId,
};

/// Why a copy was dropped before it was handed to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The byte stream did not give a whole, trustworthy request.
    Lost(Lost),
    /// No memory was left to keep it.
    OverBudget,
    /// A recording did not take all of it; counted where nothing is sent.
    RecordFailed,
}

impl DropReason {
    /// All reasons, in the order in which they are printed.
    pub const ALL: [Self; 13] = [
        Self::Lost(Lost::Gap),
        Self::Lost(Lost::Reset),
        Self::Lost(Lost::Truncated),
        Self::Lost(Lost::Idle),
        Self::Lost(Lost::Evicted),
        Self::Lost(Lost::Detached),
        Self::Lost(Lost::Shutdown),
        Self::Lost(Lost::Ambiguous),
        Self::Lost(Lost::Malformed),
        Self::Lost(Lost::TooLarge),
        Self::Lost(Lost::RefusedByV1),
        Self::OverBudget,
        Self::RecordFailed,
    ];

    /// The reason's name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost(Lost::Gap) => "gap",
            Self::Lost(Lost::Reset) => "reset",
            Self::Lost(Lost::Truncated) => "truncated",
            Self::Lost(Lost::Idle) => "idle",
            Self::Lost(Lost::Evicted) => "evicted",
            Self::Lost(Lost::Detached) => "detached",
            Self::Lost(Lost::Shutdown) => "shutdown",
            Self::Lost(Lost::Ambiguous) => "ambiguous",
            Self::Lost(Lost::Malformed) => "malformed",
            Self::Lost(Lost::TooLarge) => "too_large",
            Self::Lost(Lost::RefusedByV1) => "refused_by_v1",
            Self::OverBudget => "over_budget",
            Self::RecordFailed => "record_failed",
        }
    }
}

/// A count for each [`DropReason`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// Counts one request dropped for this reason.
    pub fn count(&mut self, reason: DropReason) {
        if let Some(place) = DropReason::ALL.iter().position(|known| *known == reason)
            && let Some(count) = self.0.get_mut(place)
        {
            *count += 1;
        }
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.0.iter().copied())
    }

    /// The sum over all reasons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Sum for Drops {
    fn add(&mut self, more: &Self) {
        self.0.add(&more.0);
    }
}

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
        /// Interim replies, and 101.
        informational: u64,
        /// Replies with 2xx.
        success: u64,
        /// Replies with 3xx.
        redirection: u64,
        /// Replies with 4xx.
        client_error: u64,
        /// Replies with 5xx, and with what is no status.
        server_error: u64,
        /// Requests whose reply was not seen: v1 sent none, its head was not captured, or its place was in doubt.
        unseen: u64,
        /// From when a request's last byte was captured to its reply's head, by the capture's clock.
        latency: Histogram,
    }
}

impl RepliesOfV1 {
    /// Counts a reply with this status.
    pub(super) const fn count(&mut self, status: u16) {
        let counter = match status {
            100..=199 => &mut self.informational,
            200..=299 => &mut self.success,
            300..=399 => &mut self.redirection,
            400..=499 => &mut self.client_error,
            _ => &mut self.server_error,
        };
        *counter += 1;
    }
}

counters! {
    /// What the pipeline counts. Requests that share a fate for all targets are counted once here.
    PipelineCounters {
        /// Requests of which at least a part was seen.
        requests: u64,
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
    /// Connections by what they carry: each in exactly one class, `opened` being the sum of the six.
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
        /// Connections that begin with the preface of HTTP/2 (prior knowledge).
        http2: u64,
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
            Protocol::Tls => &mut self.tls,
            Protocol::NotHttp => &mut self.not_http,
            Protocol::Upgraded => &mut self.upgraded,
            Protocol::Undecided => &mut self.undecided,
        }
    }
}
