//! The ledger's JSON and the page of metrics are two views of the same books: every bucket of one
//! is in the other, with the same count. A bucket without a metric fails here.

use mirror_core::{
    counters::{KernelCounters, RingCounters, TargetCounters},
    http::Lost,
    ledger::Ledger,
    pipeline::{DropReason, NotFollowed, PipelineCounters},
};
use serde_json::Value;

use super::owner::mirror;
use crate::admin::{
    ShownMirror, Snapshot, render,
    tests::exposition::{self, Page},
};

const RULE: &str = "flags";
const TARGETS: [&str; 2] = ["http://v2", "http://v3 #2"];

/// Counts that differ wherever they can, so that no two buckets can be mixed up.
fn busy_mirror() -> ShownMirror {
    let mut next = 1_000;
    let mut another = || {
        next += 1;
        next
    };
    let mut mirror = mirror(RULE, TARGETS[0]);
    mirror.names.targets = TARGETS.map(Into::into).into();
    mirror.names.rules = vec!["loop".into(), "deny-path /x".into()];
    let counted = &mut mirror.counted;
    counted.kernel = KernelCounters {
        not_tcp: another(),
        seen: another(),
        other_port: another(),
        no_payload: another(),
        sampled_out: another(),
        copied: another(),
        ring_full: another(),
        refused: std::array::from_fn(|_| another()),
        unasked: another(),
        unparsable: [another(), another(), another(), another()],
    };
    counted.kernel_replies = KernelCounters {
        seen: another(),
        other_port: another(),
        sampled_out: another(),
        copied: another(),
        ring_full: another(),
        unparsable: [another(), 0, 0, 0],
        ..KernelCounters::default()
    };
    counted.ring = RingCounters {
        read: another(),
        replies: another(),
        ..RingCounters::default()
    };
    let implausible = &mut counted.flow.implausible;
    for segments in [
        &mut implausible.sequence,
        &mut implausible.never_taken,
        &mut implausible.no_ack,
        &mut implausible.syn_flags,
        &mut implausible.acknowledgment,
    ] {
        *segments = another();
    }
    for count in [
        &mut counted.flow.queued_segments,
        &mut counted.flow.doubtful_resets,
        &mut counted.flow.delivered,
        &mut counted.flow.gaps,
    ] {
        *count = another();
    }
    let lost = &mut counted.flow.lost;
    for bytes in [
        &mut lost.gap,
        &mut lost.over_budget,
        &mut lost.cut,
        &mut lost.idle,
        &mut lost.evicted,
        &mut lost.reused,
        &mut lost.detached,
        &mut lost.shutdown,
        &mut lost.unconfirmed,
        &mut lost.conflicting,
        &mut lost.reset,
        &mut lost.after_fin,
        &mut counted.flow.ignored,
    ] {
        *bytes = another();
    }
    counted.pipeline = PipelineCounters::new(2, 2);
    let pipeline = &mut counted.pipeline;
    pipeline.requests = 100_000;
    pipeline.filtered = vec![another(), another()];
    let replies = &mut pipeline.replies_of_v1;
    for count in [
        &mut replies.answered.informational,
        &mut replies.answered.success,
        &mut replies.answered.redirection,
        &mut replies.answered.client_error,
        &mut replies.answered.server_error,
        &mut replies.unanswered,
        &mut replies.unplaced,
        &mut replies.unseen,
    ] {
        *count = another();
    }
    let passed = &mut pipeline.not_followed;
    for passed in [
        &mut passed.not_http,
        &mut passed.tls,
        &mut passed.http2,
        &mut passed.upgraded,
        &mut passed.doubt,
        &mut passed.out_of_step,
    ] {
        *passed = NotFollowed {
            connections: another(),
            requests_at_least: another(),
            segments: another(),
            bytes: another(),
        };
    }
    pipeline.http2_requests = another();
    for carried in [1, 10, 100, 1_000, 10_000, 100_000] {
        (0..=another()).for_each(|_| pipeline.http2_spread.count(carried));
    }
    let kinds = &mut pipeline.connections;
    kinds.opened = 50_000;
    for count in [
        &mut kinds.open,
        &mut kinds.midstream,
        &mut kinds.proxied,
        &mut kinds.http1,
        &mut kinds.http2,
        &mut kinds.http2_midstream,
        &mut kinds.http2_lost,
        &mut kinds.http2_out_of_step,
        &mut kinds.tls,
        &mut kinds.not_http,
        &mut kinds.upgraded,
    ] {
        *count = another();
    }
    let http = kinds.http1 + kinds.http2 + kinds.http2_midstream;
    let known = http + kinds.tls + kinds.not_http + kinds.upgraded;
    kinds.undecided = kinds.opened - known;
    counted.targets.clear();
    for (index, copies) in pipeline.targets.iter_mut().enumerate() {
        copies.sampled_out = another();
        for reason in DropReason::ALL.into_iter().take(3 + index) {
            copies.dropped.count(reason);
        }
        let mut target = TargetCounters {
            sent: another(),
            in_flight: another(),
            sent_again: another(),
            ..TargetCounters::default()
        };
        target.dropped.queue_full = another();
        target.dropped.breaker_open = another();
        target.answered.success = another();
        target.answered.server_error = another();
        target.grpc_status.ok = another();
        target.grpc_status.unavailable = another();
        target.failed.connect = another();
        target.failed.timeout = another();
        target.queued = another();
        let ended = pipeline.filtered.iter().sum::<u64>() + 1 // malformed, below
            + copies.sampled_out + copies.dropped.total()
            + target.sent + target.dropped.total();
        copies.assembling = pipeline.requests - ended - target.queued;
        counted.targets.push(target);
    }
    pipeline
        .lost_unseen
        .count(DropReason::Lost(Lost::Malformed));
    mirror
}

/// Where a bucket of the ledger has its metric.
fn metric<'a>(path: &[&'a str]) -> Option<(&'static str, Vec<(&'static str, &'a str)>)> {
    let rule = ("rule", RULE);
    let found = match *path {
        // Of capture files.
        ["segments", "from_server"] => return None,
        ["reply_segments", what] => ("reply_segments_total", vec![rule, ("what", what)]),
        ["segments", "seen"] => ("segments_seen_total", vec![rule]),
        ["segments", "read"] => ("segments_read_total", vec![rule]),
        ["segments", "unasked"] => ("segments_unasked_total", vec![rule]),
        ["segments", "not_tcp"] => ("frames_not_tcp_total", vec![rule]),
        ["segments", "implausible", reason] => {
            ("segments_implausible_total", vec![rule, ("reason", reason)])
        }
        ["segments", outcome] => ("segments_total", vec![rule, ("outcome", outcome)]),
        ["segments", outcome, reason] => (
            "segments_total",
            vec![rule, ("outcome", outcome), ("reason", reason)],
        ),
        ["connections", "open"] => ("connections_open", vec![rule]),
        ["connections", "opened"] => ("connections_opened_total", vec![rule]),
        ["connections", "midstream"] => ("connections_midstream_total", vec![rule]),
        ["connections", "proxied"] => ("connections_proxied_total", vec![rule]),
        ["connections", "http2_lost"] => ("connections_http2_lost_total", vec![rule]),
        ["connections", "http2_out_of_step"] => ("connections_http2_out_of_step_total", vec![rule]),
        ["http2_requests"] => ("http2_requests_total", vec![rule]),
        ["http2_most_on_a_connection"] => ("http2_requests_of_a_connection_max", vec![rule]),
        ["http2_connections_by_requests", from] => (
            "http2_connections_by_requests",
            vec![rule, ("requests_from", from)],
        ),
        ["connections", protocol] => ("connections", vec![rule, ("protocol", protocol)]),
        ["streams", "segments", what] => ("stream_segments_total", vec![rule, ("what", what)]),
        ["streams", "bytes", what] => ("stream_bytes_total", vec![rule, ("what", what)]),
        ["streams", "gaps"] => ("stream_gaps_total", vec![rule]),
        ["streams", "closed", reason] => {
            ("connections_closed_total", vec![rule, ("reason", reason)])
        }
        ["bytes_lost", reason] => ("lost_bytes_total", vec![rule, ("reason", reason)]),
        ["replies_of_v1", status] => ("v1_replies_total", vec![rule, ("status", status)]),
        ["v1_latency_us", _] => return None,
        ["not_followed", reason, what] => {
            let name = match what {
                "connections" => "not_followed_connections_total",
                "requests_at_least" => "not_followed_requests_at_least_total",
                "segments" => "not_followed_segments_total",
                _ => "not_followed_bytes_total",
            };
            (name, vec![rule, ("reason", reason)])
        }
        // The sums of those of the targets.
        ["requests" | "replies", ..] | ["sent_again"] => return None,
        // Histograms have them.
        ["targets", _, "lag_us" | "latency_us", _] => return None,
        ["targets", target, ref rest @ ..] => {
            let both = vec![rule, ("target", target)];
            let with = |more: &[(&'static str, &'a str)]| [&both, more].concat();
            match *rest {
                ["requests", "framed"] => ("requests_framed_total", both),
                ["requests", "pending"] => ("requests_pending", both),
                ["requests", outcome] => ("requests_total", with(&[("outcome", outcome)])),
                ["requests", outcome, reason] => (
                    "requests_total",
                    with(&[("outcome", outcome), ("reason", reason)]),
                ),
                ["grpc_status", status] => {
                    ("replies_grpc_status_total", with(&[("status", status)]))
                }
                ["sent_again"] => ("copies_sent_again_total", both),
                ["replies", "in_flight"] => ("replies_in_flight", both),
                ["replies", "answered", status] => {
                    ("replies_answered_total", with(&[("status", status)]))
                }
                ["replies", "failed", reason] => {
                    ("replies_failed_total", with(&[("reason", reason)]))
                }
                _ => panic!("a bucket that this test does not know: {path:?}"),
            }
        }
        _ => panic!("a bucket that this test does not know: {path:?}"),
    };
    Some(found)
}

/// Calls `see` with the path and count of every bucket.
fn walk<'a>(value: &'a Value, path: &mut Vec<&'a str>, see: &mut impl FnMut(&[&'a str], u64)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push(name);
                walk(value, path, see);
                path.pop();
            }
        }
        Value::Number(count) => see(path, count.as_u64().unwrap()),
        // Whether it balances.
        Value::Bool(_) => {}
        other => panic!("neither a bucket nor a group of them: {other}"),
    }
}

/// The buckets of the ledger that the page lacks or has another count of.
fn missing(ledger: &Value, page: &Page) -> Vec<String> {
    let mut missing = Vec::new();
    walk(ledger, &mut Vec::new(), &mut |path, count| {
        if let Some((name, labels)) = metric(path)
            && page.value(&format!("podmirror_{name}"), &labels) != Some(count as f64)
        {
            missing.push(path.join("/"));
        }
    });
    missing
}

#[test]
fn every_bucket_of_the_ledger_has_its_metric() {
    let mirror = busy_mirror();
    let ledger = serde_json::to_value(Ledger::new(&mirror.counted, &mirror.names)).unwrap();
    let snapshot = Snapshot {
        mirrors: vec![mirror],
        ..Snapshot::default()
    };
    let mut page = exposition::read(&render(&snapshot)).unwrap();
    assert_eq!(missing(&ledger, &page), Vec::<String>::new());

    // And the check would notice: without any one of them it complains of that one.
    let mut buckets = 0;
    walk(&ledger, &mut Vec::new(), &mut |path, _| {
        let Some((name, labels)) = metric(path) else {
            return;
        };
        buckets += 1;
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let series = (format!("podmirror_{name}"), labels.collect());
        let value = page.0.remove(&series).unwrap();
        assert_eq!(missing(&ledger, &page), [path.join("/")]);
        page.0.insert(series, value);
    });
    assert!(buckets >= 100, "{buckets}");
}

#[test]
fn the_families_add_up_as_their_help_says() {
    let mirror = busy_mirror();
    let snapshot = Snapshot {
        mirrors: vec![mirror],
        ..Snapshot::default()
    };
    let page = exposition::read(&render(&snapshot)).unwrap();
    let sum = |name: &str| -> f64 {
        let own = page.0.iter().filter(|((known, _), _)| known == name);
        own.map(|(_, value)| value).sum()
    };
    assert_eq!(
        sum("podmirror_requests_framed_total"),
        sum("podmirror_requests_total") + sum("podmirror_requests_pending")
    );
    assert_eq!(
        sum("podmirror_connections"),
        sum("podmirror_connections_opened_total")
    );
}
