//! One target: what waits for it, what is open to it, and its books.
//!
//! A copy is admitted or dropped at once, waits for its turn in the [`Queue`], and is given to a
//! connection by [`pump`](Target::pump). From then on it counts as sent, and the task of that
//! connection reports how it ended. No borrow of the state is held while foreign code runs.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

use super::{
    Clock,
    breaker::{Breaker, Tripped},
    config::DispatchConfig,
    connection,
    counters::TargetCounters,
    job::{Broken, Job, Source, Stage, Stream},
    order::Queue,
    outcome::{Failure, Outcome},
    pool::{Pick, Pool, Seat},
    rate::RateLimit,
    resolve::{Names, Resolve},
};
use crate::{
    budget::Reserved,
    pipeline::{MirrorCopy, Persistence},
    segment::Time,
    target::{Destination, TargetHost, TargetUrl},
};

/// What all targets of a shard have in common.
pub(super) struct Shared {
    pub(super) config: DispatchConfig,
    pub(super) clock: Clock,
    pub(super) resolver: Rc<dyn Resolve>,
    /// Where replies are read to. Its bytes are looked at before anyone else reads.
    pub(super) scratch: RefCell<Box<[u8]>>,
}

/// One target in one shard.
pub(super) struct Target {
    pub(super) shared: Rc<Shared>,
    pub(super) destination: Destination,
    /// For https: how to begin, and whose certificate to ask for.
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    state: RefCell<State>,
}

struct State {
    mode: Mode,
    queue: Queue,
    pool: Pool,
    breaker: Breaker,
    rate: Option<RateLimit>,
    /// For a target that is named, not numbered.
    names: Option<Names>,
    counters: TargetCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    /// Nothing new is taken; what is there is sent.
    Draining,
    /// Nothing is sent any more.
    Stopped,
}

/// What a connection does after a copy.
pub(super) enum Next {
    /// Sends this one.
    Send(Job),
    /// Waits for one.
    Rest,
    /// Closes.
    Close,
}

impl Target {
    pub(super) fn new(
        shared: Rc<Shared>,
        destination: Destination,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    ) -> Rc<Self> {
        let config = &shared.config;
        let mut pool = Pool::new(config.connections.max(1));
        let names = match destination.url() {
            Some(url) => match url.host {
                TargetHost::Ip(ip) => {
                    pool.set_addresses(&[SocketAddr::new(ip, url.port)]);
                    None
                }
                TargetHost::Name(_) => Some(Names::default()),
            },
            None => None,
        };
        let state = RefCell::new(State {
            mode: Mode::Open,
            queue: Queue::new(config.order),
            pool,
            breaker: Breaker::new(config.breaker),
            rate: config.max_rps.map(RateLimit::new),
            names,
            counters: TargetCounters::default(),
        });
        Rc::new(Self {
            shared,
            destination,
            tls,
            state,
        })
    }

    pub(super) fn now(&self) -> Time {
        (self.shared.clock)()
    }

    pub(super) fn snapshot(&self) -> TargetCounters {
        let state = self.state.borrow();
        let mut counters = state.counters.clone();
        counters.open = state.pool.len() as u64;
        counters
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        let counters = &self.state.borrow().counters;
        counters.queued == 0 && counters.in_flight == 0
    }

    /// Whether one more copy may wait.
    pub(super) fn has_room(&self) -> bool {
        self.state.borrow().has_room(&self.shared.config)
    }

    /// Whether so many more bytes of a streamed copy may wait.
    pub(super) fn has_window(&self, stream: &Stream, bytes: usize) -> bool {
        stream.waiting() + bytes <= self.shared.config.stream_window
    }

    /// Takes a copy, or drops and counts it. Gives back where the rest of a streamed one goes.
    pub(super) fn handle_copy(self: &Rc<Self>, copy: MirrorCopy) -> Option<Rc<Stream>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let has_room = state.has_room(&self.shared.config);
        let dropped = &mut state.counters.dropped;
        let refusal = if state.mode != Mode::Open {
            Some(&mut dropped.shutdown)
        } else if !has_room {
            Some(&mut dropped.queue_full)
        } else if state
            .rate
            .as_mut()
            .is_some_and(|rate| !rate.admit(self.now()))
        {
            Some(&mut dropped.max_rps)
        } else if !state.breaker.is_closed() && !state.breaker.admit(self.now()) {
            Some(&mut dropped.breaker_open)
        } else {
            None
        };
        if let Some(counter) = refusal {
            *counter += 1;
            return None;
        }
        let (job, stream) = Job::new(copy);
        state.counters.queued += 1;
        state.queue.push(job);
        self.pump(state);
        stream
    }

    /// More of a streamed copy; `false` if no more of it is of use.
    pub(super) fn handle_chunk(&self, stream: &Stream, bytes: Bytes, reserved: Reserved) -> bool {
        if stream.stage() == Stage::Ended {
            return false;
        }
        if !self.has_window(stream, bytes.len()) {
            self.break_off(stream, Broken::Overflow);
            return false;
        }
        stream.push(bytes, reserved);
        true
    }

    /// A streamed copy will never be whole.
    pub(super) fn break_off(&self, stream: &Stream, why: Broken) {
        match stream.stage() {
            Stage::Waiting => {
                let mut state = self.state.borrow_mut();
                state.counters.queued -= 1;
                match why {
                    Broken::Aborted => state.counters.dropped.aborted += 1,
                    Broken::Overflow => state.counters.dropped.stream_overflow += 1,
                }
                state.breaker.handle_no_verdict(self.now());
                stream.end();
            }
            Stage::Sending => stream.break_off(why),
            Stage::Ended => {}
        }
    }

    /// Gives what may be sent to who can send it.
    fn pump(self: &Rc<Self>, state: &mut State) {
        while let Some(job) = state.queue.pop() {
            match state.pool.pick() {
                Pick::Idle(seat) => {
                    state.begin(&job);
                    seat.give(job);
                }
                Pick::Open(seat) => {
                    state.begin(&job);
                    spawn_local(connection::run(Rc::clone(self), seat, job));
                }
                Pick::Busy => return state.queue.push_front(job),
                Pick::NoAddress => {
                    state.queue.push_front(job);
                    return self.start_resolving(state);
                }
            }
        }
    }

    /// A copy ended; what its connection does next.
    pub(super) fn finish(&self, seat: &Rc<Seat>, job: Job, outcome: &Outcome, now: Time) -> Next {
        let mut state = self.state.borrow_mut();
        // Asked to close, a target may do so without a word in its reply.
        let closes = job.persistence == Persistence::Closes || !outcome.leaves_reusable();
        state.end(job, outcome, now);
        if closes || seat.address().is_gone() || state.mode == Mode::Stopped {
            return Next::Close;
        }
        if let Some(job) = state.queue.pop() {
            state.begin(&job);
            return Next::Send(job);
        }
        Pool::rest(seat, now + self.shared.config.idle_timeout);
        Next::Rest
    }

    /// A connection was closed before the copy that it was given was begun.
    pub(super) fn give_back(&self, job: Job) {
        let mut state = self.state.borrow_mut();
        if state.mode == Mode::Stopped || matches!(job.source(), Source::Broken(_)) {
            let failure = match job.source() {
                Source::Broken(why) => why.into(),
                _ => Failure::Shutdown,
            };
            return state.end(job, &Outcome::Failed(failure), self.now());
        }
        job.set_stage(Stage::Waiting);
        state.counters.sent -= 1;
        state.counters.in_flight -= 1;
        state.counters.queued += 1;
        state.queue.push_front(job);
    }

    /// A connection is open.
    pub(super) fn handle_connected(&self) {
        self.state.borrow_mut().counters.opened += 1;
    }

    /// The first byte of a copy was written, this long after its capture.
    pub(super) fn handle_begun(&self, lag: Duration) {
        self.state.borrow_mut().counters.lag.record(lag);
    }

    /// An address refused; another one to try.
    pub(super) fn handle_refused(&self, seat: &Seat) -> Option<SocketAddr> {
        let mut state = self.state.borrow_mut();
        if let Some(names) = &mut state.names {
            names.hasten(self.now());
        }
        state.pool.move_on(seat)
    }

    /// A connection is closed.
    pub(super) fn handle_closed(self: &Rc<Self>, seat: &Rc<Seat>) {
        let mut state = self.state.borrow_mut();
        state.pool.remove(seat);
        self.pump(&mut state);
    }

    /// Sees to time-outs and to names that are to be resolved again.
    pub(super) fn tick(self: &Rc<Self>, now: Time) {
        let mut state = self.state.borrow_mut();
        state.pool.stop_due(now);
        if state.names.as_ref().is_some_and(|names| names.is_due(now)) {
            self.start_resolving(&mut state);
        }
    }

    /// Takes nothing new.
    pub(super) fn drain(&self) {
        self.state.borrow_mut().mode = Mode::Draining;
    }

    /// Drops what waits and stops what is under way.
    pub(super) fn stop(&self) {
        let mut state = self.state.borrow_mut();
        state.mode = Mode::Stopped;
        let waiting = state.queue.drain().len() as u64;
        state.counters.queued -= waiting;
        state.counters.dropped.shutdown += waiting;
        state.pool.stop_all();
    }

    fn start_resolving(self: &Rc<Self>, state: &mut State) {
        let now = self.now();
        let due = now + self.shared.config.resolve_every;
        if !state
            .names
            .as_mut()
            .is_some_and(|names| names.begin(now, due))
        {
            return;
        }
        let Some(TargetUrl { host, port, .. }) = self.destination.url() else {
            return;
        };
        let resolving = self.shared.resolver.resolve(&host.to_string(), *port);
        let target = Rc::clone(self);
        spawn_local(async move {
            let found = resolving.await;
            target.handle_resolved(&found.unwrap_or_default());
        });
    }

    fn handle_resolved(self: &Rc<Self>, found: &[SocketAddr]) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if let Some(names) = &mut state.names {
            names.end();
        }
        if !found.is_empty() {
            state.pool.set_addresses(found);
        } else if !state.pool.has_address() {
            // Without an address the copy whose turn it is cannot be sent.
            if let Some(job) = state.queue.pop() {
                state.begin(&job);
                state.end(job, &Outcome::Failed(Failure::Connect), self.now());
            }
        }
        self.pump(state);
    }
}

impl State {
    fn has_room(&self, config: &DispatchConfig) -> bool {
        self.queue.len() < config.queue
    }

    /// A copy is given to a connection.
    fn begin(&mut self, job: &Job) {
        job.set_stage(Stage::Sending);
        self.counters.queued -= 1;
        self.counters.sent += 1;
        self.counters.in_flight += 1;
    }

    /// A copy that was given to a connection ended.
    fn end(&mut self, job: Job, outcome: &Outcome, now: Time) {
        self.counters.in_flight -= 1;
        self.queue.release(job.connection);
        outcome.count(&mut self.counters);
        match outcome {
            Outcome::Answered(_) => self.breaker.handle_answer(),
            Outcome::Failed(failure) if failure.blames_target() => {
                if self.breaker.handle_failure(now) == Tripped::Yes {
                    let waiting = self.queue.drain().len() as u64;
                    self.counters.queued -= waiting;
                    self.counters.dropped.breaker_open += waiting;
                    self.counters.breaker_opened += 1;
                }
            }
            Outcome::Failed(_) => self.breaker.handle_no_verdict(now),
        }
    }
}
