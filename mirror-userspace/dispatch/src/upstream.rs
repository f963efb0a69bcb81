//! One target: the copies that wait for it, the connections to it, and its books.
//!
//! A copy is admitted or dropped at once. It waits for its turn in the [`Queue`](super::order::Queue)
//! until [`pump`](Target::pump) gives it to a connection; from then on it counts as sent, and the task
//! of that connection reports how it ended. No borrow of the state is held while foreign code runs.

mod addressing;
mod state;

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use bytes::Bytes;
use mirror_core::counters::TargetCounters;
use mirror_core::{
    budget::Reserved,
    destination::{self, Destination, TargetSpec},
    pipeline::{ConnectionId, MirrorCopy, Persistence},
    segment::Time,
};
use rustls::pki_types::ServerName;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

use super::{
    Clock,
    breaker::Tripped,
    config::DispatchConfig,
    connection,
    job::{Broken, Job, Source, Stage, Stream, Unwritten},
    meter::Meter,
    outcome::{Failure, Outcome, Verdict},
    pool::{Pick, Pool},
    resolve::Resolve,
    seat::Seat,
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
    /// The buffer that replies are read into. Its bytes are parsed before anyone else reads into it.
    pub(super) scratch: RefCell<Box<[u8]>>,
}

/// One target in one shard.
pub(super) struct Target {
    pub(super) shared: Rc<Shared>,
    pub(super) destination: Destination,
    origin: destination::Origin,
    /// For https: how to begin, and whose certificate to ask for.
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    state: RefCell<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    /// No new copies are taken; those that are there are sent.
    Draining,
    /// Nothing more is sent.
    Stopped,
}

/// What a connection does after a copy.
pub(super) enum Next {
    /// The connection goes on with the copies that it has or was given.
    More,
    /// The connection waits for the next copy.
    Rest,
    /// The connection is closed.
    Close,
}

impl Target {
    pub(super) fn new(
        shared: Rc<Shared>,
        spec: TargetSpec,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    ) -> Rc<Self> {
        let TargetSpec {
            destination,
            origin,
            ..
        } = spec;
        let state = RefCell::new(State::new(&shared, &destination));
        Rc::new(Self {
            shared,
            destination,
            origin,
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

    /// Takes a copy, or drops and counts it. For a streamed one, returns where the rest is to be put.
    pub(super) fn handle_copy(self: &Rc<Self>, copy: MirrorCopy) -> Option<Rc<Stream>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if !state.admit(&self.shared) {
            return None;
        }
        let (job, stream) = Job::new(copy, &self.shared.unwritten);
        state.counters.queued += 1;
        let ahead = state.queue.seat_to_follow(job.connection).map(Rc::clone);
        match ahead.filter(|seat| state.pool.takes(seat, &job)) {
            Some(seat) => {
                state.queue.follow(job.connection);
                seat.begin_copy(self.shared.clock);
                Self::give(state, &seat, job);
            }
            None => {
                state.queue.push(job);
                self.pump(state);
            }
        }
        stream
    }

    /// Takes more of a streamed copy; returns `false` if no more of it is needed.
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

    /// Gives copies that may be sent to connections that can send them.
    fn pump(self: &Rc<Self>, state: &mut State) {
        while let Some(job) = state.queue.pop() {
            match state.pool.pick(&job, self.shared.clock) {
                Pick::Ready(seat) => {
                    seat.set_due(None);
                    Self::give(state, &seat, job);
                }
                Pick::Open(seat) => {
                    Self::give(state, &seat, job);
                    spawn_local(connection::run(Rc::clone(self), seat));
                }
                Pick::Busy => return state.queue.push_front(job),
                Pick::NoAddress => {
                    state.queue.push_front(job);
                    return self.find_addresses(state);
                }
            }
        }
    }

    /// Hands a copy to a connection: it counts as sent.
    fn give(state: &mut State, seat: &Rc<Seat>, job: Job) {
        state.begin(&job);
        state.queue.handle_given(job.connection, seat);
        seat.give(job);
    }

    /// Enters the end of a copy in the books; returns what its connection does next.
    pub(super) fn finish(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        job: Job,
        outcome: &Outcome,
        now: Time,
    ) -> Next {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        // A target that was asked to close may do so without saying it in its reply.
        let closes = job.persistence == Persistence::Closes || !outcome.leaves_reusable();
        let tripped = state.pool.handle_outcome(seat, outcome, now);
        state.counters.avoided += u64::from(tripped == Tripped::Yes);
        let verdict = match outcome.verdict() {
            // Copies go elsewhere: that is enough.
            Verdict::Fails if state.pool.is_expendable(seat) => Verdict::Unknown,
            verdict => verdict,
        };
        let connection = job.connection;
        state.end(job, outcome, verdict, now);
        if closes || state.mode == Mode::Stopped {
            seat.end_copy();
            return Next::Close;
        }
        seat.handle_answer();
        if seat.address().gone.get() {
            seat.end_copy();
            return if seat.is_free() {
                Next::Close
            } else {
                Next::More
            };
        }
        self.follow_up(state, seat, connection, now)
    }

    /// Gives `seat`, which has just been answered, its next copies, first of the same client connection.
    fn follow_up(
        self: &Rc<Self>,
        state: &mut State,
        seat: &Rc<Seat>,
        connection: ConnectionId,
        now: Time,
    ) -> Next {
        let crowded = state.pool.is_crowded(seat);
        seat.end_copy();
        while !crowded && let Some(job) = state.next_for(seat, connection) {
            seat.begin_copy(self.shared.clock);
            Self::give(state, seat, job);
        }
        if !seat.is_free() {
            return Next::More;
        }
        let waits = state.queue.len() > 0;
        if crowded && waits && state.pool.is_exhausted() {
            // The connection that takes its place goes to an address with fewer.
            return Next::Close;
        }
        Pool::rest(seat, now + self.shared.config.idle_timeout);
        self.pump(state);
        Next::Rest
    }

    /// A connection ended before it looked at what it was given last.
    pub(super) fn give_back_given(&self, seat: &Seat) {
        while let Some(job) = seat.take_last_job() {
            self.give_back(seat, job);
        }
    }

    /// Takes back a copy whose connection ended before the copy was sent, or before the target took it: it
    /// is sent on another connection.
    pub(super) fn give_back(&self, seat: &Seat, mut job: Job) {
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
        state.counters.sent_again += u64::from(job.is_begun());
        job.set_stage(Stage::Waiting);
        job.rewind(&self.shared.unwritten);
        state.counters.sent -= 1;
        state.counters.in_flight -= 1;
        state.counters.queued += 1;
        state.queue.push_front(job);
    }

    /// Fails a copy whose connection ended with a failure of the copy before it, after the target may have
    /// taken it; so it does not count against the target again.
    pub(super) fn forsake(&self, seat: &Seat, job: Job, failure: Failure, now: Time) {
        let mut state = self.state.borrow_mut();
        seat.end_copy();
        let failure = match state.mode {
            Mode::Stopped => Failure::Shutdown,
            Mode::Open | Mode::Draining => failure,
        };
        state.end(job, &Outcome::Failed(failure), Verdict::Unknown, now);
    }

    /// Counts a connection as opened.
    pub(super) fn handle_connected(&self) {
        self.state.borrow_mut().counters.opened += 1;
    }

    /// Notes that the first byte of a copy was written; `pipelined` says whether the reply to another one
    /// was outstanding.
    pub(super) fn handle_begun(&self, job: &mut Job, pipelined: bool, now: Time) {
        let counters = &mut self.state.borrow_mut().counters;
        counters.pipelined += u64::from(pipelined);
        if job.begin() {
            counters.lag.record(now.since(job.at));
        }
    }

    /// Whether `socket` may be connected to; what may not is named in the log.
    pub(super) fn admits(&self, socket: SocketAddr) -> bool {
        let (guard, now) = (&self.shared.config.guard, self.now());
        match guard.refusal(self.origin, socket.ip(), now) {
            None => true,
            Some(why) => {
                guard.tell(&self.destination, socket.ip(), why, now);
                false
            }
        }
    }

    /// There is no connection to an address; another one to try. If that says that the address is
    /// out of date, the name is resolved again soon.
    pub(super) fn handle_refused(&self, seat: &Seat, failure: Failure) -> Option<SocketAddr> {
        let mut state = self.state.borrow_mut();
        let now = self.now();
        if let Origin::Name(names) = &mut state.origin
            && failure == Failure::Connect
        {
            names.hasten(now);
        }
        let tripped = state.pool.handle_refused(seat, now);
        state.counters.avoided += u64::from(tripped == Tripped::Yes);
        state.pool.move_on(seat)
    }

    /// Removes a connection that is closed, and gives its room to another.
    pub(super) fn handle_closed(self: &Rc<Self>, seat: &Rc<Seat>) {
        let mut state = self.state.borrow_mut();
        state.pool.remove(seat);
        self.pump(&mut state);
    }

    /// Handles timeouts, and names that must be resolved again.
    pub(super) fn tick(self: &Rc<Self>, now: Time) {
        let mut state = self.state.borrow_mut();
        state.pool.stop_due(now);
        state.drop_if_vacant(&self.shared, now);
        if matches!(&state.origin, Origin::Name(names) if names.is_due(now)) {
            self.find_addresses(&mut state);
        }
    }

    /// Lets no new copies in; what is there is still sent.
    pub(super) fn drain(&self) {
        self.state.borrow_mut().mode = Mode::Draining;
    }

    /// Drops the copies that wait, and stops those in flight.
    pub(super) fn stop(&self) {
        let mut state = self.state.borrow_mut();
        state.mode = Mode::Stopped;
        state.drop_waiting(|dropped| &mut dropped.shutdown);
        state.pool.stop_all();
    }
}
