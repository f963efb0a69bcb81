//! `/ledger`: the books of all rules as JSON, for the page in the browser, `podmirror top` and scripts.
//!
//! All counts are those since the start. Who wants rates takes differences: podmirror keeps no history.

use std::time::Duration;

use bytes::Bytes;
use mirror_core::{counters::Histogram, ledger::Ledger};
use serde::Serialize;

use super::{
    limits,
    snapshot::{DocumentsRefused, PodState, ShownMirror, ShownPod, ShownWatch, Snapshot},
};

#[derive(Serialize)]
struct Books<'a> {
    /// podmirror's version.
    version: &'static str,
    /// Since podmirror started. Less than before: it has been restarted.
    uptime_seconds: f64,
    rules: Vec<Rule<'a>>,
    rules_stopped: &'a [String],
    pods: Vec<Pod<'a>>,
    watches: Vec<Watch<'a>>,
    documents_refused: Vec<Refused<'a>>,
    unclaimed_records: u64,
    omitted: Omitted,
}

/// What there is more of than is shown.
#[derive(Serialize)]
struct Omitted {
    rules: usize,
    pods: usize,
    namespaces: usize,
}

#[derive(Serialize)]
struct Rule<'a> {
    rule: &'a str,
    attachments: u64,
    targets: Vec<Target<'a>>,
    /// v1's reply latency, as the buckets of its histogram.
    v1_latency: Buckets,
    ledger: Ledger,
}

/// What the ledger does not say of a target.
#[derive(Serialize)]
struct Target<'a> {
    /// Its name in the ledger.
    target: &'a str,
    /// Its share of the requests, 0 to 1.
    sample_ratio: f64,
    /// What it gets from here at most; `null` if that is not limited.
    cap_copies_per_second: Option<f64>,
    queued: u64,
    connections: u64,
    breaker_opened: u64,
    lag: Buckets,
    latency: Buckets,
}

#[derive(Serialize)]
struct Pod<'a> {
    rule: &'a str,
    namespace: &'a str,
    pod: &'a str,
    state: &'static str,
}

#[derive(Serialize)]
struct Watch<'a> {
    kind: &'a str,
    up: bool,
    errors: u64,
}

#[derive(Serialize)]
struct Refused<'a> {
    namespace: &'a str,
    reason: &'static str,
    count: u64,
}

/// How many durations ended in each bucket that has any: `[upper bound in ns, count]`, in order. A bucket
/// is a quarter of a doubling wide.
#[derive(Serialize)]
struct Buckets(Vec<(u64, u64)>);

/// The snapshot as one line of JSON, without the rules, pods and namespaces that metrics leave out, too.
pub(super) fn render(snapshot: &Snapshot, uptime: Duration) -> Bytes {
    let Snapshot {
        mirrors,
        rules_stopped,
        pods,
        watches,
        documents_refused,
        unclaimed_records,
    } = snapshot;
    let books = Books {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: uptime.as_secs_f64(),
        rules: mirrors.iter().take(limits::RULES).map(rule).collect(),
        rules_stopped: rules_stopped.get(..limits::RULES).unwrap_or(rules_stopped),
        pods: pods.iter().take(limits::PODS).map(pod).collect(),
        watches: watches.iter().map(watch).collect(),
        documents_refused: documents_refused
            .iter()
            .take(limits::NAMESPACES)
            .map(refused)
            .collect(),
        unclaimed_records: *unclaimed_records,
        omitted: Omitted {
            rules: mirrors.len().saturating_sub(limits::RULES),
            pods: pods.len().saturating_sub(limits::PODS),
            namespaces: documents_refused.len().saturating_sub(limits::NAMESPACES),
        },
    };
    // Nothing in it has a key that is no string: it can be written.
    serde_json::to_vec(&books).unwrap_or_default().into()
}

fn rule(mirror: &ShownMirror) -> Rule<'_> {
    let ShownMirror {
        rule,
        rates,
        cap,
        counted,
        names,
        attachments,
    } = mirror;
    let named = names.targets.iter().zip(rates).zip(&counted.targets);
    let targets = named.map(|((target, rate), counted)| Target {
        target,
        sample_ratio: rate.ratio(),
        cap_copies_per_second: *cap,
        queued: counted.queued,
        connections: counted.open,
        breaker_opened: counted.breaker_opened,
        lag: Buckets::of(&counted.lag),
        latency: Buckets::of(&counted.latency),
    });
    Rule {
        rule,
        attachments: *attachments,
        targets: targets.collect(),
        v1_latency: Buckets::of(&counted.pipeline.replies_of_v1.latency),
        ledger: mirror.ledger(),
    }
}

fn pod(pod: &ShownPod) -> Pod<'_> {
    let ShownPod {
        namespace,
        name,
        rule,
        state,
    } = pod;
    Pod {
        rule,
        namespace,
        pod: name,
        state: PodState::name(*state),
    }
}

fn watch(watch: &ShownWatch) -> Watch<'_> {
    Watch {
        kind: &watch.kind,
        up: watch.healthy,
        errors: watch.errors,
    }
}

fn refused(refused: &DocumentsRefused) -> Refused<'_> {
    Refused {
        namespace: &refused.namespace,
        reason: refused.reason,
        count: refused.count,
    }
}

impl Buckets {
    fn of(histogram: &Histogram) -> Self {
        let mut buckets = Vec::new();
        let mut below = 0;
        for end in bucket_ends() {
            let shorter = histogram.shorter_than(Duration::from_nanos(end));
            if shorter > below {
                buckets.push((end, shorter - below));
                below = shorter;
            }
        }
        let longest = u64::try_from(histogram.longest().as_nanos()).unwrap_or(u64::MAX);
        let longer = histogram.count().saturating_sub(below);
        if longer > 0 {
            buckets.push((longest, longer));
        }
        Self(buckets)
    }
}

/// The ends of a histogram's buckets from 8 us to 137 s, in ns.
fn bucket_ends() -> impl Iterator<Item = u64> {
    (13..=36).flat_map(|shift| (4..8).map(move |quarters| (quarters << shift) / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_duration_within_a_quarter() {
        let mut histogram = Histogram::default();
        let times = [3_u64, 40, 900, 1_000, 25_000, 1_000_000, 500_000_000];
        for micros in times {
            histogram.record(Duration::from_micros(micros));
        }
        let Buckets(buckets) = Buckets::of(&histogram);
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 7);
        let long = times.into_iter().filter(|micros| *micros > 8);
        for (micros, (end, _)) in long.zip(buckets.iter().skip(1)) {
            let nanos = micros * 1_000;
            assert!(
                nanos <= *end && *end <= nanos + nanos / 4,
                "{micros}: {end}"
            );
        }
        assert!(bucket_ends().is_sorted());
        assert!(Buckets::of(&Histogram::default()).0.is_empty());
    }
}
