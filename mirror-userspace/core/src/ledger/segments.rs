//! Segments in the books: in the kernel, in the rings, and on their way to ordered bytes.

use mirror_common::{counter::Counter, packet::Unparsable};

use super::{Named, Segments, Streams, book::named};
use crate::{
    counters::{KernelCounters, RingCounters},
    stream::FlowCounters,
};

pub(super) fn segments(
    kernel: &KernelCounters,
    ring: &RingCounters,
    flow: &FlowCounters,
) -> Segments {
    let reasons = [
        (Unparsable::Truncated, "truncated"),
        (Unparsable::Malformed, "malformed"),
        (Unparsable::Fragment, "fragment"),
        (Unparsable::TooManyHeaders, "too_many_headers"),
    ];
    let KernelCounters {
        not_tcp,
        seen,
        other_port,
        no_payload,
        sampled_out,
        copied,
        ring_full,
        refused: _,
        unasked,
        unparsable: _,
    } = *kernel;
    let RingCounters {
        read,
        // Of servers: see `reply_segments`.
        replies: _,
        // Metrics show them.
        records: _,
        bytes: _,
        malformed: _,
    } = *ring;
    Segments {
        seen,
        other_port,
        no_payload,
        sampled_out,
        copied,
        read,
        implausible: named(&flow.implausible.named()),
        ring_full,
        refused: refused(kernel),
        unasked,
        unparsable: reasons
            .map(|(reason, name)| (name.to_owned(), kernel.unparsable(reason)))
            .into(),
        not_tcp,
        from_server: 0,
    }
}

pub(super) fn reply_segments(kernel: &KernelCounters, ring: &RingCounters) -> Named {
    let KernelCounters {
        seen,
        other_port,
        sampled_out,
        copied,
        ring_full,
        unparsable,
        // Counted at v1's other hook already.
        not_tcp: _,
        // What servers send is copied whatever it carries, and no socket is asked for.
        no_payload: _,
        refused: _,
        unasked: _,
    } = kernel;
    named(&[
        ("seen", *seen),
        ("other_port", *other_port),
        ("sampled_out", *sampled_out),
        ("copied", *copied),
        ("ring_full", *ring_full),
        ("unparsable", unparsable.iter().sum()),
        ("read", ring.replies),
    ])
}

fn refused(kernel: &KernelCounters) -> Named {
    const NAMES: [&str; Counter::REFUSED.len()] = [
        "no_socket",
        "listen",
        "syn_on_established",
        "window",
        "ack",
        "not_for_us",
        "mptcp",
        "forged_address",
    ];
    NAMES
        .into_iter()
        .map(str::to_owned)
        .zip(kernel.refused)
        .collect()
}

pub(super) fn streams(flow: &FlowCounters) -> Streams {
    let FlowCounters {
        // As many as were read.
        segments: _,
        queued_segments,
        // Rows of their own.
        implausible: _,
        ignored: _,
        lost: _,
        proposed,
        from_server,
        late_segments,
        unknown_segments,
        refused_segments,
        doubtful_resets,
        payload,
        delivered,
        duplicate,
        urgent,
        // The pipeline counts them, too: see `Connections`.
        opened: _,
        midstream: _,
        closed,
        gaps,
    } = flow;
    Streams {
        segments: named(&[
            ("queued", *queued_segments),
            ("proposed", *proposed),
            ("from_server", *from_server),
            ("late", *late_segments),
            ("unknown", *unknown_segments),
            ("refused", *refused_segments),
            ("doubtful_resets", *doubtful_resets),
        ]),
        bytes: named(&[
            ("handed_in", *payload),
            ("delivered", *delivered),
            ("duplicate", *duplicate),
            ("urgent", *urgent),
        ]),
        gaps: *gaps,
        closed: named(&closed.named()),
    }
}

pub(super) fn bytes_lost(flow: &FlowCounters) -> Named {
    let mut lost = named(&flow.lost.named());
    lost.insert("ignored".to_owned(), flow.ignored);
    lost
}
