//! From a snapshot to its page of metrics: every bucket of the ledger, and the state of pods.
//!
//! The ledger's structs are taken apart field by field, so that a new bucket without a metric does
//! not compile. What may go down is a gauge, even where it is named like a count: Prometheus takes
//! a counter that falls for a restart, and adds all of it again.

mod catalogue;
mod cluster;
mod comparison;
mod istio;

use std::collections::BTreeSet;

use mirror_core::{
    counters::{RingCounters, TargetCounters},
    ledger::{
        Connections, Ledger, Named, NotFollowed, Replies, Requests, Segments, Streams, Target,
    },
};

use catalogue as all;
use cluster::{of_documents, of_pods, of_watches};
pub use istio::IstioNames;
pub(super) use istio::render as of_istio;

use super::{
    limits,
    snapshot::{ShownMirror, Snapshot},
    text::{Family, Labels, Page},
};

/// The snapshot in Prometheus text format 0.0.4.
///
/// The number of series is bounded: 64 rules and 512 pods have their own, the others are counted in
/// `podmirror_metrics_omitted`.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    let mut page = Page::default();
    page.add(all::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let mut rules = BTreeSet::new();
    let mut omitted = 0_u64;
    for mirror in &snapshot.mirrors {
        // Twice the same series would cost the whole page.
        if rules.len() < limits::RULES && rules.insert(mirror.rule.as_str()) {
            of_mirror(&mut page, mirror);
        } else {
            omitted += 1;
        }
    }
    let stopped: BTreeSet<_> = snapshot.rules_stopped.iter().collect();
    for (number, rule) in stopped.into_iter().enumerate() {
        if number < limits::RULES {
            page.add(all::RULE_STOPPED, &[("rule", rule)], 1);
        } else {
            omitted += 1;
        }
    }
    page.add(all::UNCLAIMED_RECORDS, &[], snapshot.unclaimed_records);
    page.add(all::OMITTED, &[("of", "rules")], omitted);
    of_pods(&mut page, &snapshot.pods, &rules);
    of_watches(&mut page, &snapshot.watches);
    of_documents(&mut page, &snapshot.documents_refused);
    page.to_string()
}

/// What the server counts of its own.
pub(super) fn of_server(evicted: u64, timed_out: u64) -> String {
    let mut page = Page::default();
    page.add(all::ADMIN_CLOSED, &[("reason", "evicted")], evicted);
    page.add(all::ADMIN_CLOSED, &[("reason", "timeout")], timed_out);
    page.to_string()
}

fn of_mirror(page: &mut Page, mirror: &ShownMirror) {
    let rule = ("rule", mirror.rule.as_str());
    for (name, rate) in mirror.names.targets.iter().zip(&mirror.rates) {
        page.add(all::SAMPLE_RATIO, &[rule, ("target", name)], rate.ratio());
    }
    if let Some(cap) = mirror.cap {
        for name in &mirror.names.targets {
            page.add(all::CAP, &[rule, ("target", name)], cap);
        }
    }
    page.add(all::ATTACHMENTS, &[rule], mirror.attachments);
    let Ledger {
        segments,
        reply_segments,
        // Of capture files only.
        file: _,
        // The sums of those of the targets.
        sent_again: _,
        requests: _,
        replies: _,
        http2_requests,
        http2_most_on_a_connection,
        http2_connections_by_requests,
        connections,
        streams,
        bytes_lost,
        replies_of_v1,
        // The histogram has them.
        v1_latency_us: _,
        not_followed,
        targets,
        // Counters are read one after the other: under load they never balance to the last one.
        balanced: _,
        verdict,
    } = mirror.ledger();
    of_segments(page, rule, &segments);
    add_named(page, all::REPLY_SEGMENTS, &[rule], "what", &reply_segments);
    of_ring(page, rule, mirror.counted.ring);
    of_connections(page, rule, &connections);
    of_streams(page, rule, &streams);
    page.add(all::HTTP2_REQUESTS, &[rule], http2_requests);
    page.add(all::HTTP2_MOST, &[rule], http2_most_on_a_connection);
    let spread = &http2_connections_by_requests;
    add_named(page, all::HTTP2_SPREAD, &[rule], "requests_from", spread);
    add_named(page, all::LOST_BYTES, &[rule], "reason", &bytes_lost);
    add_named(page, all::REPLIES_OF_V1, &[rule], "status", &replies_of_v1);
    let latency = &mirror.counted.pipeline.replies_of_v1.latency;
    page.add_histogram(all::LATENCY_OF_V1, &[rule], latency);
    for (reason, passed) in &not_followed {
        of_not_followed(page, &[rule, ("reason", reason)], passed);
    }
    for (name, counters) in mirror.names.targets.iter().zip(&mirror.counted.targets) {
        of_dispatch(page, &[rule, ("target", name)], counters);
    }
    for (name, target) in &targets {
        of_target(page, &[rule, ("target", name)], target);
    }
    if let Some(report) = verdict {
        comparison::add(page, rule, &report);
    }
}

fn of_segments(page: &mut Page, rule: (&'static str, &str), segments: &Segments) {
    let Segments {
        seen,
        other_port,
        no_payload,
        // Of capture files only.
        from_server: _,
        sampled_out,
        copied,
        read,
        implausible,
        ring_full,
        refused,
        unasked,
        unparsable,
        not_tcp,
    } = segments;
    page.add(all::SEGMENTS_SEEN, &[rule], seen);
    for (outcome, count) in [
        ("other_port", other_port),
        ("no_payload", no_payload),
        ("sampled_out", sampled_out),
        ("copied", copied),
        ("ring_full", ring_full),
    ] {
        page.add(all::SEGMENTS, &[rule, ("outcome", outcome)], count);
    }
    let labels = [rule, ("outcome", "refused")];
    add_named(page, all::SEGMENTS, &labels, "reason", refused);
    page.add(all::UNASKED, &[rule], unasked);
    let labels = [rule, ("outcome", "unparsable")];
    add_named(page, all::SEGMENTS, &labels, "reason", unparsable);
    page.add(all::SEGMENTS_READ, &[rule], read);
    add_named(page, all::IMPLAUSIBLE, &[rule], "reason", implausible);
    page.add(all::NOT_TCP, &[rule], not_tcp);
}

fn of_streams(page: &mut Page, rule: (&'static str, &str), streams: &Streams) {
    let Streams {
        segments,
        bytes,
        gaps,
        closed,
    } = streams;
    add_named(page, all::STREAM_SEGMENTS, &[rule], "what", segments);
    add_named(page, all::STREAM_BYTES, &[rule], "what", bytes);
    page.add(all::STREAM_GAPS, &[rule], gaps);
    add_named(page, all::CONNECTIONS_CLOSED, &[rule], "reason", closed);
}

fn of_ring(page: &mut Page, rule: (&'static str, &str), ring: RingCounters) {
    let RingCounters {
        // In the ledger.
        read: _,
        replies: _,
        records,
        bytes,
        malformed,
    } = ring;
    page.add(all::RING_RECORDS, &[rule], records);
    page.add(all::RING_BYTES, &[rule], bytes);
    page.add(all::RING_MALFORMED, &[rule], malformed);
}

fn of_not_followed(page: &mut Page, labels: Labels<'_>, passed: &NotFollowed) {
    let NotFollowed {
        connections,
        requests_at_least,
        segments,
        bytes,
    } = passed;
    page.add(all::NOT_FOLLOWED_CONNECTIONS, labels, connections);
    page.add(all::NOT_FOLLOWED_REQUESTS, labels, requests_at_least);
    page.add(all::NOT_FOLLOWED_SEGMENTS, labels, segments);
    page.add(all::NOT_FOLLOWED_BYTES, labels, bytes);
}

fn of_connections(page: &mut Page, rule: (&'static str, &str), connections: &Connections) {
    let Connections {
        opened,
        open,
        http1,
        http2,
        http2_midstream,
        tls,
        not_http,
        upgraded,
        undecided,
        midstream,
        proxied,
        http2_lost,
        http2_out_of_step,
    } = connections;
    page.add(all::CONNECTIONS_OPENED, &[rule], opened);
    page.add(all::CONNECTIONS_OPEN, &[rule], open);
    page.add(all::CONNECTIONS_MIDSTREAM, &[rule], midstream);
    page.add(all::CONNECTIONS_PROXIED, &[rule], proxied);
    page.add(all::HTTP2_LOST, &[rule], http2_lost);
    page.add(all::HTTP2_OUT_OF_STEP, &[rule], http2_out_of_step);
    for (protocol, count) in [
        ("http1", http1),
        ("http2", http2),
        ("http2_midstream", http2_midstream),
        ("tls", tls),
        ("not_http", not_http),
        ("upgraded", upgraded),
        ("undecided", undecided),
    ] {
        page.add(all::CONNECTIONS, &[rule, ("protocol", protocol)], count);
    }
}

fn of_target(page: &mut Page, labels: &[(&'static str, &str); 2], target: &Target) {
    let Target {
        requests,
        replies,
        grpc_status,
        // Their histograms say more: see `of_dispatch`.
        lag_us: _,
        // From dispatch.
        sent_again: _,
        latency_us: _,
    } = target;
    let Requests {
        framed,
        sent,
        observed,
        filtered,
        sampled_out,
        dropped,
        pending,
    } = requests;
    let [rule, target] = *labels;
    page.add(all::REQUESTS_FRAMED, labels, framed);
    for (outcome, count) in [
        ("sent", sent),
        ("observed", observed),
        ("sampled_out", sampled_out),
    ] {
        page.add(all::REQUESTS, &[rule, target, ("outcome", outcome)], count);
    }
    for (outcome, counts) in [("filtered", filtered), ("dropped", dropped)] {
        let labels = [rule, target, ("outcome", outcome)];
        add_named(page, all::REQUESTS, &labels, "reason", counts);
    }
    page.add(all::REQUESTS_PENDING, labels, pending);
    let Replies {
        answered,
        failed,
        in_flight,
    } = replies;
    add_named(page, all::ANSWERED, labels, "status", answered);
    add_named(page, all::FAILED, labels, "reason", failed);
    page.add(all::IN_FLIGHT, labels, in_flight);
    add_named(page, all::GRPC_STATUS, labels, "status", grpc_status);
}

/// What the ledger leaves out of dispatch's counters.
fn of_dispatch(page: &mut Page, labels: Labels<'_>, counters: &TargetCounters) {
    let TargetCounters {
        queued,
        // In the ledger.
        dropped: _,
        sent: _,
        in_flight: _,
        answered: _,
        failed: _,
        grpc_status: _,
        // Where --istio-metrics says what v1 and v2 are: see `istio`.
        statuses: _,
        opened,
        open,
        held_back,
        shards,
        breaker_opened,
        avoided,
        replies_cut,
        replies_broken,
        pipelined,
        sent_again,
        lag,
        latency,
        // On the way into `latency`.
        unmeasured: _,
    } = counters;
    page.add(all::QUEUED, labels, queued);
    page.add(all::TARGET_CONNECTIONS, labels, open);
    page.add(all::TARGET_CONNECTIONS_OPENED, labels, opened);
    page.add(all::BREAKER_OPENED, labels, breaker_opened);
    page.add(all::HELD_BACK, labels, held_back_ratio(*held_back, *shards));
    page.add(all::AVOIDED, labels, avoided);
    page.add(all::REPLIES_CUT, labels, replies_cut);
    page.add(all::REPLIES_BROKEN, labels, replies_broken);
    page.add(all::PIPELINED, labels, pipelined);
    page.add(all::SENT_AGAIN, labels, sent_again);
    page.add_histogram(all::LAG, labels, lag);
    page.add_histogram(all::LATENCY, labels, latency);
}

#[expect(clippy::cast_precision_loss, reason = "both are small")]
fn held_back_ratio(of_thousand: u64, shards: u64) -> f64 {
    of_thousand as f64 / (1_000.0 * shards.max(1) as f64)
}

/// A sample for each name, which becomes the value of the last label.
fn add_named(
    page: &mut Page,
    family: Family,
    labels: Labels<'_>,
    by: &'static str,
    counts: &Named,
) {
    for (name, count) in counts {
        let labels: Vec<_> = labels
            .iter()
            .copied()
            .chain([(by, name.as_str())])
            .collect();
        page.add(family, &labels, count);
    }
}
