//! A target's state and its books: each copy is entered once, wherever it ends.

use std::net::SocketAddr;

use mirror_core::{
    counters::{Dropped, TargetCounters},
    destination::{Destination, TargetHost},
    pipeline::ConnectionId,
    segment::Time,
};

use super::{Job, Mode, Outcome, Shared, Stage, Verdict};
use crate::{
    breaker::{Breaker, Tripped},
    config::DispatchConfig,
    order::Queue,
    pool::Pool,
    rate::RateLimit,
    resolve::Names,
    seat::Seat,
    vacancy::Vacancy,
};

pub(super) struct State {
    pub(super) mode: Mode,
    pub(super) queue: Queue,
    pub(super) pool: Pool,
    pub(super) breaker: Breaker,
    pub(super) origin: Origin,
    pub(super) counters: TargetCounters,
    rate: Option<RateLimit>,
}

/// How the addresses come to be known.
pub(super) enum Origin {
    /// There is one, an IP address in the URL.
    Written,
    /// The name is resolved.
    Name(Names),
    /// They are reported from outside when they change (a service or pods).
    Told(Vacancy),
}

impl State {
    pub(super) fn new(shared: &Shared, destination: &Destination) -> Self {
        let config = &shared.config;
        let connections = config.connections.max(1);
        let mut pool = Pool::new(connections, config.pipeline, config.avoid, shared.seed);
        let origin = match destination.url().map(|url| (&url.host, url.port)) {
            None => Origin::Told(Vacancy::default()),
            Some((TargetHost::Name(_), _)) => Origin::Name(Names::default()),
            Some((TargetHost::Ip(ip), port)) => {
                pool.set_addresses(&[SocketAddr::new(*ip, port)]);
                Origin::Written
            }
        };
        Self {
            mode: Mode::Open,
            queue: Queue::new(config.order),
            pool,
            breaker: Breaker::new(config.breaker),
            origin,
            counters: TargetCounters::default(),
            rate: config.max_rps.map(RateLimit::new),
        }
    }

    pub(super) fn has_room(&self, config: &DispatchConfig) -> bool {
        self.queue.len() < config.queue
    }

    /// Whether one more copy is admitted; if not, it is counted as dropped.
    pub(super) fn admit(&mut self, shared: &Shared) -> bool {
        let now = shared.clock;
        let dropped = if self.mode != Mode::Open {
            &mut self.counters.dropped.shutdown
        } else if !self.has_room(&shared.config) {
            &mut self.counters.dropped.queue_full
        } else if self.is_vacant(shared) {
            &mut self.counters.dropped.no_endpoint
        } else if self.rate.as_mut().is_some_and(|rate| !rate.admit(now())) {
            &mut self.counters.dropped.max_rps
        } else if !self.breaker.is_closed() && !self.breaker.admit(now()) {
            &mut self.counters.dropped.breaker_open
        } else {
            return true;
        };
        *dropped += 1;
        false
    }

    /// Whether there has been no address for longer than copies wait.
    fn is_vacant(&self, shared: &Shared) -> bool {
        match &self.origin {
            Origin::Told(vacancy) if !self.pool.has_address() => {
                vacancy.is_too_long((shared.clock)(), shared.config.endpoint_wait)
            }
            _ => false,
        }
    }

    /// Drops the copies that have waited too long for an address.
    pub(super) fn drop_if_vacant(&mut self, shared: &Shared, now: Time) {
        if self.counters.queued > 0 && self.is_vacant(shared) {
            self.drop_waiting(|dropped| &mut dropped.no_endpoint);
            // The breaker's probe may have been among them.
            self.breaker.handle_no_verdict(now);
        }
    }

    /// Drops all copies that wait, and counts them with this reason.
    pub(super) fn drop_waiting(&mut self, counter: impl FnOnce(&mut Dropped) -> &mut u64) {
        let waiting = self.queue.drain().len() as u64;
        self.counters.queued -= waiting;
        *counter(&mut self.counters.dropped) += waiting;
    }

    /// The next copy that `seat` may take after one of this client connection.
    pub(super) fn next_for(&mut self, seat: &Seat, connection: ConnectionId) -> Option<Job> {
        let Self { queue, pool, .. } = self;
        let has_room = |job: &Job| pool.has_room(seat, job);
        let job = queue
            .pop_behind(connection, has_room)
            .or_else(|| queue.pop())?;
        if has_room(&job) {
            return Some(job);
        }
        queue.push_front(job);
        None
    }

    /// A copy is given to a connection.
    pub(super) fn begin(&mut self, job: &Job) {
        job.set_stage(Stage::Sending);
        self.counters.queued -= 1;
        self.counters.sent += 1;
        self.counters.in_flight += 1;
    }

    /// A copy that was given to a connection ended.
    pub(super) fn end(&mut self, job: Job, outcome: &Outcome, verdict: Verdict, now: Time) {
        self.counters.in_flight -= 1;
        self.queue.release(job.connection);
        outcome.count(&mut self.counters);
        match verdict {
            Verdict::Works => self.breaker.handle_answer(),
            Verdict::Fails => {
                if self.breaker.handle_failure(now) == Tripped::Yes {
                    self.drop_waiting(|dropped| &mut dropped.breaker_open);
                    self.counters.breaker_opened += 1;
                }
            }
            Verdict::Unknown => self.breaker.handle_no_verdict(now),
        }
    }
}
