//! What a target knows of one of its connections.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    task::{Context, Waker},
};

use mirror_core::segment::Time;

use super::{Clock, addresses::Address, job::Job};

/// Why a connection has to stop what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// What the connection was doing took too long.
    Timeout,
    /// The mirror is stopping.
    Shutdown,
}

/// What a target knows of one of its connections: target --copies, orders--> the connection's task.
#[derive(Debug)]
pub(super) struct Seat {
    address: RefCell<Rc<Address>>,
    /// Copies given to the connection that its task has not taken yet.
    given: RefCell<VecDeque<Job>>,
    /// Copies given to the connection that have not ended.
    load: Cell<usize>,
    /// Whether one of these copies must have the connection to itself.
    exclusive: Cell<bool>,
    /// Copies on this connection that were answered.
    answered: Cell<usize>,
    stop: Cell<Option<Stop>>,
    /// When the connection is to be stopped.
    due: Cell<Option<Time>>,
    waker: RefCell<Option<Waker>>,
}

impl Seat {
    pub(super) fn new(address: Rc<Address>) -> Self {
        address.open();
        Self {
            address: RefCell::new(address),
            given: RefCell::default(),
            load: Cell::default(),
            exclusive: Cell::default(),
            answered: Cell::default(),
            stop: Cell::default(),
            due: Cell::default(),
            waker: RefCell::default(),
        }
    }

    pub(super) fn address(&self) -> Rc<Address> {
        Rc::clone(&self.address.borrow())
    }

    /// Moves the connection and its outstanding copies to another address.
    pub(super) fn move_to(&self, next: Rc<Address>) {
        let before = self.address.replace(Rc::clone(&next));
        before
            .busy
            .set(before.busy.get().saturating_sub(self.load.get()));
        before.close();
        next.busy.set(next.busy.get() + self.load.get());
        next.open();
    }

    /// Counts a copy that is to be sent on the connection.
    pub(super) fn begin_copy(&self, clock: Clock) {
        self.load.set(self.load.get() + 1);
        self.address().begin(clock);
    }

    /// Counts a copy on the connection as ended.
    pub(super) fn end_copy(&self) {
        self.load.set(self.load.get().saturating_sub(1));
        if self.load.get() == 0 {
            self.exclusive.set(false);
        }
        self.address().end();
    }

    /// Notes that a copy was answered and that the connection can carry others.
    pub(super) fn handle_answer(&self) {
        self.answered.set(self.answered.get().saturating_add(1));
    }

    /// Whether nothing is to be sent or answered.
    pub(super) const fn is_free(&self) -> bool {
        self.load.get() == 0
    }

    /// Whether the connection may also take `job`, if `limit` copies may be in flight on it. A connection
    /// may have at most one more copy in flight than it has answered, so that a target that closes after
    /// each reply is not sent copies for nothing.
    pub(super) fn has_room_for(&self, job: &Job, limit: usize) -> bool {
        if self.is_free() {
            return true;
        }
        let room = limit.min(self.answered.get().saturating_add(1));
        self.load.get() < room && !self.exclusive.get() && !job.is_exclusive()
    }

    /// Sets the time at which the connection is stopped, unless another time is set before.
    pub(super) fn set_due(&self, due: Option<Time>) {
        self.due.set(due);
    }

    pub(super) const fn due(&self) -> Option<Time> {
        self.due.get()
    }

    /// Hands the connection a copy to send.
    pub(super) fn give(&self, job: Job) {
        self.exclusive.set(job.is_exclusive());
        self.given.borrow_mut().push_back(job);
        self.wake();
    }

    /// Takes the first copy that was handed over.
    pub(super) fn take_job(&self) -> Option<Job> {
        self.given.borrow_mut().pop_front()
    }

    /// Takes the last copy that was handed over.
    pub(super) fn take_last_job(&self) -> Option<Job> {
        self.given.borrow_mut().pop_back()
    }

    /// Whether a copy was handed over that its task has not taken.
    pub(super) fn has_job(&self) -> bool {
        !self.given.borrow().is_empty()
    }

    pub(super) fn stop(&self, why: Stop) {
        self.stop.set(Some(why));
        self.wake();
    }

    /// Whether the connection has to stop. Its task is woken by that, and by a copy.
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
