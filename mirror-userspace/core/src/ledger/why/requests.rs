//! Reasons for requests and replies.

use super::{Reason, Row};

pub(super) const NOT_FOLLOWED: Row = Row {
    path: "not_followed",
    counts: "Connections on which something passed unread, with how many requests there were at least.",
    reasons: &[
        Reason {
            name: "not_http",
            what: "The connection carries another protocol.",
            helps: "Leave the port out (`--port`).",
        },
        Reason {
            name: "tls",
            what: "The connection is encrypted.",
            helps: "Mirror where TLS has ended, such as between the ingress and the service.",
        },
        Reason {
            name: "http2",
            what: "The connection carries HTTP/2, and its beginning was not captured, or it is followed no longer. Its requests are counted in `requests.dropped`.",
            helps: "New connections: see `before_attach`.",
        },
        Reason {
            name: "upgraded",
            what: "The connection left HTTP/1 by Upgrade or CONNECT, such as for WebSocket.",
            helps: "Nothing: what it carries is no request.",
        },
        Reason {
            name: "doubt",
            what: "Nobody can say for certain where the next request begins.",
            helps: "`--replies on` finds a boundary sooner. [SMUGGLING.md](SMUGGLING.md) lists what causes doubt.",
        },
        Reason {
            name: "out_of_step",
            what: "The connection was picked up in the middle, or bytes were missing, and no request has begun since for certain.",
            helps: "Nothing at the start; later on see `ring_full`.",
        },
    ],
};

pub(super) const NOT_WANTED: Row = Row {
    path: "requests",
    counts: "Requests that were read whole and that nobody wanted. Those of `requests.filtered` have the names of the filters.",
    reasons: &[Reason {
        name: "sampled_out",
        what: "The request is not in the target's sample.",
        helps: "`--sample-rate`, or `podmirror set sample-rate`, if more is wanted.",
    }],
};

pub(super) const DROPPED: Row = Row {
    path: "requests.dropped",
    counts: "Requests that were wanted, and of which no copy was sent.",
    reasons: &[
        Reason {
            name: "gap",
            what: "Bytes of it are missing from the capture.",
            helps: "See `ring_full`; if that is 0, packets pass v1 on another way than the interface that is mirrored.",
        },
        Reason {
            name: "reset",
            what: "The client aborted the connection in the middle of it.",
            helps: "Nothing: v1 did not get it whole either.",
        },
        Reason {
            name: "truncated",
            what: "The connection ended in the middle of it.",
            helps: "Nothing: v1 did not get it whole either.",
        },
        Reason {
            name: "idle",
            what: "It stood still for the idle time-out.",
            helps: "`--idle-timeout`, if clients pause for longer.",
        },
        Reason {
            name: "evicted",
            what: "Its connection made room for others.",
            helps: "More connections (`--max-connections`) or memory (`--max-memory`).",
        },
        Reason {
            name: "detached",
            what: "The interface was let go of in the middle of it.",
            helps: "Nothing: the pod ended, or was deselected.",
        },
        Reason {
            name: "shutdown",
            what: "The mirror stopped before it was complete, or before its turn came.",
            helps: "`--drain` gives copies that wait more time.",
        },
        Reason {
            name: "ambiguous",
            what: "Two servers could disagree about where it ends (RFC 9112 section 11.2).",
            helps: "Mend the client; sent on, it could smuggle a request. [SMUGGLING.md](SMUGGLING.md) has the rules.",
        },
        Reason {
            name: "malformed",
            what: "It breaks the grammar of HTTP.",
            helps: "Mend the client: v1 refuses it, too, or should.",
        },
        Reason {
            name: "too_large",
            what: "Its head, a chunk extension or its trailers are over their limit.",
            helps: "`--max-head` and `--max-fields`, if v1 takes such heads.",
        },
        Reason {
            name: "refused_by_v1",
            what: "v1 refused it (in HTTP/2 by REFUSED_STREAM or GOAWAY), or did not read it: it stands behind a reply with which v1 closed the connection.",
            helps: "Nothing: v1 did not take it either. What its client sends again is mirrored.",
        },
        Reason {
            name: "over_budget",
            what: "There was no memory left to keep it.",
            helps: "More memory (`--max-memory`), or a smaller `--max-body`, so that large bodies are sent while they arrive.",
        },
        Reason {
            name: "record_failed",
            what: "It could not be written to the recording.",
            helps: "The log says why; mostly, the disk is full.",
        },
        Reason {
            name: "before_attach",
            what: "HTTP/2: it is on a connection whose beginning was not captured. Later heads refer to earlier ones, so it cannot be read.",
            helps: "New connections: restart the clients, or let v1 end connections now and then (gRPC's `MAX_CONNECTION_AGE`, nginx's `keepalive_requests`).",
        },
        Reason {
            name: "connect",
            what: "HTTP/2: CONNECT, of WebSocket for example: what follows is no request.",
            helps: "Nothing.",
        },
        Reason {
            name: "too_many_streams",
            what: "HTTP/2: more requests of its connection were open than are followed.",
            helps: "Nothing: v1 allows fewer, mostly. The client may be an attacker.",
        },
        Reason {
            name: "http2_framing",
            what: "HTTP/2: its connection broke a rule of frames, so that nothing behind can be trusted.",
            helps: "Mend the client: v1 ends the connection, too.",
        },
        Reason {
            name: "http2_compression",
            what: "HTTP/2: a header block of its connection did not decode.",
            helps: "Mend the client: v1 ends the connection, too.",
        },
        Reason {
            name: "http2_table_size",
            what: "HTTP/2: its client's table of header fields is larger than 64 KiB.",
            helps: "Let v1 announce a smaller one (SETTINGS_HEADER_TABLE_SIZE).",
        },
        Reason {
            name: "http2_header_block",
            what: "HTTP/2: a header block of its connection was over the limit, or came in too many frames.",
            helps: "Smaller heads. It looks like an attack (a flood of CONTINUATION).",
        },
        Reason {
            name: "queue_full",
            what: "Too many copies were waiting for a connection to v2.",
            helps: "More connections (`--target-connections`), pipelining (`--pipeline`), a longer queue (`--queue`), a lower rate, or a faster v2.",
        },
        Reason {
            name: "breaker_open",
            what: "v2 kept failing, and was left alone for a while.",
            helps: "See `replies.failed` for how it failed.",
        },
        Reason {
            name: "max_rps",
            what: "It was above `--max-rps`.",
            helps: "Raise `--max-rps`, or lower `--sample-rate`, which chooses whole connections.",
        },
        Reason {
            name: "backing_off",
            what: "v2 answered 429 or 503 (in gRPC RESOURCE_EXHAUSTED or UNAVAILABLE), or its latency had doubled, so less was sent, to see whether that helps and while it does: a part of the copies was held back, chosen by a hash of the request.",
            helps: "A larger v2, a lower `--sample-rate`, or `--max-rps`. `--back-off off`, or `limits.backOff: false` of a TrafficMirror, sends all the same.",
        },
        Reason {
            name: "stream_overflow",
            what: "More of a large body came than may wait for v2 to read.",
            helps: "A larger `--stream-window`, or a faster v2.",
        },
        Reason {
            name: "aborted",
            what: "The client's request broke off while the copy waited.",
            helps: "Nothing: v1 did not get it whole either.",
        },
        Reason {
            name: "cancelled",
            what: "HTTP/2: the client gave the reply up while the copy waited.",
            helps: "Nothing: v1 was told the same.",
        },
        Reason {
            name: "no_endpoint",
            what: "The target's Service, or selector, had no ready endpoint for longer than copies wait.",
            helps: "Are v2's pods ready? `kubectl get endpointslices` says so.",
        },
    ],
};

pub(super) const FAILED: Row = Row {
    path: "replies.failed",
    counts: "Copies that were given to a connection and got no reply.",
    reasons: &[
        Reason {
            name: "connect",
            what: "v2 refused the connection, or did not answer within `--connect-timeout`.",
            helps: "Is v2 up, and does the target name its port?",
        },
        Reason {
            name: "tls",
            what: "TLS did not come about; mostly, v2's certificate is not trusted.",
            helps: "`--target-ca`. The log says what was wrong with the certificate.",
        },
        Reason {
            name: "no_route",
            what: "There is no route to the address, or its host is not there.",
            helps: "Is the address one that this node can reach? A NetworkPolicy may be in the way.",
        },
        Reason {
            name: "unresolved",
            what: "The target's name has no address.",
            helps: "Is the name right as seen from the node? In clusters, name the Service (`svc:`).",
        },
        Reason {
            name: "local",
            what: "Something of podmirror's own was wanting: open files, memory, ports, permission.",
            helps: "The log says which; mostly, `RLIMIT_NOFILE` is too low.",
        },
        Reason {
            name: "target_refused",
            what: "A document named the target, and its address is one that documents may not have.",
            helps: "Name a Service in the document's namespace; who runs the agent may allow more (SECURITY.md).",
        },
        Reason {
            name: "timeout",
            what: "v2 did not read the copy, or the head of its reply did not come, within `--reply-timeout`.",
            helps: "Look at v2; raise `--reply-timeout` if it may take that long.",
        },
        Reason {
            name: "reset",
            what: "v2 closed the connection before the head of its reply.",
            helps: "Look at v2's log. `--retry idempotent` sends again what met a connection as it closed.",
        },
        Reason {
            name: "bad_reply",
            what: "What came is no HTTP reply, or its head is over the limit.",
            helps: "Does the target name a port that speaks HTTP?",
        },
        Reason {
            name: "no_http2",
            what: "The request came in HTTP/2, and v2 does not speak it.",
            helps: "Switch HTTP/2 on at v2; an `https` target has to offer `h2` (ALPN).",
        },
        Reason {
            name: "refused",
            what: "v2 said that it did not take the copy (REFUSED_STREAM or GOAWAY of HTTP/2), too often.",
            helps: "Look at v2: is it ending, or are there fewer streams allowed than it needs?",
        },
        Reason {
            name: "stream_reset",
            what: "v2 reset the copy's stream of HTTP/2 before the head of its reply.",
            helps: "Look at v2's log.",
        },
        Reason {
            name: "cancelled",
            what: "The client of an HTTP/2 request gave the reply up, and v2 was told so.",
            helps: "Nothing: v1 was told the same. Many say that v2 takes longer than clients wait.",
        },
        Reason {
            name: "refused_by_v1",
            what: "v1 said that it has not taken a request of HTTP/2 (REFUSED_STREAM or GOAWAY) while its copy was under way, which was reset.",
            helps: "Nothing: what its client sends again is mirrored. Many say that v1 allows fewer streams than its clients want.",
        },
        Reason {
            name: "aborted",
            what: "The client's request broke off while the copy was being sent.",
            helps: "Nothing: v1 did not get it whole either.",
        },
        Reason {
            name: "stream_overflow",
            what: "More of a large body came than may wait: v2 reads too slowly.",
            helps: "A larger `--stream-window`, or a faster v2.",
        },
        Reason {
            name: "shutdown",
            what: "The mirror stopped before the reply was there.",
            helps: "`--drain` gives copies more time.",
        },
    ],
};
