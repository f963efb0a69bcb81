//! The dispatcher against real servers on loopback, with a clock that only the tests move: a
//! time-out happens when a test says so. Each test ends with balanced books and an empty budget.

mod endpoints;
mod guarded;
mod hostile;
mod http2;
mod https;
mod limits;
mod long_replies;
mod names;
mod order;
mod pacing;
mod pipelining;
mod purity;
mod readiness;
mod replies;
mod retry;
mod server;
mod streams;

use std::{cell::Cell, future::Future, net::SocketAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use mirror_core::{
    budget::Budget,
    pipeline::{
        ConnectionId, CopyId, Effect, Expect, GivenUp, MirrorCopy, Persistence, RequestKey, Rest,
        TargetId, Wire,
    },
};
use tokio::{
    runtime,
    task::LocalSet,
    time::{sleep, timeout},
};

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

thread_local! {
    /// Nanoseconds on the clock of the test that runs on this thread.
    static NOW: Cell<u64> = const { Cell::new(1_000_000_000) };
}

fn now() -> Time {
    Time::from_nanos(NOW.get())
}

fn advance(by: Duration) {
    NOW.set(NOW.get() + u64::try_from(by.as_nanos()).unwrap());
}

/// Runs a test as a shard would: one thread, one `LocalSet`.
fn run(test: impl Future<Output = ()>) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let within = async { timeout(Duration::from_secs(60), test).await };
    LocalSet::new()
        .block_on(&runtime, within)
        .expect("the test hangs");
}

/// What it means to get this request twice.
fn effect(pieces: &[&[u8]]) -> Effect {
    let starts_with = |method: &[u8]| pieces.first().is_some_and(|it| it.starts_with(method));
    if starts_with(b"POST") {
        Effect::Repeats
    } else if starts_with(b"PUT") || starts_with(b"DELETE") {
        Effect::Idempotent
    } else {
        Effect::Safe
    }
}

/// A dispatcher and what it was given.
struct Rig {
    dispatcher: Dispatcher,
    budget: Budget,
    given: u64,
}

fn http(address: SocketAddr) -> TargetSpec {
    format!("http://{address}").parse().unwrap()
}

impl Rig {
    fn new(config: DispatchConfig, address: SocketAddr) -> Self {
        Self::with(config, http(address), Rc::new(SystemResolver))
    }

    fn with(config: DispatchConfig, target: TargetSpec, resolver: Rc<dyn Resolve>) -> Self {
        Self {
            dispatcher: Dispatcher::new(config, vec![target], now, resolver).unwrap(),
            budget: Budget::new(64 << 20),
            given: 0,
        }
    }

    fn give(&mut self, connection: u64, pieces: &[&[u8]], rest: Rest, expect: Expect) -> CopyId {
        let id = CopyId(self.given);
        self.given += 1;
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let persistence = match String::from_utf8_lossy(&pieces.concat()) {
            text if text.contains("connection: close") => Persistence::Closes,
            text if text.starts_with("PROXY ") => Persistence::Alone,
            _ => Persistence::Persistent,
        };
        self.dispatcher.handle(Output::Copy(MirrorCopy {
            id,
            target: TargetId(0),
            request: RequestKey {
                connection: ConnectionId(connection),
                number: 1,
            },
            at: now(),
            wire: Wire::Http1,
            pieces: pieces
                .iter()
                .map(|piece| Bytes::copy_from_slice(piece))
                .collect(),
            rest,
            expect,
            persistence,
            effect: effect(pieces),
            reserved: self.budget.reserve(len).unwrap(),
        }));
        id
    }

    /// Gives the dispatcher a whole copy of this request.
    fn send(&mut self, connection: u64, text: &str) {
        self.give(connection, &[text.as_bytes()], Rest::Complete, Expect::Body);
    }

    /// The beginning of a streamed copy.
    fn open(&mut self, connection: u64, text: &str) -> CopyId {
        self.give(connection, &[text.as_bytes()], Rest::Streamed, Expect::Body)
    }

    fn chunk(&mut self, copy: CopyId, bytes: &[u8]) {
        self.dispatcher.handle(Output::Chunk {
            copy,
            bytes: Bytes::copy_from_slice(bytes),
            reserved: self.budget.reserve(bytes.len()).unwrap(),
        });
    }

    fn finish(&mut self, copy: CopyId) {
        self.dispatcher.handle(Output::Finish {
            copy,
            at: now(),
            trailers: None,
            reserved: self.budget.empty(),
        });
    }

    fn abort(&mut self, copy: CopyId) {
        self.dispatcher.handle(Output::Abort {
            copy,
            cause: mirror_core::pipeline::DropReason::OverBudget,
        });
    }

    /// The books, which must be right at any moment.
    fn counters(&self) -> TargetCounters {
        let counters = self.dispatcher.snapshot().remove(0);
        assert!(counters.balanced(), "{counters:?}");
        assert_eq!(counters.given(), self.given, "{counters:?}");
        counters
    }

    /// Lets everything run until `done`.
    async fn until(&self, done: impl Fn(&TargetCounters) -> bool) -> TargetCounters {
        for _ in 0..10_000 {
            self.dispatcher.tick();
            sleep(Duration::from_millis(1)).await;
            let counters = self.counters();
            if done(&counters) {
                return counters;
            }
        }
        panic!("it does not come to that: {:?}", self.counters());
    }

    /// Lets everything run until all copies have ended.
    async fn settle(&self) -> TargetCounters {
        let counters = self.until(|c| c.queued + c.in_flight == 0).await;
        assert_eq!(self.budget.used(), 0, "all shares of the budget are back");
        counters
    }
}
