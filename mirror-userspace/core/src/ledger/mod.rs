//! The ledger: every segment and every copy in exactly one named bucket.
//!
//! Each stage counts for itself; here the counters of all stages are put side by side and checked
//! against each other. With several targets a request counts once for each of them in every row of
//! `requests`, because its copies may end differently.
//!
//! ```text
//! segments.seen    = other_port + no_payload + from_server + sampled_out + copied + ring_full + refused + unparsable
//! segments.copied  = segments.read
//! requests.framed  = sent + filtered + sampled_out + dropped + pending
//! requests.sent    = replies.answered + replies.failed + replies.in_flight
//! connections.opened = http1 + http2 + http2_midstream + tls + not_http + upgraded + undecided
//! ```
//!
//! No term is a remainder: what is under way is counted for itself, so that a request or connection that
//! vanishes inside keeps the books from balancing, at the latest [at the end](Ledger::at_end).

mod book;
mod file;
mod hints;
mod segments;
#[cfg(test)]
mod tests;
mod text;
pub mod why;

pub use book::{Counted, Names};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::verdict::Report;

/// Counts by name, in the order of their names.
pub type Named = BTreeMap<String, u64>;

/// The books of a run. `Display` prints them for people; serialised, they are the JSON of
/// `--ledger-json`, whose keys are stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// TCP segments, from the hook to the daemon.
    pub segments: Segments,
    /// TCP segments of servers (`--replies on`), by what became of them: `seen` is the sum of those that end
    /// in the kernel, and `copied` is as many as were `read`.
    pub reply_segments: Named,
    /// What else a capture file had; none in the books of a live mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileBook>,
    /// Copies of requests, until they are handed over to a connection.
    pub requests: Requests,
    /// What became of the copies that were sent.
    pub replies: Replies,
    /// Copies that were sent a second time: they are not in `requests` and `replies` once more.
    pub sent_again: u64,
    /// Requests of HTTP/2 among those framed; each counts once, however many targets there are.
    pub http2_requests: u64,
    /// The most of them that came on one connection: what `--sample-by connection` can take or leave at once.
    pub http2_most_on_a_connection: u64,
    /// Connections of HTTP/2 by how many requests came on each so far: at least as many as the key says, and less than ten
    /// times as many; of 100000, any number.
    pub http2_connections_by_requests: Named,
    /// Client connections by what they carry.
    pub connections: Connections,
    /// What reassembly made of the segments that were read. It explains other rows, and is part of none.
    pub streams: Streams,
    /// Payload bytes that never reached the parser, by reason.
    pub bytes_lost: Named,
    /// How v1 answered the requests whose heads were read, by status class; `unanswered_by_v1` are those whose
    /// connection ended before v1 sent anything of a reply, `unplaced` those whose reply stands behind one whose end
    /// was not captured, `unseen` other ones whose reply was not seen. All zero where v1's replies are not captured.
    pub replies_of_v1: Named,
    /// v1's latency, by the capture's clock: from a request's last byte to its reply's head.
    pub v1_latency_us: Quantiles,
    /// What passed unread on connections that are not followed, by why.
    pub not_followed: BTreeMap<String, NotFollowed>,
    /// The books of each target, by its URL.
    pub targets: BTreeMap<String, Target>,
    /// Whether every row adds up.
    pub balanced: bool,
    /// Whether the candidate does as well as the baseline, where the targets are that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Report>,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Segments {
    /// TCP segments that reached the program.
    pub seen: u64,
    /// Segments to a port that is not mirrored.
    pub other_port: u64,
    /// Segments without payload, SYN, FIN or RST.
    pub no_payload: u64,
    /// Segments that servers sent to their clients (capture files only).
    pub from_server: u64,
    /// Segments that are not in the kernel's sample.
    pub sampled_out: u64,
    /// Segments copied whole into a ring.
    pub copied: u64,
    /// Segments read whole from a ring.
    pub read: u64,
    /// Segments read that belong to no stream, or that no server takes, by why: part of `read`.
    pub implausible: Named,
    /// Segments lost because a ring was full.
    pub ring_full: u64,
    /// Segments that v1's kernel refuses, data of Multipath TCP (`mptcp`), and IPv6 with addresses of IPv4
    /// (`forged_address`), by reason; of a capture file, those that any kernel refuses.
    pub refused: Named,
    /// Sampled segments for which v1's kernel was not asked, or had no answer, as no socket has had a
    /// connection on their port: part of the other rows.
    pub unasked: u64,
    /// Segments whose headers could not be parsed, by reason.
    pub unparsable: Named,
    /// Frames that are not TCP: not part of `seen`.
    pub not_tcp: u64,
}

/// What a capture file had, by name: the most frequent names, and `others`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileBook {
    /// Packets, of whatever kind.
    pub packets: u64,
    /// Segments that came in a tunnel, which was taken off.
    pub tunnelled: u64,
    /// What the packets of [`Segments::not_tcp`] are.
    pub not_tcp: Named,
    /// Packets of link types that are not read, which are unparsable.
    pub link_types: Named,
    /// Segments of [`Segments::other_port`], without those of servers, by the port.
    pub other_ports: Named,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Requests of which at least a part was seen.
    pub framed: u64,
    /// Copies given to a connection to the target.
    pub sent: u64,
    /// Requests that were only looked at, because there is no target (`replay --print`).
    pub observed: u64,
    /// Requests refused by a filter rule, by the rule's name.
    pub filtered: Named,
    /// Requests that are not in the sample.
    pub sampled_out: u64,
    /// Copies that were not sent, by reason.
    pub dropped: Named,
    /// Copies still being collected or waiting for a connection; 0 at the end of a run.
    pub pending: u64,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replies {
    /// Copies whose reply has come, at least its head, by status class.
    pub answered: Named,
    /// Copies that got no reply, by reason.
    pub failed: Named,
    /// Copies in flight; 0 at the end of a run.
    pub in_flight: u64,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// All client connections that were followed.
    pub opened: u64,
    /// Connections that are followed now; 0 at the end of a run.
    pub open: u64,
    /// Connections that carry HTTP/1.0 or HTTP/1.1.
    pub http1: u64,
    /// Connections that begin with the preface of HTTP/2, or go on with it behind an upgrade.
    pub http2: u64,
    /// Connections of HTTP/2 whose beginning was not captured: their requests are dropped as `before_attach`.
    pub http2_midstream: u64,
    /// Connections that begin with a TLS handshake.
    pub tls: u64,
    /// Connections that carry another protocol.
    pub not_http: u64,
    /// Connections that left HTTP/1 by Upgrade or CONNECT.
    pub upgraded: u64,
    /// Connections that were silent, or picked up in the middle and never began a request.
    pub undecided: u64,
    /// Connections, of whatever protocol, that were open before the mirror was attached.
    pub midstream: u64,
    /// Connections, of whatever protocol, that begin with a PROXY header.
    pub proxied: u64,
    /// Connections of HTTP/2 that could not be followed to their end; later requests of theirs are only counted.
    pub http2_lost: u64,
    /// Connections of HTTP/2 on which there may have been more requests than were counted.
    pub http2_out_of_step: u64,
}

/// How clients' segments became ordered bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Streams {
    /// Segments out of the ordinary, by what they were: `queued` behind a hole, `late` (their connection had ended),
    /// `unknown` (FIN, RST or nothing, of no connection), `refused` for want of memory, `proposed` (SYNs on open
    /// connections), `doubtful_resets`; and those `from_server`.
    pub segments: Named,
    /// Payload bytes: `handed_in`, `delivered` in order, `duplicate`, `urgent`. Those lost are in
    /// [`Ledger::bytes_lost`].
    pub bytes: Named,
    /// Holes that were given up.
    pub gaps: u64,
    /// Connections that ended, by how.
    pub closed: Named,
}

/// What passed unread: it is in no other row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotFollowed {
    /// Connections on which something did. One may have been followed before, or afterwards.
    pub connections: u64,
    /// Requests on them, at least: segments that begin with a request line, behind something that v1 said.
    pub requests_at_least: u64,
    /// Segments, or parts of them.
    pub segments: u64,
    /// Payload bytes.
    pub bytes: u64,
}

/// The books of one target: its part of `requests` and `replies`, and its latencies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The target's copies, until they are handed over to a connection.
    pub requests: Requests,
    /// What became of those that were sent.
    pub replies: Replies,
    /// Replies of gRPC by their status, which may come long after the reply is counted as answered.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub grpc_status: Named,
    /// Those that were sent a second time.
    pub sent_again: u64,
    /// Mirror lag: from when the kernel saw a request's last byte (its first, if streamed) to the first byte
    /// written to the target.
    pub lag_us: Quantiles,
    /// Reply latency: from a copy's first byte written to the end of its reply's head.
    pub latency_us: Quantiles,
}

/// Quantiles of a histogram with logarithmic buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The median, in microseconds.
    pub p50: u64,
    /// The 99th percentile, in microseconds.
    pub p99: u64,
    /// The largest value, in microseconds.
    pub max: u64,
}

impl Segments {
    fn balances(&self) -> bool {
        let ends = [
            self.other_port,
            self.no_payload,
            self.from_server,
            self.sampled_out,
            self.copied,
            self.ring_full,
            sum(&self.refused),
            sum(&self.unparsable),
        ];
        self.seen == ends.iter().sum::<u64>() && self.copied == self.read
    }
}

impl Requests {
    /// The sum of all connections whose protocol is known.
    fn ended(&self) -> u64 {
        self.sent + self.observed + sum(&self.filtered) + self.sampled_out + sum(&self.dropped)
    }

    fn balances(&self) -> bool {
        self.framed == self.ended() + self.pending
    }
}

impl Replies {
    fn balances(&self, sent: u64) -> bool {
        sent == sum(&self.answered) + sum(&self.failed) + self.in_flight
    }
}

impl Connections {
    fn balances(&self) -> bool {
        self.opened
            == self.http1
                + self.http2
                + self.http2_midstream
                + self.tls
                + self.not_http
                + self.upgraded
                + self.undecided
    }
}

impl Ledger {
    /// The books of a run that is over. Nothing is under way any more, so whatever is counted as pending,
    /// in flight or open was lost without a trace, and they don't balance.
    #[must_use]
    pub fn at_end(mut self) -> Self {
        let under_way = self.requests.pending + self.replies.in_flight + self.connections.open;
        self.balanced &= under_way == 0;
        self
    }

    /// Whether every equation of the module's documentation holds, in all and for each target.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.segments.balances()
            && self.requests.balances()
            && self.replies.balances(self.requests.sent)
            && self.connections.balances()
            && self.targets.values().all(|target| {
                target.requests.balances() && target.replies.balances(target.requests.sent)
            })
    }
}

/// The sum of all counts.
#[must_use]
pub fn sum(named: &Named) -> u64 {
    named.values().sum()
}
