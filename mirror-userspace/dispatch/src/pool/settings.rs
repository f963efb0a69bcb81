//! What a pool is told.

use std::{net::SocketAddr, time::Duration};

use super::breaker;
use crate::wire::h1::reply;

/// How copies of one client connection relate at a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// In their order: the next is sent after the reply to the one before, or behind it on the same connection
    /// ([`Pipelining`]). In HTTP/2 they are sent in order on one
    /// connection, as long as it takes more, and none waits for a reply.
    #[default]
    Connection,
    /// They overlap and may overtake each other.
    None,
}

/// How many copies in HTTP/1 are written on a connection before the first reply (RFC 9112 section 9.3.2): only such as are
/// held whole and have idempotent methods, and one more at a time than the connection has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipelining {
    /// At most so many, 1 being none before the reply to the one before.
    UpTo(usize),
    /// As many as each endpoint has shown to take, at most 64, and only such as have safe methods. One by one with [`Retry::Never`], and where two targets are
    /// compared, whose latency would show it.
    Auto,
}

/// Which copies are sent a second time, if a connection closes before the first byte of their reply.
///
/// Without any being sent again, a copy that meets a connection just as the target closes it is lost:
/// targets do so when they like. It is sent again at most once, on a connection that is new if there may
/// be one more; and only if the connection had answered another copy before, or had said that it takes no
/// more (RFC 9112 section 9.6). Bytes of a streamed copy are not kept for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// None: each copy is sent at most once.
    Never,
    /// Those with an idempotent method (RFC 9110 section 9.2.2). In HTTP/2 also those that the target says it did
    /// not take (RFC 9113 section 8.7), whatever their method, up to 64 times.
    #[default]
    Idempotent,
}

/// The limits and rules of a pool: what [`DispatchConfig`](crate::DispatchConfig) says, without what is the shell's.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "each is the field of that name of the dispatcher's configuration"
)]
pub struct Settings {
    pub order: Order,
    pub connections: usize,
    pub pipelining: Pipelining,
    pub retry: Retry,
    pub queue: usize,
    pub max_rps: Option<f64>,
    pub back_off: bool,
    pub stream_window: usize,
    pub reply_timeout: Duration,
    pub reply_body_timeout: Duration,
    pub idle_timeout: Duration,
    pub resolve_every: Duration,
    pub endpoint_wait: Duration,
    pub reply: reply::Limits,
    pub breaker: breaker::Limits,
    pub avoid: breaker::Limits,
    pub seed: u64,
    pub keep_lost: usize,
}

/// How the addresses of a target come to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There is one, and the user wrote it.
    Written(SocketAddr),
    /// The name is resolved: [`Action::Resolve`](super::Action::Resolve).
    Name,
    /// Somebody says them when they change: [`Pool::set_addresses`](super::Pool::set_addresses).
    Told,
}
