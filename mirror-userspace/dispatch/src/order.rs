//! Which copy of a target is next.
//!
//! With [`Order::Connection`] each client connection that has work is a lane: one copy of it is
//! ready or being sent, the others wait behind it. A lane without work does not exist. Where copies
//! may be pipelined, those behind may follow on the connection to the target that the ones before
//! are on: there they keep their order.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use mirror_core::pipeline::ConnectionId;

use super::{config::Order, job::Job, seat::Seat};

/// The copies that wait for one target.
#[derive(Debug)]
pub(super) struct Queue {
    order: Order,
    /// Copies that may be sent now, first come, first served.
    ready: VecDeque<Job>,
    lanes: HashMap<ConnectionId, Lane, foldhash::fast::RandomState>,
    len: usize,
}

/// The copies of one client connection.
#[derive(Debug)]
struct Lane {
    /// How many copies are being sent on `seat`; without a seat, one is ready to be sent.
    ahead: usize,
    seat: Option<Rc<Seat>>,
    /// Copies that wait for those ahead.
    behind: VecDeque<Job>,
}

impl Lane {
    const fn of_one() -> Self {
        Self {
            ahead: 1,
            seat: None,
            behind: VecDeque::new(),
        }
    }
}

impl Queue {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            ready: VecDeque::new(),
            lanes: HashMap::default(),
            len: 0,
        }
    }

    /// How many copies wait. One that was dropped while it waited counts until its turn comes.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Appends a copy to the queue.
    pub(super) fn push(&mut self, job: Job) {
        self.len += 1;
        if self.order == Order::Connection {
            if let Some(lane) = self.lanes.get_mut(&job.connection) {
                lane.behind.push_back(job);
                return;
            }
            self.lanes.insert(job.connection, Lane::of_one());
        }
        self.ready.push_back(job);
    }

    /// Puts back a copy that was taken but not sent; of several of one client connection, the last one is
    /// put back first.
    pub(super) fn push_front(&mut self, job: Job) {
        self.len += 1;
        if let Some(lane) = self.lanes.get_mut(&job.connection) {
            if lane.ahead > 1 {
                lane.ahead -= 1;
                lane.behind.push_front(job);
                return;
            }
            lane.seat = None;
        }
        self.ready.push_front(job);
    }

    /// The next copy that may be sent.
    pub(super) fn pop(&mut self) -> Option<Job> {
        loop {
            let job = self.ready.pop_front()?;
            self.len -= 1;
            if !job.is_dropped() {
                return Some(job);
            }
            self.release(job.connection);
        }
    }

    /// A copy of this client connection is being sent on `seat`.
    pub(super) fn handle_given(&mut self, connection: ConnectionId, seat: &Rc<Seat>) {
        if let Some(lane) = self.lanes.get_mut(&connection) {
            lane.seat = Some(Rc::clone(seat));
        }
    }

    /// The connection on which a new copy of this client connection may directly follow those ahead of it.
    pub(super) fn seat_to_follow(&self, connection: ConnectionId) -> Option<&Rc<Seat>> {
        let lane = self.lanes.get(&connection)?;
        lane.seat.as_ref().filter(|_| lane.behind.is_empty())
    }

    /// Notes that a new copy of this client connection follows those ahead of it.
    pub(super) fn follow(&mut self, connection: ConnectionId) {
        if let Some(lane) = self.lanes.get_mut(&connection) {
            lane.ahead += 1;
        }
    }

    /// Takes the copy that waits behind those being sent of this client connection, if it `fits`: it
    /// follows them.
    pub(super) fn pop_behind(
        &mut self,
        connection: ConnectionId,
        fits: impl Fn(&Job) -> bool,
    ) -> Option<Job> {
        let lane = self.lanes.get_mut(&connection)?;
        lane.seat.as_ref()?;
        loop {
            let job = lane
                .behind
                .pop_front_if(|job| job.is_dropped() || fits(job))?;
            self.len -= 1;
            if !job.is_dropped() {
                lane.ahead += 1;
                return Some(job);
            }
        }
    }

    /// Notes that a copy of this client connection has ended: once none is ahead, the next one is ready.
    pub(super) fn release(&mut self, connection: ConnectionId) {
        let Some(lane) = self.lanes.get_mut(&connection) else {
            return;
        };
        if lane.ahead > 1 {
            lane.ahead -= 1;
            return;
        }
        lane.seat = None;
        match lane.behind.pop_front() {
            Some(next) => self.ready.push_back(next),
            None => drop(self.lanes.remove(&connection)),
        }
    }

    /// Removes all copies that wait.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        let mut drained = Vec::with_capacity(self.len);
        for lane in self.lanes.values_mut() {
            drained.extend(lane.behind.drain(..));
        }
        for job in self.ready.drain(..) {
            self.lanes.remove(&job.connection);
            drained.push(job);
        }
        self.len = 0;
        drained.retain(|job| !job.is_dropped());
        drained
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use mirror_core::{
        budget::Budget,
        pipeline::{CopyId, Expect, MirrorCopy, Persistence, RequestKey, Rest, TargetId},
        segment::Time,
    };

    use super::*;
    use crate::job::{Stream, Unwritten};

    /// A copy that is known again by its time.
    fn job(connection: u64, number: u64) -> (Job, Rc<Stream>) {
        let copy = MirrorCopy {
            id: CopyId(number),
            target: TargetId(0),
            request: RequestKey {
                connection: ConnectionId(connection),
                number: 1,
            },
            at: Time::from_nanos(number),
            pieces: Vec::new(),
            rest: Rest::Streamed,
            expect: Expect::Body,
            persistence: Persistence::Persistent,
            reserved: Budget::new(0).empty(),
        };
        let (job, stream) = Job::new(copy, &Unwritten::default());
        (job, stream.unwrap())
    }

    fn pop(queue: &mut Queue) -> Option<(u64, u64)> {
        queue.pop().map(|job| (job.connection.0, job.at.as_nanos()))
    }

    #[test]
    fn one_copy_of_a_connection_is_out_at_a_time() {
        let mut queue = Queue::new(Order::Connection);
        for (connection, number) in [(1, 0), (1, 1), (2, 2), (1, 3)] {
            queue.push(job(connection, number).0);
        }
        assert_eq!(pop(&mut queue), Some((1, 0)));
        assert_eq!(pop(&mut queue), Some((2, 2)));
        assert_eq!(pop(&mut queue), None);
        queue.release(ConnectionId(1));
        assert_eq!(pop(&mut queue), Some((1, 1)));
        queue.release(ConnectionId(2));
        assert_eq!(pop(&mut queue), None);
        queue.release(ConnectionId(1));
        assert_eq!(pop(&mut queue), Some((1, 3)));
        queue.release(ConnectionId(1));
        assert_eq!((queue.len(), queue.lanes.len()), (0, 0));
    }

    #[test]
    fn without_order_all_are_ready() {
        let mut queue = Queue::new(Order::None);
        (0..3).for_each(|number| queue.push(job(1, number).0));
        for number in 0..3 {
            assert_eq!(pop(&mut queue), Some((1, number)));
        }
        queue.release(ConnectionId(1));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_dropped_copy_does_not_stop_its_lane() {
        let mut queue = Queue::new(Order::Connection);
        for number in 0..3 {
            let (job, stream) = job(1, number);
            if number < 2 {
                stream.end();
            }
            queue.push(job);
        }
        assert_eq!(pop(&mut queue), Some((1, 2)));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn draining_leaves_the_lanes_that_are_being_sent() {
        let mut queue = Queue::new(Order::Connection);
        for (connection, number) in [(1, 0), (1, 1), (2, 2), (2, 3)] {
            queue.push(job(connection, number).0);
        }
        assert_eq!(pop(&mut queue), Some((1, 0)));
        assert_eq!(queue.drain().len(), 3);
        assert_eq!((queue.len(), queue.lanes.len()), (0, 1));
        queue.push(job(1, 4).0);
        assert_eq!(pop(&mut queue), None, "0 is still out");
        queue.release(ConnectionId(1));
        assert_eq!(pop(&mut queue), Some((1, 4)));
    }
}
