//! The addresses that a target stands for, and which of them the next copy goes to.
//!
//! Of two addresses drawn at random, the less busy one gets the copy ("power of two choices",
//! Mitzenmacher 2001). That is nearly as even as comparing all of them, and shards, which know nothing
//! of each other, do not all choose the same one. An address that fails is avoided while there are
//! others. After a wait, one copy probes it: a failed probe doubles the wait, any answer ends it. When
//! no address is healthy, copies go to the unhealthy ones, and failures count against the target, whose
//! own breaker decides when to leave it alone altogether.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    net::SocketAddr,
    rc::Rc,
};

use mirror_core::segment::Time;

use super::{
    Clock,
    breaker::{Breaker, Limits, Tripped},
    random::Random,
    seat::Seat,
};

/// One of the addresses that a target stands for.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) socket: SocketAddr,
    /// Whether the target no longer has this address: its connections are then not used again.
    pub(super) gone: Cell<bool>,
    /// Copies in flight to this address.
    pub(super) busy: Cell<usize>,
    connections: Cell<usize>,
    /// Free connections, the most recently used one last.
    pub(super) idle: RefCell<Vec<Rc<Seat>>>,
    /// The connection that was given a copy last, if copies may be pipelined.
    pub(super) gathering: RefCell<Option<Rc<Seat>>>,
    breaker: RefCell<Breaker>,
}

impl Address {
    fn new(socket: SocketAddr, avoid: Limits) -> Rc<Self> {
        Rc::new(Self {
            socket,
            gone: Cell::default(),
            busy: Cell::default(),
            connections: Cell::default(),
            idle: RefCell::default(),
            gathering: RefCell::default(),
            breaker: RefCell::new(Breaker::new(avoid)),
        })
    }

    /// How many connections there are to it.
    pub(super) const fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Counts a connection to this address, open or about to be.
    pub(super) fn open(&self) {
        self.connections.set(self.connections.get() + 1);
    }

    /// Counts a connection to this address as closed.
    pub(super) fn close(&self) {
        self.connections
            .set(self.connections.get().saturating_sub(1));
    }

    /// Counts a copy that is sent to this address; it is the probe, if one is due.
    pub(super) fn begin(&self, clock: Clock) {
        self.busy.set(self.busy.get() + 1);
        let mut breaker = self.breaker.borrow_mut();
        if !breaker.is_closed() {
            breaker.admit(clock());
        }
    }

    /// A copy that went there is over.
    pub(super) fn end(&self) {
        self.busy.set(self.busy.get().saturating_sub(1));
    }

    /// A copy went there and says nothing of it.
    pub(super) fn handle_no_verdict(&self, now: Time) {
        self.breaker.borrow_mut().handle_no_verdict(now);
    }

    /// Whether the address works, as far as is known.
    pub(super) fn is_healthy(&self) -> bool {
        self.breaker.borrow().is_closed()
    }
}

/// The addresses of one target.
#[derive(Debug)]
pub(super) struct Addresses {
    avoid: Limits,
    random: Random,
    /// Addresses that work, as far as is known.
    healthy: Vec<Rc<Address>>,
    /// Addresses that failed, and are avoided for a while.
    avoided: Vec<Rc<Address>>,
}

impl Addresses {
    pub(super) const fn new(avoid: Limits, seed: u64) -> Self {
        Self {
            avoid,
            random: Random::new(seed),
            healthy: Vec::new(),
            avoided: Vec::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.healthy.len() + self.avoided.len()
    }

    /// The healthy ones first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Address>> {
        self.healthy.iter().chain(&self.avoided)
    }

    /// Replaces all addresses. Those that stay keep what is known of them; returns those that are gone.
    pub(super) fn replace(&mut self, sockets: &[SocketAddr]) -> Vec<Rc<Address>> {
        let mut known: HashMap<_, _> = self
            .healthy
            .drain(..)
            .chain(self.avoided.drain(..))
            .map(|address| (address.socket, address))
            .collect();
        let mut seen = HashSet::with_capacity(sockets.len());
        for socket in sockets.iter().filter(|socket| seen.insert(**socket)) {
            let address = known.remove(socket);
            let address = address.unwrap_or_else(|| Address::new(*socket, self.avoid));
            if address.is_healthy() {
                self.healthy.push(address);
            } else {
                self.avoided.push(address);
            }
        }
        let gone: Vec<_> = known.into_values().collect();
        gone.iter().for_each(|address| address.gone.set(true));
        gone
    }

    /// The address for the next copy: one that is due for a probe, else a healthy one, if there is any.
    pub(super) fn choose(&mut self, clock: Clock) -> Option<Rc<Address>> {
        if self.avoided.is_empty() {
            return self.choose_healthy();
        }
        let now = clock();
        let to_probe = |address: &&Rc<Address>| address.breaker.borrow().is_due(now);
        if let Some(address) = self.avoided.iter().find(to_probe) {
            return Some(Rc::clone(address));
        }
        self.choose_healthy()
            .or_else(|| less_busy(&mut self.random, &self.avoided))
    }

    /// A healthy address, if there is any.
    pub(super) fn choose_healthy(&mut self) -> Option<Rc<Address>> {
        less_busy(&mut self.random, &self.healthy)
    }

    /// Whether one besides `address` is healthy.
    pub(super) fn has_other(&self, address: &Rc<Address>) -> bool {
        let mut healthy = self.healthy.iter();
        healthy.any(|other| !Rc::ptr_eq(other, address))
    }

    /// Whether the next copy should not go to `address`, where one has just ended: an address drawn at
    /// random would be less busy, even with that copy.
    pub(super) fn is_crowded(&mut self, address: &Address) -> bool {
        if self.healthy.len() < 2 {
            return false;
        }
        let drawn = self.random.below(self.healthy.len());
        let other = self.healthy.get(drawn);
        other.is_some_and(|other| other.busy.get() + 1 < address.busy.get())
    }

    /// Notes that a copy to this address was answered.
    pub(super) fn handle_answer(&mut self, address: &Rc<Address>) {
        let was_healthy = address.is_healthy();
        address.breaker.borrow_mut().handle_answer();
        if !was_healthy {
            shift(&mut self.avoided, &mut self.healthy, address);
        }
    }

    /// Notes a failure of this address. Returns whether the address is avoided from now on, or for longer;
    /// a target's only address never is.
    pub(super) fn handle_failure(&mut self, address: &Rc<Address>, now: Time) -> Tripped {
        if self.len() < 2 || address.gone.get() {
            // Whether or not it was probed, the next copy goes there again.
            address.handle_no_verdict(now);
            return Tripped::No;
        }
        let tripped = address.breaker.borrow_mut().handle_failure(now);
        if tripped == Tripped::Yes {
            shift(&mut self.healthy, &mut self.avoided, address);
        }
        tripped
    }
}

/// The less busy of two addresses drawn at random.
fn less_busy(random: &mut Random, among: &[Rc<Address>]) -> Option<Rc<Address>> {
    let count = among.len();
    if count < 2 {
        return among.first().map(Rc::clone);
    }
    let first = random.below(count);
    // Any address but the first.
    let second = (first + 1 + random.below(count - 1)) % count;
    let (first, second) = (among.get(first)?, among.get(second)?);
    let chosen = if second.busy.get() < first.busy.get() {
        second
    } else {
        first
    };
    Some(Rc::clone(chosen))
}

/// Moves `address` from one list to the other, if it is there.
fn shift(from: &mut Vec<Rc<Address>>, to: &mut Vec<Rc<Address>>, address: &Rc<Address>) {
    if let Some(at) = from.iter().position(|other| Rc::ptr_eq(other, address)) {
        to.push(from.swap_remove(at));
    }
}

#[cfg(test)]
mod tests;
