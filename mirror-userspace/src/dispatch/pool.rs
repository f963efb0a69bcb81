//! The connections of one target: who is open, who is free, and to which address the next one goes.
//!
//! A target may have several addresses (a headless service in Kubernetes). A copy goes to the one
//! with the fewest copies under way, on the connection that was used last; those that are not
//! needed are closed by their idle time-out.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    task::{Context, Waker},
};

use super::job::Job;
use crate::segment::Time;

/// One of the addresses that a target's name stands for.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) socket: SocketAddr,
    /// The last attempt to connect failed; others are preferred until the name is resolved again.
    failing: Cell<bool>,
    /// The name does not stand for it any more: its connections are not used again.
    gone: Cell<bool>,
    busy: Cell<usize>,
    idle: RefCell<Vec<Rc<Seat>>>,
}

impl Address {
    fn new(socket: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            socket,
            failing: Cell::default(),
            gone: Cell::default(),
            busy: Cell::default(),
            idle: RefCell::default(),
        })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.get()
    }
}

/// Why a connection has to stop what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time is up.
    Timeout,
    /// The mirror stops.
    Shutdown,
}

/// What a target knows of one of its connections, from target --copies and orders--> to its task.
#[derive(Debug)]
pub(super) struct Seat {
    address: RefCell<Rc<Address>>,
    job: RefCell<Option<Job>>,
    stop: Cell<Option<Stop>>,
    /// When it is to be stopped.
    due: Cell<Option<Time>>,
    waker: RefCell<Option<Waker>>,
}

impl Seat {
    pub(super) fn address(&self) -> Rc<Address> {
        Rc::clone(&self.address.borrow())
    }

    /// Stops it unless told otherwise before `due`.
    pub(super) fn set_due(&self, due: Option<Time>) {
        self.due.set(due);
    }

    pub(super) const fn due(&self) -> Option<Time> {
        self.due.get()
    }

    /// Hands it a copy to send.
    pub(super) fn give(&self, job: Job) {
        self.set_due(None);
        *self.job.borrow_mut() = Some(job);
        self.wake();
    }

    /// The copy that it was handed.
    pub(super) fn take_job(&self) -> Option<Job> {
        self.job.take()
    }

    /// Whether it was handed a copy.
    pub(super) fn has_job(&self) -> bool {
        self.job.borrow().is_some()
    }

    fn stop(&self, why: Stop) {
        self.stop.set(Some(why));
        self.wake();
    }

    /// Whether it has to stop; its task is woken by that and by a copy.
    pub(super) fn poll_stop(&self, cx: &Context<'_>) -> Option<Stop> {
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        self.stop.get()
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Who is to send the next copy.
#[derive(Debug)]
pub(super) enum Pick {
    /// A connection that is free.
    Idle(Rc<Seat>),
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
    addresses: Vec<Rc<Address>>,
    seats: Vec<Rc<Seat>>,
    /// Where the search for the least busy address begins, so that equals take turns.
    turn: usize,
}

impl Pool {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            addresses: Vec::new(),
            seats: Vec::new(),
            turn: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) const fn has_address(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Replaces the addresses. Connections to those that stay, stay.
    pub(super) fn set_addresses(&mut self, sockets: &[SocketAddr]) {
        let before = std::mem::take(&mut self.addresses);
        for socket in sockets {
            if self.addresses.iter().any(|known| known.socket == *socket) {
                continue;
            }
            let known = before.iter().find(|known| known.socket == *socket);
            let address = known.map_or_else(|| Address::new(*socket), Rc::clone);
            address.failing.set(false);
            self.addresses.push(address);
        }
        for address in before {
            if !sockets.contains(&address.socket) {
                address.gone.set(true);
                for seat in address.idle.take() {
                    seat.stop(Stop::Timeout);
                }
            }
        }
    }

    /// Who sends the next copy; it counts as busy from now on.
    pub(super) fn pick(&mut self) -> Pick {
        let Some(address) = self.least_busy(|_| true) else {
            return Pick::NoAddress;
        };
        let below_limit = self.seats.len() < self.limit;
        let mut idle = address.idle.borrow_mut().pop();
        if idle.is_none() && !below_limit {
            // Better another address than to wait for this one.
            idle = self
                .addresses
                .iter()
                .find_map(|address| address.idle.borrow_mut().pop());
        }
        let (seat, pick): (_, fn(_) -> _) = match idle {
            Some(seat) => (seat, Pick::Idle),
            None if below_limit => (self.open(address), Pick::Open),
            None => return Pick::Busy,
        };
        let address = seat.address();
        address.busy.set(address.busy.get() + 1);
        pick(seat)
    }

    fn open(&mut self, address: Rc<Address>) -> Rc<Seat> {
        let seat = Rc::new(Seat {
            address: RefCell::new(address),
            job: RefCell::default(),
            stop: Cell::default(),
            due: Cell::default(),
            waker: RefCell::default(),
        });
        self.seats.push(Rc::clone(&seat));
        seat
    }

    fn least_busy(&mut self, fits: impl Fn(&Address) -> bool) -> Option<Rc<Address>> {
        if let [only] = self.addresses.as_slice() {
            return fits(only).then(|| Rc::clone(only));
        }
        let count = self.addresses.len();
        let turn = self.turn;
        let (at, address) = self
            .addresses
            .iter()
            .enumerate()
            .filter(|(_, address)| fits(address))
            .min_by_key(|(at, address)| {
                let distance = (at + count - turn) % count;
                (address.failing.get(), address.busy.get(), distance)
            })?;
        self.turn = (at + 1) % count;
        Some(Rc::clone(address))
    }

    /// The address of `seat` refused: moves it to another one that does not, if there is one.
    pub(super) fn move_on(&mut self, seat: &Seat) -> Option<SocketAddr> {
        let refused = seat.address();
        refused.failing.set(true);
        let next = self.least_busy(|address| !address.failing.get())?;
        refused.busy.set(refused.busy.get().saturating_sub(1));
        next.busy.set(next.busy.get() + 1);
        let socket = next.socket;
        *seat.address.borrow_mut() = next;
        Some(socket)
    }

    /// The connection is free until it is picked, at the latest until `due`.
    pub(super) fn rest(seat: &Rc<Seat>, due: Time) {
        seat.set_due(Some(due));
        let address = seat.address();
        address.busy.set(address.busy.get().saturating_sub(1));
        address.idle.borrow_mut().push(Rc::clone(seat));
    }

    /// The connection is closed.
    pub(super) fn remove(&mut self, seat: &Rc<Seat>) {
        self.seats.retain(|other| !Rc::ptr_eq(other, seat));
        if !leave_idle(seat) {
            let address = seat.address();
            address.busy.set(address.busy.get().saturating_sub(1));
        }
    }

    /// Stops the connections whose time is up.
    pub(super) fn stop_due(&self, now: Time) {
        for seat in &self.seats {
            if seat.due.get().is_some_and(|due| due <= now) {
                seat.set_due(None);
                seat.stop(Stop::Timeout);
            }
        }
    }

    /// Stops all connections.
    pub(super) fn stop_all(&self) {
        for seat in &self.seats {
            seat.stop(Stop::Shutdown);
        }
    }
}

/// Takes the seat out of the free ones; whether it was one.
fn leave_idle(seat: &Rc<Seat>) -> bool {
    let address = seat.address();
    let mut idle = address.idle.borrow_mut();
    let place = idle.iter().position(|other| Rc::ptr_eq(other, seat));
    place.map(|place| idle.remove(place)).is_some()
}
