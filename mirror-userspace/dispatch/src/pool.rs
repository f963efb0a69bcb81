//! The connections of one target: who is open, who is free, and who sends the next copy.
//!
//! A copy goes on the most recently used connection of the address chosen for it, so that connections
//! that are not needed reach their idle timeout. Where copies may be pipelined, it joins those that a
//! connection is about to write, and a connection that gets a reply takes as many waiting copies as it
//! may. An address that leaves is drained: its free connections are closed at once, the others after the
//! copies on them have ended.

use std::{net::SocketAddr, rc::Rc};

use mirror_core::segment::Time;

use super::{
    Clock,
    addresses::{Address, Addresses},
    breaker::{Limits, Tripped},
    job::Job,
    outcome::Outcome,
    seat::{Seat, Stop},
};

/// The connection that is to send the next copy, if there is one.
#[derive(Debug)]
pub(super) enum Pick {
    /// A connection that is open.
    Ready(Rc<Seat>),
    /// A connection that must be opened first.
    Open(Rc<Seat>),
    /// None: all connections are busy.
    Busy,
    /// None: no address is known.
    NoAddress,
}

/// The connections of one target.
#[derive(Debug)]
pub(super) struct Pool {
    limit: usize,
    pipeline: usize,
    addresses: Addresses,
    seats: Vec<Rc<Seat>>,
}

impl Pool {
    /// A pool of at most `limit` connections, each with at most `pipeline` copies in flight; addresses that
    /// fail are avoided as `avoid` says.
    pub(super) const fn new(limit: usize, pipeline: usize, avoid: Limits, seed: u64) -> Self {
        Self {
            limit,
            pipeline,
            addresses: Addresses::new(avoid, seed),
            seats: Vec::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) const fn has_address(&self) -> bool {
        self.addresses.len() > 0
    }

    /// Replaces the addresses. Connections to addresses that stay are kept; the others are drained.
    pub(super) fn set_addresses(&mut self, sockets: &[SocketAddr]) {
        for address in self.addresses.replace(sockets) {
            for seat in address.idle.take() {
                seat.stop(Stop::Timeout);
            }
        }
    }

    /// Picks the connection that sends `job`, which counts as in flight from now on.
    pub(super) fn pick(&mut self, job: &Job, clock: Clock) -> Pick {
        let Some(address) = self.addresses.choose(clock) else {
            return Pick::NoAddress;
        };
        let below_limit = self.seats.len() < self.limit;
        let mut ready = self.gathering(&address, job);
        if ready.is_none() {
            ready = address.idle.borrow_mut().pop();
        }
        if ready.is_none() && !below_limit {
            ready = self.free_elsewhere(&address);
        }
        let Some(seat) = ready else {
            if !below_limit {
                return Pick::Busy;
            }
            let seat = self.open(address);
            seat.begin_copy(clock);
            return Pick::Open(seat);
        };
        seat.begin_copy(clock);
        if self.pipeline > 1 {
            seat.address().gathering.replace(Some(Rc::clone(&seat)));
        }
        Pick::Ready(seat)
    }

    /// A connection that has not yet begun to write what it was given: `job` may go with that in one
    /// system call.
    fn gathering(&self, address: &Address, job: &Job) -> Option<Rc<Seat>> {
        let gathering = address.gathering.borrow();
        let gathers = |seat: &&Rc<Seat>| seat.has_job() && self.takes(seat, job);
        gathering.as_ref().filter(gathers).map(Rc::clone)
    }

    /// Whether a connection with copies in flight may also take `job`.
    pub(super) fn takes(&self, seat: &Seat, job: &Job) -> bool {
        let address = seat.address();
        address.is_healthy() && !address.gone.get() && self.has_room(seat, job)
    }

    /// Whether a connection on which a copy has just ended may also take `job`.
    pub(super) fn has_room(&self, seat: &Seat, job: &Job) -> bool {
        seat.has_room_for(job, self.pipeline)
    }

    /// At the limit of connections, a free one to another address is better than waiting for one to
    /// `wanted`. If that address has more than its share, closing one makes room for the next copy.
    fn free_elsewhere(&self, wanted: &Address) -> Option<Rc<Seat>> {
        self.addresses.iter().find_map(|other| {
            let has_plenty = other.connections() > wanted.connections() + 1;
            let mut idle = other.idle.borrow_mut();
            let free = idle.pop()?;
            if let Some(unneeded) = idle.first().filter(|_| has_plenty) {
                unneeded.stop(Stop::Timeout);
            }
            Some(free)
        })
    }

    fn open(&mut self, address: Rc<Address>) -> Rc<Seat> {
        let seat = Rc::new(Seat::new(address));
        self.seats.push(Rc::clone(&seat));
        seat
    }

    /// Moves `seat`, whose address refused it, to another address that works, if there is one.
    pub(super) fn move_on(&mut self, seat: &Seat) -> Option<SocketAddr> {
        let refused = seat.address();
        let next = self.addresses.choose_healthy()?;
        if Rc::ptr_eq(&next, &refused) {
            return None;
        }
        let socket = next.socket;
        seat.move_to(next);
        Some(socket)
    }

    /// The address of `seat` refused.
    pub(super) fn handle_refused(&mut self, seat: &Seat, now: Time) -> Tripped {
        self.addresses.handle_failure(&seat.address(), now)
    }

    /// Notes what the end of a copy on `seat` says about its address.
    pub(super) fn handle_outcome(&mut self, seat: &Seat, outcome: &Outcome, now: Time) -> Tripped {
        let address = seat.address();
        match outcome {
            Outcome::Answered(_) => self.addresses.handle_answer(&address),
            Outcome::Failed(failure) if failure.blames_address() => {
                return self.addresses.handle_failure(&address, now);
            }
            Outcome::Failed(_) => address.handle_no_verdict(now),
        }
        Tripped::No
    }

    /// Whether a failure at the address of `seat` says nothing about the target: the address is no longer
    /// the target's, or there is another one that works.
    pub(super) fn is_expendable(&self, seat: &Seat) -> bool {
        let address = seat.address();
        address.gone.get() || self.addresses.has_other(&address)
    }

    /// Whether the next copy should not go on `seat`, where one has just ended, because its address is
    /// busier than others. Otherwise waiting copies would keep it so for ever.
    pub(super) fn is_crowded(&mut self, seat: &Seat) -> bool {
        self.addresses.is_crowded(&seat.address())
    }

    /// Whether all connections that there may be are busy.
    pub(super) fn is_exhausted(&self) -> bool {
        let mut addresses = self.addresses.iter();
        self.seats.len() >= self.limit && addresses.all(|other| other.idle.borrow().is_empty())
    }

    /// Makes the connection free until it is picked; it is closed at `due` if it is not.
    pub(super) fn rest(seat: &Rc<Seat>, due: Time) {
        seat.set_due(Some(due));
        seat.address().idle.borrow_mut().push(Rc::clone(seat));
    }

    /// The connection is closed.
    pub(super) fn remove(&mut self, seat: &Rc<Seat>) {
        self.seats.retain(|other| !Rc::ptr_eq(other, seat));
        let address = seat.address();
        let mut idle = address.idle.borrow_mut();
        idle.retain(|other| !Rc::ptr_eq(other, seat));
        address.gathering.take();
        address.close();
    }

    /// Stops the connections that have timed out.
    pub(super) fn stop_due(&self, now: Time) {
        for seat in &self.seats {
            if seat.due().is_some_and(|due| due <= now) {
                seat.set_due(None);
                seat.stop(Stop::Timeout);
            }
        }
    }

    /// Tells all connections to stop at once.
    pub(super) fn stop_all(&self) {
        for seat in &self.seats {
            seat.stop(Stop::Shutdown);
        }
    }
}
