//! Which copy of a target is next.
//!
//! With [`Order::Connection`] each client connection that has work is a lane: one copy of it is
//! ready or being sent, the others wait behind it. A lane without work does not exist. Where copies
//! may be pipelined, those behind may follow on the connection to the target that the ones before
//! are on: there they keep their order.

mod overlapping;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use mirror_core::pipeline::ConnectionId;

use super::Order;
use crate::{
    copy::{Copies, Job},
    ids::LinkId,
};
use overlapping::Overlapping;

/// The copies that wait for one target.
#[derive(Debug)]
pub(super) struct Queue {
    order: Order,
    /// May be sent now, first come first served.
    ready: VecDeque<Job>,
    /// Those in HTTP/2.
    http2: Overlapping,
    lanes: HashMap<ConnectionId, Lane, foldhash::fast::RandomState>,
    len: usize,
}

/// The copies of one client connection.
#[derive(Debug)]
struct Lane {
    /// So many are being sent, on `link`; if that is none, one is ready.
    ahead: usize,
    link: Option<LinkId>,
    /// Wait for those ahead.
    behind: VecDeque<Job>,
}

impl Lane {
    const fn of_one() -> Self {
        Self {
            ahead: 1,
            link: None,
            behind: VecDeque::new(),
        }
    }
}

impl Queue {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            ready: VecDeque::new(),
            http2: Overlapping::default(),
            lanes: HashMap::default(),
            len: 0,
        }
    }

    /// How many wait for nothing but a connection.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many wait; those that were dropped in their place count until their turn comes.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits, and nothing that was taken is under way.
    #[cfg(debug_assertions)]
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && !self.has_http2() && self.lanes.is_empty()
    }

    /// All that wait, in no particular order.
    #[cfg(debug_assertions)]
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        let behind = self.lanes.values().flat_map(|lane| &lane.behind);
        self.ready.iter().chain(self.http2.jobs()).chain(behind)
    }

    /// Puts a copy at the end.
    pub(super) fn push(&mut self, job: Job) {
        self.len += 1;
        if job.is_http2() {
            return self.http2.push(job);
        }
        if self.order == Order::Connection {
            if let Some(lane) = self.lanes.get_mut(&job.connection) {
                lane.behind.push_back(job);
                return;
            }
            self.lanes.insert(job.connection, Lane::of_one());
        }
        self.ready.push_back(job);
    }

    /// Puts back a copy that was taken and not sent after all; of several of a client connection
    /// the last one first, in HTTP/2 in any order.
    pub(super) fn push_front(&mut self, job: Job) {
        self.len += 1;
        if job.is_http2() {
            return self.http2.push(job);
        }
        if let Some(lane) = self.lanes.get_mut(&job.connection) {
            if lane.ahead > 1 {
                lane.ahead -= 1;
                lane.behind.push_front(job);
                return;
            }
            lane.link = None;
        }
        self.ready.push_front(job);
    }

    /// The next copy that may be sent.
    pub(super) fn pop(&mut self, copies: &mut Copies) -> Option<Job> {
        loop {
            let job = self.ready.pop_front()?;
            self.len -= 1;
            if !copies.is_dropped(&job) {
                return Some(job);
            }
            self.release(job.connection);
            copies.end(job);
        }
    }

    /// Whether copies in HTTP/2 wait.
    #[inline]
    pub(super) fn has_http2(&self) -> bool {
        !self.http2.is_empty()
    }

    /// How many in HTTP/2 wait that are open-ended.
    pub(super) fn open_ended(&self) -> usize {
        self.http2.open_ended()
    }

    /// The next copy that may be sent in HTTP/2: the oldest, or the oldest whose end is there.
    pub(super) fn pop_http2(&mut self, copies: &mut Copies, open_ended: bool) -> Option<Job> {
        loop {
            let job = self.http2.pop(open_ended)?;
            self.len -= 1;
            if !copies.is_dropped(&job) {
                return Some(job);
            }
            copies.end(job);
        }
    }

    /// A copy of this client connection is being sent on `link`.
    pub(super) fn handle_given(&mut self, connection: ConnectionId, link: LinkId) {
        if let Some(lane) = self.lanes.get_mut(&connection) {
            lane.link = Some(link);
        }
    }

    /// Whether the next copy waits for a connection that has nothing to do. Until it has one, no copy
    /// follows others, or there might never be such a connection.
    fn is_held_up(&self) -> bool {
        self.ready.front().is_some_and(Job::is_exclusive)
    }

    /// Where a new copy of this client connection may follow those ahead of it, with none between.
    pub(super) fn link_to_follow(&self, connection: ConnectionId) -> Option<LinkId> {
        if self.is_held_up() {
            return None;
        }
        let lane = self.lanes.get(&connection)?;
        lane.link.filter(|_| lane.behind.is_empty())
    }

    /// It does follow them.
    pub(super) fn follow(&mut self, connection: ConnectionId) {
        if let Some(lane) = self.lanes.get_mut(&connection) {
            lane.ahead += 1;
        }
    }

    /// The copy that waits behind those being sent of this client connection, to follow them, if
    /// it `fits`.
    pub(super) fn pop_behind(
        &mut self,
        connection: ConnectionId,
        copies: &mut Copies,
        fits: impl Fn(&Job) -> bool,
    ) -> Option<Job> {
        if self.is_held_up() {
            return None;
        }
        let lane = self.lanes.get_mut(&connection)?;
        lane.link?;
        loop {
            let job = lane
                .behind
                .pop_front_if(|job| copies.is_dropped(job) || fits(job))?;
            self.len -= 1;
            if !copies.is_dropped(&job) {
                lane.ahead += 1;
                return Some(job);
            }
            copies.end(job);
        }
    }

    /// A copy of this client connection that was taken is over: without another one ahead, the one
    /// behind it is ready.
    pub(super) fn release(&mut self, connection: ConnectionId) {
        let Some(lane) = self.lanes.get_mut(&connection) else {
            return;
        };
        if lane.ahead > 1 {
            lane.ahead -= 1;
            return;
        }
        lane.link = None;
        match lane.behind.pop_front() {
            Some(next) => self.ready.push_back(next),
            None => drop(self.lanes.remove(&connection)),
        }
    }

    /// Drops everything that waits, and lets each be seen; how many that were, without those that were dropped in
    /// their place.
    pub(super) fn drain(&mut self, copies: &mut Copies, mut see: impl FnMut(&Copies, &Job)) -> u64 {
        let mut dropped = 0;
        let mut drop = |job| {
            if !copies.is_dropped(&job) {
                dropped += 1;
                see(copies, &job);
            }
            copies.end(job);
        };
        for lane in self.lanes.values_mut() {
            lane.behind.drain(..).for_each(&mut drop);
        }
        self.http2.drain().for_each(&mut drop);
        for job in self.ready.drain(..) {
            self.lanes.remove(&job.connection);
            drop(job);
        }
        self.len = 0;
        dropped
    }
}
