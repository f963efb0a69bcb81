//! Every metric there is, with its meaning.
//!
//! Labels: `rule` is a mirror; `target` is one of its targets, and a request counts once for each.

use crate::admin::text::{Family, counter, gauge, histogram};

// Segments, by rule.

pub(super) const SEGMENTS_SEEN: Family = counter(
    "podmirror_segments_seen_total",
    "TCP segments that reached the kernel program: the sum of podmirror_segments_total.",
);
pub(super) const SEGMENTS: Family = counter(
    "podmirror_segments_total",
    "TCP segments by what became of them in the kernel.",
);
pub(super) const SEGMENTS_READ: Family = counter(
    "podmirror_segments_read_total",
    "Segments read from the ring: at a quiet moment as many as were copied.",
);
pub(super) const REPLY_SEGMENTS: Family = counter(
    "podmirror_reply_segments_total",
    "TCP segments of servers: seen at the other hook, what became of them in the kernel, and those read from the ring.",
);
pub(super) const IMPLAUSIBLE: Family = counter(
    "podmirror_segments_implausible_total",
    "Segments read that belong to no stream, or that no server takes, by reason.",
);
pub(super) const UNASKED: Family = counter(
    "podmirror_segments_unasked_total",
    "Sampled segments for which v1's kernel was not asked, or had no answer: no socket has had a connection on the port.",
);
pub(super) const NOT_TCP: Family = counter(
    "podmirror_frames_not_tcp_total",
    "Frames that are no TCP over IP.",
);
pub(super) const RING_RECORDS: Family = counter(
    "podmirror_ring_records_total",
    "Records read from the ring, of which a large segment takes several.",
);
pub(super) const RING_MALFORMED: Family = counter(
    "podmirror_ring_malformed_records_total",
    "Records that contradicted themselves and were dropped.",
);
pub(super) const UNCLAIMED_RECORDS: Family = counter(
    "podmirror_ring_unclaimed_records_total",
    "Records read from rings that were of no rule, and passed over: of one whose mirror panicked and is not detached yet, or else a bug.",
);
pub(super) const RING_BYTES: Family = counter(
    "podmirror_ring_payload_bytes_total",
    "Payload read from the ring.",
);
pub(super) const LOST_BYTES: Family = counter(
    "podmirror_lost_bytes_total",
    "Payload that never reached the HTTP parser, by reason.",
);

pub(super) const STREAM_SEGMENTS: Family = counter(
    "podmirror_stream_segments_total",
    "Segments read that were out of the ordinary in reassembly, by what they were; most of them do no harm.",
);
pub(super) const STREAM_BYTES: Family = counter(
    "podmirror_stream_bytes_total",
    "Payload in reassembly: handed in, delivered in order, duplicate, urgent.",
);
pub(super) const STREAM_GAPS: Family = counter(
    "podmirror_stream_gaps_total",
    "Holes in what clients sent that were given up.",
);

// Client connections, by rule.

pub(super) const CONNECTIONS_CLOSED: Family = counter(
    "podmirror_connections_closed_total",
    "Client connections that ended, by how.",
);
pub(super) const CONNECTIONS_OPENED: Family = counter(
    "podmirror_connections_opened_total",
    "Client connections that were followed.",
);
pub(super) const CONNECTIONS_MIDSTREAM: Family = counter(
    "podmirror_connections_midstream_total",
    "Of these, those that were open before the mirror was attached.",
);
pub(super) const CONNECTIONS_PROXIED: Family = counter(
    "podmirror_connections_proxied_total",
    "Of these, those that begin with a PROXY header.",
);
pub(super) const HTTP2_LOST: Family = counter(
    "podmirror_connections_http2_lost_total",
    "Of these, those of HTTP/2 that could not be followed to their end.",
);
pub(super) const HTTP2_OUT_OF_STEP: Family = counter(
    "podmirror_connections_http2_out_of_step_total",
    "Of these, those of HTTP/2 on which there may have been more requests than were counted.",
);
pub(super) const HTTP2_REQUESTS: Family = counter(
    "podmirror_http2_requests_total",
    "Requests of HTTP/2 of which at least a part was seen, whatever the number of targets.",
);
pub(super) const HTTP2_MOST: Family = gauge(
    "podmirror_http2_requests_of_a_connection_max",
    "The most of these that came on one connection so far.",
);
pub(super) const HTTP2_SPREAD: Family = gauge(
    "podmirror_http2_connections_by_requests",
    "Connections of HTTP/2 so far, also ended ones, by how many requests came on each: at least as many as the label says.",
);
pub(super) const CONNECTIONS_OPEN: Family = gauge(
    "podmirror_connections_open",
    "Of these, those that are followed now.",
);
pub(super) const CONNECTIONS: Family = gauge(
    "podmirror_connections",
    "Client connections so far, also ended ones, by what they carry. One may turn out to be another kind.",
);

pub(super) const REPLIES_OF_V1: Family = counter(
    "podmirror_v1_replies_total",
    "Requests by how v1 answered them: the status class, or why that is not known. Only where v1's replies are captured.",
);
pub(super) const LATENCY_OF_V1: Family = histogram(
    "podmirror_v1_reply_latency_seconds",
    "v1's latency by the kernel's clock: from a request's last byte to its reply's head.",
);
pub(super) const NOT_FOLLOWED_CONNECTIONS: Family = counter(
    "podmirror_not_followed_connections_total",
    "Client connections on which something was not read as requests, by reason.",
);
pub(super) const NOT_FOLLOWED_REQUESTS: Family = counter(
    "podmirror_not_followed_requests_at_least_total",
    "Requests in it: at least so many, and in no other metric.",
);
pub(super) const NOT_FOLLOWED_SEGMENTS: Family =
    counter("podmirror_not_followed_segments_total", "Segments of it.");
pub(super) const NOT_FOLLOWED_BYTES: Family =
    counter("podmirror_not_followed_bytes_total", "Payload bytes of it.");

// Copies of requests, by rule and target.

pub(super) const REQUESTS_FRAMED: Family = counter(
    "podmirror_requests_framed_total",
    "Requests of which at least a part was seen: the sum of podmirror_requests_total and podmirror_requests_pending.",
);
pub(super) const REQUESTS: Family = counter(
    "podmirror_requests_total",
    "Copies of requests by what became of them.",
);
pub(super) const REQUESTS_PENDING: Family = gauge(
    "podmirror_requests_pending",
    "Copies that are being collected or wait to be sent.",
);
pub(super) const QUEUED: Family = gauge(
    "podmirror_requests_queued",
    "Of the pending copies, those that wait for a connection to the target.",
);
pub(super) const ANSWERED: Family = counter(
    "podmirror_replies_answered_total",
    "Sent copies that the target answered, by status class.",
);
pub(super) const FAILED: Family = counter(
    "podmirror_replies_failed_total",
    "Sent copies that got no reply, by reason.",
);
pub(super) const GRPC_STATUS: Family = counter(
    "podmirror_replies_grpc_status_total",
    "Replies of gRPC that came to their end, by their status.",
);
pub(super) const IN_FLIGHT: Family = gauge(
    "podmirror_replies_in_flight",
    "Sent copies whose reply is not there yet.",
);
pub(super) const REPLIES_CUT: Family = counter(
    "podmirror_replies_cut_total",
    "Replies whose bodies were too long, or went on for too long, to read to their end: answered, but the connection was closed on them.",
);
pub(super) const REPLIES_BROKEN: Family = counter(
    "podmirror_replies_broken_total",
    "Replies whose bodies broke off or cannot be framed: answered, by their heads.",
);
pub(super) const PIPELINED: Family = counter(
    "podmirror_copies_pipelined_total",
    "Copies written on a connection before the reply to the one before them.",
);
pub(super) const SENT_AGAIN: Family = counter(
    "podmirror_copies_sent_again_total",
    "Copies that were sent a second time: the target closed the connection before their reply.",
);
pub(super) const LAG: Family = histogram(
    "podmirror_mirror_lag_seconds",
    "From the kernel's sight of a request's last byte (of a streamed one's first) to the first byte written to the target.",
);
pub(super) const LATENCY: Family = histogram(
    "podmirror_reply_latency_seconds",
    "From a copy's first byte written to the end of its reply's head.",
);
pub(super) const TARGET_CONNECTIONS: Family = gauge(
    "podmirror_target_connections",
    "Connections to the target that are open.",
);
pub(super) const TARGET_CONNECTIONS_OPENED: Family = counter(
    "podmirror_target_connections_opened_total",
    "Connections to the target that were opened.",
);
pub(super) const BREAKER_OPENED: Family = counter(
    "podmirror_target_breaker_opened_total",
    "Times that a shard left the target alone because it kept failing.",
);
pub(super) const AVOIDED: Family = counter(
    "podmirror_target_addresses_avoided_total",
    "Times that a shard left one of the target's addresses alone because it failed.",
);

pub(super) const HELD_BACK: Family = gauge(
    "podmirror_target_held_back_ratio",
    "The share of copies that is held back from the target as it is overloaded, 0 to 1, the mean of the shards.",
);

pub(super) const CAP: Family = gauge(
    "podmirror_target_cap_copies_per_second",
    "What the target gets from here at most: this node's part of --max-rps, or of its document's cap. Absent without a cap.",
);

// The mirrors and what they are attached to.

pub(super) const BUILD: Family = gauge("podmirror_build_info", "1, with the version as its label.");
pub(super) const SAMPLE_RATIO: Family = gauge(
    "podmirror_sample_ratio",
    "The share of requests that the target is to get, 0 to 1.",
);
pub(super) const ATTACHMENTS: Family = gauge(
    "podmirror_attachments",
    "Interfaces that the rule is attached to.",
);
pub(super) const PODS: Family = gauge(
    "podmirror_pods",
    "Selected pods of this node by how far they are.",
);
pub(super) const POD_ATTACHED: Family = gauge(
    "podmirror_pod_attached",
    "Whether this selected pod's requests are mirrored: 1 or 0.",
);
pub(super) const WATCH_UP: Family = gauge(
    "podmirror_watch_up",
    "Whether the watch of this kind of object works: 1 or 0. Mirroring goes on without it.",
);
pub(super) const WATCH_ERRORS: Family = counter(
    "podmirror_watch_errors_total",
    "Times that the watch of this kind of object broke.",
);
pub(super) const DOCUMENTS_REFUSED: Family = gauge(
    "podmirror_documents_refused",
    "Documents of which something is refused, by their namespace and the reason.",
);
pub(super) const RULE_STOPPED: Family = gauge(
    "podmirror_rule_stopped",
    "1 for a document's rule that was stopped because a part of its mirror panicked, until the document changes.",
);
pub(super) const OMITTED: Family = gauge(
    "podmirror_metrics_omitted",
    "Rules, pods and namespaces without series of their own, because there are too many.",
);

// The comparison of a baseline and a candidate, by rule.

pub(super) const COMPARED: Family = counter(
    "podmirror_compared_requests_total",
    "Requests sent to a baseline and a candidate, by whether both had a chance to answer.",
);
pub(super) const CONTENTS: Family = counter(
    "podmirror_compared_contents_total",
    "Requests whose replies' heads and bodies were to be compared, by outcome: compared, or why not.",
);
pub(super) const DIFFERING_FIELDS: Family = gauge(
    "podmirror_differing_fields",
    "Header fields and parts of bodies that differ at the candidate more often than by themselves; each counts once for all requests and once for each group.",
);
pub(super) const VERDICT: Family = gauge(
    "podmirror_verdict",
    "1 for what the comparison comes to (same, not enough yet, differs), 0 for the others.",
);
pub(super) const E_VALUE: Family = gauge(
    "podmirror_verdict_e_value",
    "The evidence that baseline and candidate differ, by question: at most 1 on average if they do not.",
);

// The admin server.

pub(super) const ADMIN_CLOSED: Family = counter(
    "podmirror_admin_connections_closed_total",
    "Connections to this server that were closed on their client, by reason.",
);
