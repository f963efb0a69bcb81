//! Makes the ledger out of the stages' counters.

use std::ops::AddAssign;

use mirror_common::packet::Unparsable;

use super::{Connections, Ledger, Named, Quantiles, Replies, Requests, Segments, Target};
use crate::{
    counters::{Histogram, KernelCounters, RingCounters, TargetCounters},
    pipeline::{ConnectionCounters, Drops, PipelineCounters, TargetCopies},
    stream::FlowCounters,
};

/// Everything that was counted, by stage. Counters of stages that a run lacks (a replay has no ring) are
/// zero.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Segments by outcome, as the kernel program counted them.
    pub kernel: KernelCounters,
    /// Records taken out of the rings, summed over all readers.
    pub ring: RingCounters,
    /// Segments, bytes and connections, as reassembly counted them.
    pub flow: FlowCounters,
    /// Requests by fate, as the pipeline counted them.
    pub pipeline: PipelineCounters,
    /// What became of copies, as dispatch counted it for each target.
    pub targets: Vec<TargetCounters>,
}

impl AddAssign<&Self> for Counted {
    fn add_assign(&mut self, other: &Self) {
        self.kernel += other.kernel;
        self.ring += other.ring;
        self.flow += other.flow;
        self.pipeline += &other.pipeline;
        self.targets.resize(
            self.targets.len().max(other.targets.len()),
            TargetCounters::default(),
        );
        for (target, more) in self.targets.iter_mut().zip(&other.targets) {
            *target += more;
        }
    }
}

/// The names of rules and targets that the ledger is printed with.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names of the filter's rules, indexed by [`RuleId`](crate::policy::RuleId).
    pub rules: Vec<String>,
    /// Names of the targets, indexed by [`TargetId`](crate::pipeline::TargetId).
    pub targets: Vec<String>,
}

impl Ledger {
    /// Puts all counters in the books, and says whether they balance.
    #[must_use]
    pub fn new(counted: &Counted, names: &Names) -> Self {
        let mut ledger = Self {
            segments: segments(&counted.kernel, &counted.ring),
            connections: connections(&counted.pipeline.connections),
            bytes_lost: bytes_lost(&counted.flow),
            ..Self::default()
        };
        let nothing = TargetCounters::default();
        let mut stages_agree = counted.flow.opened == counted.pipeline.connections.opened;
        for (index, copies) in counted.pipeline.targets.iter().enumerate() {
            let sent = counted.targets.get(index).unwrap_or(&nothing);
            let target = target(&counted.pipeline, copies, sent, &names.rules);
            stages_agree &= copies.handed_over == sent.given();
            ledger.requests.add(&target.requests);
            ledger.replies.add(&target.replies);
            if let Some(name) = names.targets.get(index) {
                ledger.targets.insert(name.clone(), target);
            }
        }
        ledger.balanced = ledger.balances() && stages_agree;
        ledger
    }
}

fn segments(kernel: &KernelCounters, ring: &RingCounters) -> Segments {
    let reasons = [
        (Unparsable::Truncated, "truncated"),
        (Unparsable::Malformed, "malformed"),
        (Unparsable::Fragment, "fragment"),
        (Unparsable::TooManyHeaders, "too_many_headers"),
    ];
    Segments {
        seen: kernel.seen,
        other_port: kernel.other_port,
        no_payload: kernel.no_payload,
        sampled_out: kernel.sampled_out,
        copied: kernel.copied,
        read: ring.read,
        ring_full: kernel.ring_full,
        unparsable: reasons
            .map(|(reason, name)| (name.to_owned(), kernel.unparsable(reason)))
            .into(),
        not_tcp: kernel.not_tcp,
        from_server: 0,
    }
}

fn connections(counted: &ConnectionCounters) -> Connections {
    Connections {
        opened: counted.opened,
        http1: counted.http1,
        http2: counted.http2,
        tls: counted.tls,
        not_http: counted.not_http,
        upgraded: counted.upgraded,
        undecided: counted.undecided(),
        midstream: counted.midstream,
    }
}

fn bytes_lost(flow: &FlowCounters) -> Named {
    named(&[
        ("gap", flow.lost.gap),
        ("over_budget", flow.lost.over_budget),
        ("cut", flow.lost.cut),
        ("idle", flow.lost.idle),
        ("evicted", flow.lost.evicted),
        ("reused", flow.lost.reused),
        ("detached", flow.lost.detached),
        ("shutdown", flow.lost.shutdown),
        ("reset", flow.lost.reset),
        ("after_fin", flow.lost.after_fin),
        ("ignored", flow.ignored),
    ])
}

fn target(
    pipeline: &PipelineCounters,
    copies: &TargetCopies,
    sent: &TargetCounters,
    rules: &[String],
) -> Target {
    let mut requests = Requests {
        framed: pipeline.requests,
        sent: sent.sent,
        observed: pipeline.observed,
        sampled_out: copies.sampled_out,
        ..Requests::default()
    };
    for (rule, count) in rules.iter().zip(&pipeline.filtered) {
        requests.filtered.insert(rule.clone(), *count);
    }
    add_drops(&mut requests.dropped, &pipeline.lost_unseen);
    add_drops(&mut requests.dropped, &copies.dropped);
    add(&mut requests.dropped, &named(&sent.dropped.named()));
    // What has not ended is being collected or waits. If a copy were counted twice, this would stay 0 and
    // the row would not add up.
    requests.pending = requests.framed.saturating_sub(requests.ended());
    Target {
        requests,
        replies: Replies {
            answered: [("1xx", 0), ("2xx", 1), ("3xx", 2), ("4xx", 3), ("5xx", 4)]
                .map(|(class, index)| {
                    (
                        class.to_owned(),
                        sent.answered.named().get(index).map_or(0, |(_, n)| *n),
                    )
                })
                .into(),
            failed: named(&sent.failed.named()),
            in_flight: sent.in_flight,
        },
        lag_us: quantiles(&sent.lag),
        latency_us: quantiles(&sent.latency),
    }
}

fn quantiles(histogram: &Histogram) -> Quantiles {
    let us = |q| {
        histogram
            .quantile(q)
            .map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
    };
    Quantiles {
        p50: us(0.5),
        p99: us(0.99),
        max: us(1.0),
    }
}

fn named(counts: &[(&str, u64)]) -> Named {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn add_drops(to: &mut Named, drops: &Drops) {
    for (reason, count) in drops.iter() {
        *to.entry(reason.name().to_owned()).or_default() += count;
    }
}

/// Adds count by count.
fn add(to: &mut Named, more: &Named) {
    for (name, count) in more {
        *to.entry(name.clone()).or_default() += count;
    }
}

impl Requests {
    fn add(&mut self, other: &Self) {
        self.framed += other.framed;
        self.sent += other.sent;
        self.observed += other.observed;
        add(&mut self.filtered, &other.filtered);
        self.sampled_out += other.sampled_out;
        add(&mut self.dropped, &other.dropped);
        self.pending += other.pending;
    }
}

impl Replies {
    fn add(&mut self, other: &Self) {
        add(&mut self.answered, &other.answered);
        add(&mut self.failed, &other.failed);
        self.in_flight += other.in_flight;
    }
}
