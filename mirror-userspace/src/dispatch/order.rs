//! Which copy of a target is next.
//!
//! With [`Order::Connection`] each client connection that has work is a lane: one copy of it is
//! ready or being sent, the others wait behind it. A lane without work does not exist.

use std::collections::{HashMap, VecDeque};

use super::{config::Order, job::Job};
use crate::pipeline::ConnectionId;

/// The copies that wait for one target.
#[derive(Debug)]
pub(super) struct Queue {
    order: Order,
    /// May be sent now, first come first served.
    ready: VecDeque<Job>,
    /// Wait for the copy before them on the same client connection.
    lanes: HashMap<ConnectionId, VecDeque<Job>, foldhash::fast::RandomState>,
    len: usize,
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

    /// How many wait; those that were dropped in their place count until their turn comes.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Puts a copy at the end.
    pub(super) fn push(&mut self, job: Job) {
        self.len += 1;
        if self.order == Order::Connection {
            if let Some(behind) = self.lanes.get_mut(&job.connection) {
                behind.push_back(job);
                return;
            }
            self.lanes.insert(job.connection, VecDeque::new());
        }
        self.ready.push_back(job);
    }

    /// Puts back a copy that was taken and not sent after all.
    pub(super) fn push_front(&mut self, job: Job) {
        self.len += 1;
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

    /// The copy of this client connection that was taken is over: the one behind it is ready.
    pub(super) fn release(&mut self, connection: ConnectionId) {
        let Some(behind) = self.lanes.get_mut(&connection) else {
            return;
        };
        match behind.pop_front() {
            Some(next) => self.ready.push_back(next),
            None => drop(self.lanes.remove(&connection)),
        }
    }

    /// Takes out everything that waits.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        let mut drained = Vec::with_capacity(self.len);
        for behind in self.lanes.values_mut() {
            drained.extend(behind.drain(..));
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

    use super::*;
    use crate::{
        budget::Budget,
        dispatch::job::{Stream, Unwritten},
        pipeline::{CopyId, Expect, MirrorCopy, Persistence, Rest, TargetId},
        segment::Time,
    };

    /// A copy that is known again by its time.
    fn job(connection: u64, number: u64) -> (Job, Rc<Stream>) {
        let copy = MirrorCopy {
            id: CopyId(number),
            target: TargetId(0),
            connection: ConnectionId(connection),
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
