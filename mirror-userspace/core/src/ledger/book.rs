//! Makes the ledger out of the stages' counters.

use std::collections::BTreeMap;

use super::{
    Connections, Ledger, Named, NotFollowed, Quantiles, Replies, Requests, Target,
    segments::{bytes_lost, reply_segments, segments, streams},
};
use crate::{
    counters::{Answered, Histogram, KernelCounters, RingCounters, TargetCounters, sum::counters},
    pipeline::{
        self, ConnectionCounters, Drops, NotFollowedBy, PipelineCounters, RepliesOfV1, TargetCopies,
    },
    stream::FlowCounters,
    verdict::{Comparison, Report, Terms},
};

counters! {
    /// Everything that was counted, by stage. Counters of stages that a run lacks (a replay has no ring) are
    /// zero.
    Counted {
        /// Segments by outcome, as the kernel program counted them.
        kernel: KernelCounters,
        /// Segments of servers by outcome, as the kernel program at the other hook counted them.
        kernel_replies: KernelCounters,
        /// Records taken out of the rings, summed over all readers.
        ring: RingCounters,
        /// Segments, bytes and connections, as reassembly counted them.
        flow: FlowCounters,
        /// Requests by fate, as the pipeline counted them.
        pipeline: PipelineCounters,
        /// What became of copies, as dispatch counted it for each target.
        targets: Vec<TargetCounters>,
        /// How requests went at a baseline and a candidate, where there are both.
        comparison: Comparison,
    }
}

/// The names of rules and targets that the ledger is printed with.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names of the filter's rules, indexed by [`FilterRuleId`](crate::policy::FilterRuleId).
    pub rules: Vec<String>,
    /// Names of the targets, indexed by [`TargetId`](crate::pipeline::TargetId).
    pub targets: Vec<String>,
    /// How a baseline and a candidate are judged, if the targets are that.
    pub terms: Option<Terms>,
}

impl Ledger {
    /// Puts all counters in the books, and says whether they balance.
    #[must_use]
    pub fn new(counted: &Counted, names: &Names) -> Self {
        let Counted {
            kernel,
            kernel_replies,
            ring,
            flow,
            pipeline,
            targets,
            comparison,
        } = counted;
        let mut ledger = Self {
            segments: segments(kernel, ring, flow),
            reply_segments: reply_segments(kernel_replies, ring),
            connections: connections(&pipeline.connections),
            streams: streams(flow),
            bytes_lost: bytes_lost(flow),
            replies_of_v1: replies_of_v1(&pipeline.replies_of_v1),
            v1_latency_us: quantiles(&pipeline.replies_of_v1.latency),
            http2_requests: pipeline.http2_requests,
            http2_most_on_a_connection: pipeline.http2_spread.most().into(),
            http2_connections_by_requests: named(&pipeline.http2_spread.named()),
            not_followed: not_followed(&pipeline.not_followed),
            ..Self::default()
        };
        let nothing = TargetCounters::default();
        let opened = pipeline.connections.opened;
        let mut stages_agree = kernel_replies.balance()
            && kernel_replies.copied == ring.replies
            && flow.opened == opened
            && flow.opened == flow.closed.total() + pipeline.connections.open;
        for (index, copies) in pipeline.targets.iter().enumerate() {
            let sent = targets.get(index).unwrap_or(&nothing);
            let target = target(pipeline, copies, sent, &names.rules);
            stages_agree &= copies.handed_over == sent.given();
            ledger.requests.add(&target.requests);
            ledger.replies.add(&target.replies);
            ledger.sent_again += target.sent_again;
            if let Some(name) = names.targets.get(index) {
                ledger.targets.insert(name.clone(), target);
            }
        }
        let report = |terms| Report::new(comparison, terms);
        ledger.verdict = names.terms.as_ref().map(report);
        ledger.balanced = ledger.balances() && stages_agree;
        ledger
    }
}

fn connections(counted: &ConnectionCounters) -> Connections {
    let ConnectionCounters {
        opened,
        open,
        midstream,
        proxied,
        http1,
        http2,
        http2_midstream,
        http2_lost,
        http2_out_of_step,
        tls,
        not_http,
        upgraded,
        undecided,
    } = *counted;
    Connections {
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
    }
}

fn replies_of_v1(counted: &RepliesOfV1) -> Named {
    let RepliesOfV1 {
        answered,
        unanswered,
        unplaced,
        unseen,
        // See `Ledger::new`.
        latency: _,
    } = counted;
    let mut replies = by_status(answered);
    replies.extend(named(&[
        ("unanswered_by_v1", *unanswered),
        ("unplaced", *unplaced),
        ("unseen", *unseen),
    ]));
    replies
}

fn not_followed(counted: &NotFollowedBy) -> BTreeMap<String, NotFollowed> {
    let all = counted.named().map(|(reason, counted)| {
        let pipeline::NotFollowed {
            connections,
            requests_at_least,
            segments,
            bytes,
        } = counted;
        let books = NotFollowed {
            connections,
            requests_at_least,
            segments,
            bytes,
        };
        (reason.to_owned(), books)
    });
    all.into()
}

fn target(
    pipeline: &PipelineCounters,
    copies: &TargetCopies,
    sent: &TargetCounters,
    rules: &[String],
) -> Target {
    let PipelineCounters {
        requests: framed,
        filtered,
        lost_unseen,
        observed,
        // Each target with its copies, and connections: see `Ledger::new`.
        http2_requests: _,
        http2_spread: _,
        targets: _,
        connections: _,
        not_followed: _,
        replies_of_v1: _,
    } = pipeline;
    let TargetCopies {
        sampled_out,
        dropped: lost,
        // Part of what was given to dispatch: see `Ledger::new`.
        handed_over: _,
        assembling,
    } = copies;
    let TargetCounters {
        queued,
        dropped,
        sent,
        in_flight,
        answered,
        failed,
        grpc_status,
        sent_again,
        lag,
        latency,
        // Of connections and addresses: metrics show them.
        opened: _,
        open: _,
        held_back: _,
        shards: _,
        breaker_opened: _,
        avoided: _,
        replies_cut: _,
        replies_broken: _,
        pipelined: _,
        // Of `--istio-metrics`.
        statuses: _,
        // On the way into `latency`.
        unmeasured: _,
    } = sent;
    let mut requests = Requests {
        framed: *framed,
        sent: *sent,
        observed: *observed,
        sampled_out: *sampled_out,
        pending: assembling + queued,
        ..Requests::default()
    };
    for (rule, count) in rules.iter().zip(filtered) {
        requests.filtered.insert(rule.clone(), *count);
    }
    add_drops(&mut requests.dropped, lost_unseen);
    add_drops(&mut requests.dropped, lost);
    add(&mut requests.dropped, &named(&dropped.named()));
    Target {
        requests,
        replies: Replies {
            answered: by_status(answered),
            failed: named(&failed.named()),
            in_flight: *in_flight,
        },
        grpc_status: seen(&grpc_status.named()),
        sent_again: *sent_again,
        lag_us: quantiles(lag),
        latency_us: quantiles(latency),
    }
}

fn by_status(answered: &Answered) -> Named {
    let Answered {
        informational,
        success,
        redirection,
        client_error,
        server_error,
    } = *answered;
    named(&[
        ("1xx", informational),
        ("2xx", success),
        ("3xx", redirection),
        ("4xx", client_error),
        ("5xx", server_error),
    ])
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

pub(super) fn named(counts: &[(&str, u64)]) -> Named {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

/// Those that were counted at all.
fn seen(counts: &[(&str, u64)]) -> Named {
    let mut seen = named(counts);
    seen.retain(|_, count| *count > 0);
    seen
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
