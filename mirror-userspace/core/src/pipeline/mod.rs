//! Joins stream, http and policy behind `handle_*` and `poll_*`: segments in, copies of requests out.
//!
//! ```text
//! handle_segment ─► stream ─► http ─► policy ─► Assembly ─► poll_output
//!                   bytes     heads,  filter,   whole body  copies, or the
//!                   in order  bodies  sample    or streamed chunks of a streamed one
//! ```
//!
//! The pipeline does no I/O and reads no clock, so live capture, capture files, tests, fuzzers and
//! benchmarks drive the very same code. It never waits: what cannot be kept within the [`Budget`]
//! is dropped whole and counted.

mod assembly;
mod blocks;
mod body;
mod carried;
mod connection;
mod context;
mod copies;
mod counters;
mod drops;
mod http2;
mod lost;
mod manner;
mod not_followed;
mod observer;
mod output;
mod patience;
mod replies;
mod ring;
#[cfg(test)]
mod tests;

pub use counters::{ConnectionCounters, PipelineCounters, RepliesOfV1, TargetCopies};
pub use drops::{DropReason, Drops};
pub use lost::{LostCopy, next_number, request_line};
pub use not_followed::{NotFollowed, NotFollowedBy};
pub use observer::{NotKept, Observer, RequestInfo};
pub use output::{
    ConnectionId, CopyId, Effect, Expect, GivenUp, MirrorCopy, Output, Persistence, RequestKey,
    Rest, SaidByV1, TargetId, Wire,
};

use assembly::{Assembly, Sending};
use connection::Connection;

use crate::{
    budget::{Budget, Pool},
    http,
    lost::{KeepLost, Kept},
    policy::Policy,
    segment::{Segment, Time},
    stream::{self, FlowTable},
};

/// The limits of one pipeline. With several shards each has its own pipeline and its own share.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of memory for everything that is kept for later (default 256 MiB). At most an eighth of it goes
    /// to connections, an eighth to the tables and streams of those of HTTP/2, a quarter to data behind missing
    /// bytes, and three eighths to unfinished heads and bodies, so that some is left for complete requests, whatever
    /// clients do. Free blocks, which the next
    /// large bodies reuse, may take another 1/32.
    pub memory: usize,
    /// What it shares with the pipelines of others, besides (default: nothing).
    pub pool: Option<Pool>,
    /// Limits on connections, and on data behind missing bytes.
    pub flow: stream::Limits,
    /// Limits on heads, chunk lines and trailers.
    pub http: http::Limits,
    /// The largest body, in bytes, that is held until it is complete (default 1 MiB); a larger one
    /// is streamed to the target while it arrives.
    pub max_body: usize,
    /// What is kept of losses (default nothing), within 1/64 of the memory.
    pub keep_lost: KeepLost,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            pool: None,
            flow: stream::Limits::default(),
            http: http::Limits::default(),
            max_body: 1 << 20,
            keep_lost: KeepLost::default(),
        }
    }
}

/// All that one shard does between capture and dispatch: segments in, [`Output`]s out.
pub struct Pipeline {
    table: FlowTable<Connection>,
    assembly: Assembly,
    budget: Budget,
}

impl Pipeline {
    /// A pipeline that decides by `policy` within `limits`.
    #[must_use]
    pub fn new(limits: Limits, policy: Policy) -> Self {
        let budget = match limits.pool {
            Some(pool) => Budget::of_pool(limits.memory, pool),
            None => Budget::new(limits.memory),
        };
        let mut assembly = Assembly::new(policy, limits.http, limits.max_body, budget.clone());
        assembly.lost = lost::Lost::new(limits.keep_lost, &budget);
        Self {
            table: FlowTable::new(limits.flow, budget.clone()),
            assembly,
            budget,
        }
    }

    /// A pipeline that sends nothing and keeps no bodies: requests that `policy` gives to its
    /// first target count as observed, and are shown to whoever [observes](Self::observe).
    #[must_use]
    pub fn observing(limits: Limits, policy: Policy) -> Self {
        let mut pipeline = Self::new(limits, policy);
        pipeline.assembly.sending = Sending::Never;
        pipeline
    }

    /// Lets `observer` see every request that is mirrored, as it arrives.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.assembly.observer = Some(observer);
    }

    /// Puts out v1's answers, too, as far as its replies are captured: [`Output::Answer`].
    pub const fn tell_answers(&mut self) {
        self.assembly.tells_answers = true;
    }

    /// Puts out what v1's answers say, too, if it [tells](Self::tell_answers) them: [`Output::Reply`].
    pub const fn tell_replies(&mut self) {
        self.assembly.tells_replies = true;
    }

    /// Sends on the PROXY header of a connection that begins with one, before each copy of its requests of HTTP/1:
    /// those are [alone](Persistence::Alone).
    pub const fn send_proxy_headers(&mut self) {
        self.assembly.sends_openings = true;
    }

    /// Takes the next captured segment. `now` may step back, as it does in capture files: time
    /// then goes on from there.
    pub fn handle_segment(&mut self, now: Time, segment: &Segment<'_>) {
        let assembly = &mut self.assembly;
        if let Some(lost) = &mut assembly.lost {
            lost.handle_segment(segment);
        }
        self.table
            .handle_segment(now, segment, |connection, event| {
                connection.handle_event(event, assembly);
            });
    }

    /// Does what is due: gives up gaps, closes idle connections, and no longer holds requests of HTTP/2 that stay open.
    pub fn handle_timeout(&mut self, now: Time) {
        let assembly = &mut self.assembly;
        if let Some(lost) = &mut assembly.lost {
            lost.handle_timeout(now);
        }
        self.table.handle_timeout(now, |connection, event| {
            connection.handle_event(event, assembly);
        });
        while let Some(due) = assembly.patience.next(now) {
            if let Some(connection) = self.table.state_mut(&due.flow) {
                connection.handle_patience(due.connection, now, assembly);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) next has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let table = self.table.poll_timeout().into_iter();
        table.chain(self.assembly.patience.first()).min()
    }

    /// Ends the connections that were seen at this attachment, as [`shutdown`](Self::shutdown) ends
    /// all.
    pub fn end_attachment(&mut self, now: Time, attachment: u32) {
        let assembly = &mut self.assembly;
        if let Some(lost) = &mut assembly.lost {
            lost.handle_timeout(now);
        }
        self.table
            .end_attachment(now, attachment, |connection, event| {
                connection.handle_event(event, assembly);
            });
    }

    /// Ends every connection: bytes behind a gap are still used, incomplete requests are lost.
    pub fn shutdown(&mut self) {
        let assembly = &mut self.assembly;
        self.table.shutdown(|connection, event| {
            connection.handle_event(event, assembly);
        });
    }

    /// The next thing to send. Call until `None` after each `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.assembly.next_output()
    }

    /// The policy, to change a rate at run time.
    pub fn policy_mut(&mut self) -> &mut Policy {
        &mut self.assembly.policy
    }

    /// The counters of reassembly: segments, bytes and connections.
    #[must_use]
    pub fn flow_counters(&self) -> &stream::FlowCounters {
        &self.table.counters
    }

    /// What became of connections and requests.
    #[must_use]
    pub fn counters(&self) -> &PipelineCounters {
        &self.assembly.counters
    }

    /// A copy that was handed over is lost, and among those to be kept; nothing, where none is.
    pub fn handle_lost(&mut self, lost: LostCopy) {
        if let Some(keeper) = &mut self.assembly.lost {
            keeper.lose_copy(lost);
        }
    }

    /// The last losses, and how many others there were that are not kept; `None` where none is.
    #[must_use]
    pub fn lost(&self) -> Option<(&Kept, u64)> {
        self.assembly.lost.as_deref().map(lost::Lost::kept)
    }

    /// Connections that are tracked now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.len()
    }

    /// The memory that is held for later.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}
