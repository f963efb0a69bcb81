//! The endpoints that a target stands for, and which of them the next copy goes to.
//!
//! Of two endpoints drawn at random, the less busy one gets the copy ("power of two choices",
//! Mitzenmacher 2001). That is nearly as even as comparing all of them, and shards, which know nothing
//! of each other, do not all choose the same one. An endpoint that fails is avoided while there are
//! others. After a wait, one copy probes it: a failed probe doubles the wait, any answer ends it. When
//! no endpoint is healthy, copies go to the unhealthy ones, and failures count against the target, whose
//! own breaker decides when to leave it alone altogether.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use mirror_core::{random::Random, segment::Time};
use slab::Slab;

use super::{
    breaker::{Breaker, Limits, Tripped},
    pace::Pace,
};
use crate::ids::LinkId;

/// An endpoint, as long as the target stands for it or has a connection to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EndpointId(usize);

/// One of the endpoints that a target stands for.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) socket: SocketAddr,
    /// The target does not stand for it any more: its connections are not used again.
    gone: bool,
    /// Copies given to connections of this endpoint that have not ended yet.
    busy: usize,
    connections: usize,
    /// When it answered last.
    answered: Option<Time>,
    /// Connections that are free, the last used one last.
    pub(super) idle: Vec<LinkId>,
    /// Connections in HTTP/2, in use or not, that may be given copies.
    pub(super) sessions: Vec<LinkId>,
    /// The connection that was given a copy last, if copies may be pipelined.
    pub(super) gathering: Option<LinkId>,
    /// How many copies it takes on a connection.
    pub(super) pace: Pace,
    breaker: Breaker,
}

impl Endpoint {
    /// Whether it works, as far as is known, and is still the target's.
    pub(super) const fn is_usable(&self) -> bool {
        self.breaker.is_closed() && !self.gone
    }

    /// A connection to it is not to be used for a next copy.
    pub(super) fn withdraw(&mut self, link: LinkId) {
        self.idle.retain(|other| *other != link);
        self.sessions.retain(|other| *other != link);
        if self.gathering == Some(link) {
            self.gathering = None;
        }
        self.pace.withdraw(link);
    }
}

/// The endpoints of one target.
#[derive(Debug)]
pub(super) struct Endpoints {
    avoid: Limits,
    random: Random,
    all: Slab<Endpoint>,
    /// They work, as far as is known.
    healthy: Vec<EndpointId>,
    /// Endpoints that failed and are left alone for a while.
    avoided: Vec<EndpointId>,
    /// Whether they were replaced, and nobody has asked.
    changed: bool,
}

impl Endpoints {
    pub(super) const fn new(avoid: Limits, seed: u64) -> Self {
        Self {
            avoid,
            random: Random::new(seed),
            all: Slab::new(),
            healthy: Vec::new(),
            avoided: Vec::new(),
            changed: false,
        }
    }

    /// How many the target stands for.
    pub(super) const fn len(&self) -> usize {
        self.healthy.len() + self.avoided.len()
    }

    /// Whether others are there than when this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Those that the target stands for, the healthy ones first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        let all = self.healthy.iter().chain(&self.avoided);
        all.filter_map(|id| Some((*id, self.get(*id)?)))
    }

    #[inline]
    pub(super) fn get(&self, id: EndpointId) -> Option<&Endpoint> {
        self.all.get(id.0)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: EndpointId) -> Option<&mut Endpoint> {
        self.all.get_mut(id.0)
    }

    /// Looks whether all is as it must be. `used`: connections to one, and the copies on them.
    #[cfg(debug_assertions)]
    pub(super) fn audit(&self, used: impl Fn(EndpointId) -> (usize, usize)) {
        for (slot, endpoint) in &self.all {
            let id = EndpointId(slot);
            assert_eq!(
                (endpoint.connections, endpoint.busy),
                used(id),
                "{endpoint:?}"
            );
            let healthy = self.healthy.contains(&id);
            assert!(!(healthy && self.avoided.contains(&id)), "in both lists");
            let listed = healthy || self.avoided.contains(&id);
            assert_ne!(listed, endpoint.gone, "{endpoint:?}");
            assert!(
                !listed || healthy == endpoint.breaker.is_closed(),
                "{endpoint:?}"
            );
        }
    }

    /// Replaces them all. One that stays keeps what is known of it; returns the free connections to
    /// those that are gone, and all in HTTP/2.
    pub(super) fn replace(&mut self, sockets: &[SocketAddr]) -> Vec<LinkId> {
        self.changed = true;
        let before = self.healthy.drain(..).chain(self.avoided.drain(..));
        let mut known: HashMap<_, _> = before
            .filter_map(|id| Some((self.all.get(id.0)?.socket, id)))
            .collect();
        let mut seen = HashSet::with_capacity(sockets.len());
        for socket in sockets.iter().filter(|socket| seen.insert(**socket)) {
            let id = known.remove(socket).unwrap_or_else(|| self.add(*socket));
            if self.is_healthy(id) {
                self.healthy.push(id);
            } else {
                self.avoided.push(id);
            }
        }
        let mut idle = Vec::new();
        for id in known.into_values() {
            if let Some(endpoint) = self.get_mut(id) {
                endpoint.gone = true;
                idle.append(&mut endpoint.idle);
                idle.append(&mut endpoint.sessions);
            }
            self.remove_if_unused(id);
        }
        idle
    }

    fn add(&mut self, socket: SocketAddr) -> EndpointId {
        EndpointId(self.all.insert(Endpoint {
            socket,
            gone: false,
            busy: 0,
            connections: 0,
            answered: None,
            idle: Vec::new(),
            sessions: Vec::new(),
            gathering: None,
            pace: Pace::default(),
            breaker: Breaker::new(self.avoid),
        }))
    }

    /// Where the next copy goes: to one that is to be probed, else to a healthy one, if there is
    /// one.
    #[inline]
    pub(super) fn choose(&mut self, now: Time) -> Option<EndpointId> {
        let Self { all, avoided, .. } = self;
        let to_probe = |id: &&EndpointId| {
            let endpoint = all.get(id.0);
            endpoint.is_some_and(|endpoint| endpoint.breaker.is_due(now))
        };
        if let Some(id) = avoided.iter().find(to_probe) {
            return Some(*id);
        }
        self.choose_healthy()
            .or_else(|| less_busy(&mut self.random, &self.all, &self.avoided))
    }

    /// A healthy one, if there is one.
    pub(super) fn choose_healthy(&mut self) -> Option<EndpointId> {
        less_busy(&mut self.random, &self.all, &self.healthy)
    }

    /// Whether one besides this is healthy.
    pub(super) fn has_other(&self, id: EndpointId) -> bool {
        self.healthy.iter().any(|other| *other != id)
    }

    /// Copies under way at a healthy one drawn at random, if there are several.
    #[inline]
    fn draw(&mut self) -> Option<usize> {
        if self.healthy.len() < 2 {
            return None;
        }
        let drawn = self.random.below(self.healthy.len());
        self.healthy.get(drawn).map(|other| self.busy(*other))
    }

    /// Whether a copy had better go to another one than to this, where one has just ended: one drawn
    /// at random would still be less busy with it.
    #[inline]
    pub(super) fn is_crowded(&mut self, id: EndpointId) -> bool {
        self.draw().is_some_and(|other| other + 1 < self.busy(id))
    }

    /// The same where connections have many copies, and some more or less are nothing.
    #[inline]
    pub(super) fn is_very_crowded(&mut self, id: EndpointId) -> bool {
        self.draw()
            .is_some_and(|other| other + other / 2 + 1 < self.busy(id))
    }

    /// Whether it works, as far as is known.
    fn is_healthy(&self, id: EndpointId) -> bool {
        self.get(id).is_some_and(|one| one.breaker.is_closed())
    }

    /// Whether the target does not stand for it any more.
    pub(super) fn is_gone(&self, id: EndpointId) -> bool {
        self.get(id).is_none_or(|endpoint| endpoint.gone)
    }

    /// Copies under way there.
    pub(super) fn busy(&self, id: EndpointId) -> usize {
        self.get(id).map_or(0, |endpoint| endpoint.busy)
    }

    /// How many connections there are to it.
    pub(super) fn connections(&self, id: EndpointId) -> usize {
        self.get(id).map_or(0, |endpoint| endpoint.connections)
    }

    /// There is a connection to it, or will be, with so many copies under way.
    pub(super) fn open(&mut self, id: EndpointId, copies: usize) {
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.connections += 1;
            endpoint.busy += copies;
        }
    }

    /// A connection to it is no more, or is another one's, with so many copies under way.
    pub(super) fn close(&mut self, id: EndpointId, copies: usize) {
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.connections = endpoint.connections.saturating_sub(1);
            endpoint.busy = endpoint.busy.saturating_sub(copies);
        }
        self.remove_if_unused(id);
    }

    fn remove_if_unused(&mut self, id: EndpointId) {
        let unused = |endpoint: &Endpoint| endpoint.gone && endpoint.connections == 0;
        if self.get(id).is_some_and(unused) {
            self.all.try_remove(id.0);
        }
    }

    /// A copy goes there: the probe, if it is time for one.
    #[inline]
    pub(super) fn begin(&mut self, id: EndpointId, now: Time) {
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.busy += 1;
            endpoint.breaker.admit(now);
        }
    }

    /// How many copies each takes on a connection.
    pub(super) fn paces(&mut self) -> impl Iterator<Item = &mut Pace> {
        self.all.iter_mut().map(|(_, endpoint)| &mut endpoint.pace)
    }

    /// A copy that went there is over.
    #[inline]
    pub(super) fn end(&mut self, id: EndpointId) {
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.busy = endpoint.busy.saturating_sub(1);
        }
    }

    /// A copy went there and says nothing of it.
    pub(super) fn handle_no_verdict(&mut self, id: EndpointId, now: Time) {
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.breaker.handle_no_verdict(now);
        }
    }

    /// The endpoint answered: it is healthy again.
    #[inline]
    pub(super) fn handle_answer(&mut self, id: EndpointId, now: Time) {
        let was_healthy = self.is_healthy(id);
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.answered = Some(now);
            endpoint.breaker.handle_answer();
        }
        if !was_healthy {
            shift(&mut self.avoided, &mut self.healthy, id);
        }
    }

    /// Whether it has answered since.
    pub(super) fn has_answered_since(&self, id: EndpointId, since: Time) -> bool {
        let answered = self.get(id).and_then(|endpoint| endpoint.answered);
        answered.is_some_and(|answered| answered > since)
    }

    /// It failed; whether it is avoided from now on, or for longer. One that is the only one is not.
    pub(super) fn handle_failure(&mut self, id: EndpointId, now: Time) -> Tripped {
        let is_only = self.len() < 2;
        let Some(endpoint) = self.all.get_mut(id.0) else {
            return Tripped::No;
        };
        if is_only || endpoint.gone {
            // Probed or not, the next copy goes there again.
            endpoint.breaker.handle_no_verdict(now);
            return Tripped::No;
        }
        let tripped = endpoint.breaker.handle_failure(now);
        if tripped == Tripped::Yes {
            shift(&mut self.healthy, &mut self.avoided, id);
        }
        tripped
    }
}

/// Of two drawn at random the less busy one.
fn less_busy(
    random: &mut Random,
    all: &Slab<Endpoint>,
    among: &[EndpointId],
) -> Option<EndpointId> {
    let count = among.len();
    if count < 2 {
        return among.first().copied();
    }
    let first = random.below(count);
    // Any of the others.
    let second = (first + 1 + random.below(count - 1)) % count;
    let (first, second) = (*among.get(first)?, *among.get(second)?);
    let second_is_less = all.get(second.0)?.busy < all.get(first.0)?.busy;
    Some(if second_is_less { second } else { first })
}

/// Moves it over, if it is there.
fn shift(from: &mut Vec<EndpointId>, to: &mut Vec<EndpointId>, id: EndpointId) {
    if let Some(at) = from.iter().position(|other| *other == id) {
        to.push(from.swap_remove(at));
    }
}

#[cfg(test)]
mod tests;
