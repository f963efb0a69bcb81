//! The connections of one target: who is open, who is free, and who sends the next copy.
//!
//! At the address that is chosen for a copy it goes on the connection that was used last; those
//! that are not needed are closed by their idle time-out. Where copies may be pipelined, it goes
//! with those that a connection is about to write, and a connection that has an answer takes as
//! many of those that wait as it may. An address that leaves is drained: its free connections are
//! closed at once, the others after the copies that they are sending.

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

/// Who is to send the next copy.
#[derive(Debug)]
pub(super) enum Pick {
    /// A connection that is open.
    Ready(Rc<Seat>),
    /// One that must be opened first.
    Open(Rc<Seat>),
    /// Nobody: all connections are busy.
    Busy,
    /// Nobody: the address is not known.
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
    /// With `limit` connections at most, each with up to `pipeline` copies at once; addresses that
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

    /// Replaces the addresses. Connections to those that stay, stay; the others are drained.
    pub(super) fn set_addresses(&mut self, sockets: &[SocketAddr]) {
        for address in self.addresses.replace(sockets) {
            for seat in address.idle.take() {
                seat.stop(Stop::Timeout);
            }
        }
    }

    /// Who sends `job`, which counts as under way from now on.
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

    /// A connection that was free, and has not begun to write what it was given: `job` may go with
    /// that in one system call.
    fn gathering(&self, address: &Address, job: &Job) -> Option<Rc<Seat>> {
        let gathering = address.gathering.borrow();
        let gathers = |seat: &&Rc<Seat>| seat.has_job() && self.takes(seat, job);
        gathering.as_ref().filter(gathers).map(Rc::clone)
    }

    /// Whether the connection, on which copies are under way, may take `job` as well.
    pub(super) fn takes(&self, seat: &Seat, job: &Job) -> bool {
        let address = seat.address();
        address.is_healthy() && !address.gone.get() && self.has_room(seat, job)
    }

    /// Whether the connection, on which a copy has just ended, may take `job` as well.
    pub(super) fn has_room(&self, seat: &Seat, job: &Job) -> bool {
        seat.has_room_for(job, self.pipeline)
    }

    /// At the limit: better a connection to another address than to wait for one to `wanted`. If
    /// the other has more than its share, one that it does not need makes room for the next copy.
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

    /// The address of `seat` refused: moves it to another one that works, if there is one.
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

    /// A copy on `seat` ended: what that says of its address.
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

    /// Whether the address of `seat` may fail without a word on the target: it is not the target's
    /// any more, or there is another one that works.
    pub(super) fn is_expendable(&self, seat: &Seat) -> bool {
        let address = seat.address();
        address.gone.get() || self.addresses.has_other(&address)
    }

    /// Whether the next copy had better not follow on `seat`, whose copy has just ended: its
    /// address is busier than others. Copies that wait would else keep it so for ever.
    pub(super) fn is_crowded(&mut self, seat: &Seat) -> bool {
        self.addresses.is_crowded(&seat.address())
    }

    /// Whether all connections that there may be are busy.
    pub(super) fn is_exhausted(&self) -> bool {
        let mut addresses = self.addresses.iter();
        self.seats.len() >= self.limit && addresses.all(|other| other.idle.borrow().is_empty())
    }

    /// The connection is free until it is picked, at the latest until `due`.
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

    /// Stops the connections whose time is up.
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
