//! One target: what waits for it, what is open to it, and its books.
//!
//! A copy is admitted or dropped at once, waits for its turn in the
//! [`Queue`](super::order::Queue), and is given to a connection by [`pump`](Target::pump). From then
//! on it counts as sent, and the task of that connection reports how it ended. No borrow of the
//! state is held while foreign code runs.

mod state;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

use super::{
    Clock,
    breaker::Tripped,
    config::DispatchConfig,
    connection,
    counters::TargetCounters,
    job::{Broken, Job, Source, Stage, Stream, Unwritten},
    meter::Meter,
    outcome::{Failure, Outcome, Verdict},
    pool::{Pick, Pool},
    resolve::Resolve,
    seat::Seat,
};
use crate::{
    budget::Reserved,
    pipeline::{MirrorCopy, Persistence},
    segment::Time,
    target::{Destination, TargetUrl},
};
use state::{Origin, State};

/// What all targets of a shard have in common.
pub(super) struct Shared {
    pub(super) config: DispatchConfig,
    pub(super) clock: Clock,
    pub(super) resolver: Rc<dyn Resolve>,
    pub(super) seed: u64,
    pub(super) unwritten: Unwritten,
    pub(super) meter: Meter,
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
        let state = RefCell::new(State::new(&shared, &destination));
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
        if !state.admit(&self.shared) {
            return None;
        }
        let (job, stream) = Job::new(copy, &self.shared.unwritten);
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
            match state.pool.pick(self.shared.clock) {
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
                    return self.find_addresses(state);
                }
            }
        }
    }

    /// A copy ended; what its connection does next.
    pub(super) fn finish(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        job: Job,
        outcome: &Outcome,
        now: Time,
    ) -> Next {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        // Asked to close, a target may do so without a word in its reply.
        let closes = job.persistence == Persistence::Closes || !outcome.leaves_reusable();
        let tripped = state.pool.handle_outcome(seat, outcome, now);
        state.counters.avoided += u64::from(tripped == Tripped::Yes);
        let verdict = match outcome.verdict() {
            // Copies go elsewhere: that is enough.
            Verdict::Fails if state.pool.is_expendable(seat) => Verdict::Unknown,
            verdict => verdict,
        };
        state.end(job, outcome, verdict, now);
        if closes || seat.address().gone.get() || state.mode == Mode::Stopped {
            seat.end_copy();
            return Next::Close;
        }
        let crowded = state.pool.is_crowded(seat);
        seat.end_copy();
        let next = state.queue.pop();
        let idle_until = now + self.shared.config.idle_timeout;
        match next {
            None => Pool::rest(seat, idle_until),
            Some(job) if !crowded => {
                state.begin(&job);
                seat.begin_copy(self.shared.clock);
                return Next::Send(job);
            }
            Some(job) => {
                state.queue.push_front(job);
                if state.pool.is_exhausted() {
                    // The connection that takes its place goes to where there are fewer.
                    return Next::Close;
                }
                Pool::rest(seat, idle_until);
                self.pump(state);
            }
        }
        Next::Rest
    }

    /// A connection was closed before the copy that it was given was begun.
    pub(super) fn give_back(&self, seat: &Seat, job: Job) {
        let mut state = self.state.borrow_mut();
        seat.end_copy();
        seat.address().handle_no_verdict(self.now());
        if state.mode == Mode::Stopped || matches!(job.source(), Source::Broken(_)) {
            let failure = match job.source() {
                Source::Broken(why) => why.into(),
                _ => Failure::Shutdown,
            };
            let outcome = Outcome::Failed(failure);
            return state.end(job, &outcome, Verdict::Unknown, self.now());
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
        let now = self.now();
        if let Origin::Name(names) = &mut state.origin {
            names.hasten(now);
        }
        let tripped = state.pool.handle_refused(seat, now);
        state.counters.avoided += u64::from(tripped == Tripped::Yes);
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
        state.drop_if_vacant(&self.shared, now);
        if matches!(&state.origin, Origin::Name(names) if names.is_due(now)) {
            self.find_addresses(&mut state);
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
        state.drop_waiting(|dropped| &mut dropped.shutdown);
        state.pool.stop_all();
    }

    /// These are the addresses, from now on.
    pub(super) fn set_addresses(self: &Rc<Self>, sockets: &[SocketAddr]) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let Origin::Told(vacancy) = &mut state.origin else {
            return log::error!("{}: told addresses, but has its own", self.destination);
        };
        if sockets.is_empty() {
            vacancy.begin(self.now());
        } else {
            vacancy.end();
        }
        state.pool.set_addresses(sockets);
        self.pump(state);
    }

    /// There is nowhere to send, or nowhere that is up to date.
    fn find_addresses(self: &Rc<Self>, state: &mut State) {
        let now = self.now();
        let names = match &mut state.origin {
            Origin::Written => return,
            Origin::Told(vacancy) => return vacancy.begin(now),
            Origin::Name(names) => names,
        };
        let Destination::Url(TargetUrl { host, port, .. }) = &self.destination else {
            return;
        };
        if !names.begin(now, now + self.shared.config.resolve_every) {
            return;
        }
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
        if let Origin::Name(names) = &mut state.origin {
            names.end();
        }
        if !found.is_empty() {
            state.pool.set_addresses(found);
        } else if !state.pool.has_address() {
            // Without an address the copy whose turn it is cannot be sent.
            if let Some(job) = state.queue.pop() {
                state.begin(&job);
                let outcome = Outcome::Failed(Failure::Connect);
                state.end(job, &outcome, Verdict::Fails, self.now());
            }
        }
        self.pump(state);
    }
}
