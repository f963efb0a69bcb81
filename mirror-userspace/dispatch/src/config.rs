//! What re-sending is told: plain data, the same for every shard.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

#[cfg(doc)]
use mirror_core::counters::TargetCounters;
use mirror_core::{http, policy::PathPattern};
use rustls::ClientConfig;

use super::{
    breaker,
    cap::SharedCap,
    compare::ContentRules,
    guard::Guard,
    pool::{Order, Pipelining, Retry, Settings},
    shell::{congestion::CongestionControl, trouble::Said},
    wire::h1::reply,
};

/// The limits of re-sending. All of them are for each target in each shard.
#[derive(Clone, Debug)]
pub struct DispatchConfig {
    /// How copies of one client connection relate. Default: [`Order::Connection`].
    pub order: Order,
    /// Most open connections. Default: 64. In HTTP/2 each carries as many copies as the target allows, at most
    /// 256, and another one is opened when all to an address are full.
    pub connections: usize,
    /// Most copies in flight on one connection in HTTP/1. Default: [`Pipelining::Auto`].
    pub pipelining: Pipelining,
    /// Which copies are sent once more when a connection that had answered others closes before a byte
    /// of the reply; and whether those are that a target says it did not take (GOAWAY and REFUSED_STREAM of
    /// HTTP/2), up to 64 times. Default: [`Retry::Idempotent`].
    pub retry: Retry,
    /// Most copies that wait for a connection or for their turn; beyond that, new copies are dropped.
    /// Their bytes are bounded by the shard's budget. Default: 10 000.
    pub queue: usize,
    /// Most copies per second, of which each shard sends its part; beyond that, new copies are dropped. Default: no limit.
    pub max_rps: Option<SharedCap>,
    /// Whether a target that answers 429 or 503 (in gRPC RESOURCE_EXHAUSTED or UNAVAILABLE), or whose latency doubles, gets
    /// less, if that helps. Default: no.
    pub back_off: bool,
    /// Most bytes of one streamed copy that may wait to be written; beyond that, the copy is aborted.
    /// Default: 16 MiB.
    pub stream_window: usize,
    /// TCP congestion control towards targets. Default: CUBIC, where the kernel allows it.
    pub congestion_control: CongestionControl,
    /// How long connecting may take, including the TLS handshake. Default: 1 s.
    pub connect_timeout: Duration,
    /// How long a target may go without reading anything of a copy, and then how long the head of the
    /// reply may take once the copy is written. Only as precise as the calls of
    /// [`tick`](super::Dispatcher::tick). Default: 5 s.
    pub reply_timeout: Duration,
    /// How long the body of a reply may go on after its head, with which its copy is answered; in HTTP/2, after
    /// the copy is written. Then the connection is closed, or the stream reset, and counted as a
    /// [cut reply](TargetCounters::replies_cut). Default: 5 s.
    pub reply_body_timeout: Duration,
    /// How long a connection is kept without a copy to send. Default: 30 s.
    pub idle_timeout: Duration,
    /// How often a name is resolved again. Default: 30 s.
    pub resolve_every: Duration,
    /// How long copies wait for a service or selector to have a ready endpoint; then they are
    /// dropped until it has one. Default: 5 s.
    pub endpoint_wait: Duration,
    /// How long [`shutdown`](super::Dispatcher::shutdown) waits for copies in flight. Default: 5 s.
    pub drain_timeout: Duration,
    /// Most bytes of a reply's heads, interim replies included; in HTTP/2 of each field list, by the measure of
    /// RFC 9113 section 6.5.2. Default: 64 KiB.
    pub reply_head: usize,
    /// Most bytes of a reply's body that are read to keep the connection. A longer reply counts as
    /// answered, but its connection is closed; in HTTP/2 only its stream. Default: 16 MiB.
    pub reply_body: u64,
    /// When a failing target is left alone, and for how long. Default: [`breaker::Limits`]'s own.
    pub breaker: breaker::Limits,
    /// When a failing address is avoided while the target has others, and for how long. Default: after one
    /// failure, for 1 s at first and at most 30 s.
    pub avoid: breaker::Limits,
    /// Which addresses the targets of documents may not have. Default: those that are special, and
    /// none of our own, which somebody must say how to read.
    pub guard: Guard,
    /// How many losses are wanted of [`poll_lost`](super::Dispatcher::poll_lost), and of each reason in a second.
    /// Default: none.
    pub keep_lost: usize,
    /// What the choice between addresses is drawn from. Default: another one for each dispatcher.
    pub seed: Option<u64>,
    /// What was said in the log of connections that did not come about: clones share it, so that it is said
    /// once for all shards.
    pub said: Said,
    /// Whether v1's own answers are the baseline of a comparison. Default: no.
    pub compare_v1: bool,
    /// Whether the PROXY headers of clients' connections are sent on, each on a connection of its own for each copy.
    /// The pipeline does it. Default: no.
    pub proxy_protocol: bool,
    /// By which paths the requests of a comparison are grouped: the first that matches. Default: none,
    /// by the first part of their path.
    pub groups: Vec<PathPattern>,
    /// What of the replies of two targets is compared, and how. Default: heads and bodies of a tenth.
    pub contents: ContentRules,
    /// Whom to trust; from [`tls::client_config`](super::tls::client_config). Needed if a target is
    /// https. Default: nobody.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Default for DispatchConfig {
    fn default() -> Self {
        Self {
            order: Order::Connection,
            connections: 64,
            pipelining: Pipelining::Auto,
            retry: Retry::Idempotent,
            queue: 10_000,
            max_rps: None,
            back_off: false,
            stream_window: 16 << 20,
            congestion_control: CongestionControl::default(),
            connect_timeout: Duration::from_secs(1),
            reply_timeout: Duration::from_secs(5),
            reply_body_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            resolve_every: Duration::from_secs(30),
            endpoint_wait: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(5),
            reply_head: http::Limits::DEFAULT.head,
            reply_body: 16 << 20,
            breaker: breaker::Limits::default(),
            avoid: breaker::Limits {
                failures: 1,
                first_wait: Duration::from_secs(1),
                longest_wait: Duration::from_secs(30),
            },
            guard: Guard::default(),
            keep_lost: 0,
            seed: None,
            said: Said::default(),
            compare_v1: false,
            proxy_protocol: false,
            groups: Vec::new(),
            contents: ContentRules::default(),
            tls: None,
        }
    }
}

impl From<&DispatchConfig> for Settings {
    fn from(config: &DispatchConfig) -> Self {
        Self {
            order: config.order,
            connections: config.connections.max(1),
            pipelining: config.pipelining,
            retry: config.retry,
            queue: config.queue,
            max_rps: config.max_rps.map(SharedCap::of_shard),
            back_off: config.back_off,
            stream_window: config.stream_window,
            reply_timeout: config.reply_timeout,
            reply_body_timeout: config.reply_body_timeout,
            idle_timeout: config.idle_timeout,
            resolve_every: config.resolve_every,
            endpoint_wait: config.endpoint_wait,
            reply: reply::Limits {
                head: config.reply_head,
                fields: http::Limits::DEFAULT.fields,
                body: config.reply_body,
            },
            breaker: config.breaker,
            avoid: config.avoid,
            seed: config.seed.unwrap_or_else(seed),
            keep_lost: config.keep_lost,
        }
    }
}

/// A different seed each time: shards must not all make the same choices.
fn seed() -> u64 {
    RandomState::new().hash_one(0_u8)
}
