//! Which copy of a target is next.
//!
//! With [`Order::Connection`] each client connection that has work is a lane: one copy of it is
//! ready or being sent, the others wait behind it. A lane without work does not exist. Where copies
//! may be pipelined, those behind may follow on the connection to the target that the ones before
//! are on: there they keep their order.

mod overlapping;

use std::collections::{HashMap, VecDeque};

use mirror_core::pipeline::ConnectionId;

use overlapping::Overlapping;

use super::Order;
use crate::{
    copy::{Copies, Job},
    ids::LinkId,
};

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

#[cfg(test)]
mod tests {
    use super::*;
    use mirror_core::{
        budget::Budget,
        pipeline::{
            CopyId, Effect, Expect, MirrorCopy, Persistence, RequestKey, Rest, TargetId, Wire,
        },
        segment::Time,
    };

    /// A copy that is known again by its time.
    fn job(copies: &mut Copies, connection: u64, number: u64) -> Job {
        copies.begin(copy(connection, number))
    }

    fn copy(connection: u64, number: u64) -> MirrorCopy {
        MirrorCopy {
            id: CopyId(number),
            target: TargetId(0),
            request: RequestKey {
                connection: ConnectionId(connection),
                number: 1,
            },
            at: Time::from_nanos(number),
            wire: Wire::Http1,
            pieces: Vec::new(),
            rest: Rest::Streamed,
            expect: Expect::Body,
            persistence: Persistence::Persistent,
            effect: Effect::Idempotent,
            reserved: Budget::new(0).empty(),
        }
    }

    pub(super) fn http2(copies: &mut Copies, connection: u64, number: u64, streamed: bool) -> Job {
        let mut copy = copy(connection, number);
        copy.rest = match streamed {
            true => Rest::Streamed,
            false => Rest::Complete,
        };
        copy.wire = Wire::Http2 { trailers: None };
        copy.request.number = u32::try_from(number).unwrap();
        copies.begin(copy)
    }

    fn pop(queue: &mut Queue, copies: &mut Copies) -> Option<(u64, u64)> {
        let job = queue.pop(copies)?;
        let popped = (job.connection.0, job.at.as_nanos());
        copies.end(job);
        Some(popped)
    }

    #[test]
    fn one_copy_of_a_connection_is_out_at_a_time() {
        let copies = &mut Copies::default();
        let mut queue = Queue::new(Order::Connection);
        for (connection, number) in [(1, 0), (1, 1), (2, 2), (1, 3)] {
            queue.push(job(copies, connection, number));
        }
        assert_eq!(pop(&mut queue, copies), Some((1, 0)));
        assert_eq!(pop(&mut queue, copies), Some((2, 2)));
        assert_eq!(pop(&mut queue, copies), None);
        queue.release(ConnectionId(1));
        assert_eq!(pop(&mut queue, copies), Some((1, 1)));
        queue.release(ConnectionId(2));
        assert_eq!(pop(&mut queue, copies), None);
        queue.release(ConnectionId(1));
        assert_eq!(pop(&mut queue, copies), Some((1, 3)));
        queue.release(ConnectionId(1));
        assert_eq!((queue.len(), queue.lanes.len()), (0, 0));
    }

    #[test]
    fn without_order_all_are_ready() {
        let copies = &mut Copies::default();
        let mut queue = Queue::new(Order::None);
        (0..3).for_each(|number| queue.push(job(copies, 1, number)));
        for number in 0..3 {
            assert_eq!(pop(&mut queue, copies), Some((1, number)));
        }
        queue.release(ConnectionId(1));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_dropped_copy_does_not_stop_its_lane() {
        let copies = &mut Copies::default();
        let mut queue = Queue::new(Order::Connection);
        for number in 0..3 {
            queue.push(job(copies, 1, number));
            if number < 2 {
                copies.drop_stream(CopyId(number));
            }
        }
        assert_eq!(pop(&mut queue, copies), Some((1, 2)));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn nobody_overtakes_one_that_waits_to_follow() {
        let copies = &mut Copies::default();
        let mut queue = Queue::new(Order::Connection);
        let (client, link) = (ConnectionId(1), LinkId { target: 0, slot: 0 });
        queue.push(job(copies, 1, 0));
        assert_eq!(pop(&mut queue, copies), Some((1, 0)));
        queue.handle_given(client, link);
        assert_eq!(queue.link_to_follow(client), Some(link));
        queue.push(job(copies, 1, 1));
        assert_eq!(queue.link_to_follow(client), None, "1 is first");
        let behind = queue.pop_behind(client, copies, |_| true).unwrap();
        assert_eq!(behind.at.as_nanos(), 1);
        copies.end(behind);
        assert_eq!(queue.link_to_follow(client), Some(link));
    }

    #[test]
    fn what_a_target_turned_away_goes_again_by_age() {
        let copies = &mut Copies::default();
        let mut queue = Queue::new(Order::Connection);
        for number in [0, 1, 2, 5] {
            queue.push(http2(copies, 1, number, false));
        }
        let taken = [0, 1, 2].map(|_| queue.pop_http2(copies, true).unwrap());
        for job in taken {
            queue.push_front(job);
        }
        queue.push(http2(copies, 2, 6, false));
        for number in [0, 1, 2, 5, 6] {
            let job = queue.pop_http2(copies, true).unwrap();
            assert_eq!(job.id, CopyId(number));
            copies.end(job);
        }
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn draining_leaves_the_lanes_that_are_being_sent() {
        let copies = &mut Copies::default();
        let mut queue = Queue::new(Order::Connection);
        for (connection, number) in [(1, 0), (1, 1), (2, 2), (2, 3)] {
            queue.push(job(copies, connection, number));
        }
        assert_eq!(pop(&mut queue, copies), Some((1, 0)));
        assert_eq!(queue.drain(copies, |_, _| {}), 3);
        assert_eq!((queue.len(), queue.lanes.len()), (0, 1));
        queue.push(job(copies, 1, 4));
        assert_eq!(pop(&mut queue, copies), None, "0 is still out");
        queue.release(ConnectionId(1));
        assert_eq!(pop(&mut queue, copies), Some((1, 4)));
    }
}
