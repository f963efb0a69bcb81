//! What is remembered of connections that have ended, for a while.
//!
//! Their last segments may be sent again: without this memory, the copy of a request after its
//! connection's FIN would open a connection "in the middle" and be mirrored a second time.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use foldhash::fast::RandomState;

use super::{Close, Rest, beginning::Beginning};
use crate::{
    budget::{Budget, Reserved},
    segment::{FlowId, SeqNum, Time},
};

/// For how long an end is remembered: Linux's TIME-WAIT (`TCP_TIMEWAIT_LEN`), during which the server's kernel
/// drops such segments too.
pub(super) const TIME_WAIT: Duration = Duration::from_secs(60);
/// For how long it is remembered where a connection rests: longer than pools keep one that nobody uses.
pub(super) const REST: Duration = Duration::from_secs(24 * 3600);
/// How many: at 10 000 new connections a second, that still is longer than most retransmissions take.
const MOST: usize = 8192;
/// What one costs, in a ring and a hash map that double when they are full; the map once more when
/// half of its places are used up by removed entries.
const COST: usize = 416;

/// Where a stream ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departed {
    /// How it had come into view.
    pub(super) beginning: Beginning,
    /// The sequence number after its last.
    pub(super) next: SeqNum,
    /// Why the stream ended.
    pub(super) why: Close,
    /// Where its consumer stood.
    pub(super) rest: Option<Rest>,
    at: Time,
}

/// The connections that ended last.
#[derive(Debug)]
pub(super) struct Memory {
    ended: HashMap<FlowId, Departed, RandomState>,
    /// In the order in which they ended. Has entries that `ended` has dropped or replaced.
    order: VecDeque<(Time, FlowId)>,
    lasting: Duration,
    held: Reserved,
}

impl Memory {
    /// Remembers each connection for so long, or until others take its place.
    pub(super) fn new(lasting: Duration, budget: &Budget) -> Self {
        Self {
            ended: HashMap::default(),
            order: VecDeque::new(),
            lasting,
            held: budget.empty(),
        }
    }

    /// Remembers where a connection ended.
    pub(super) fn remember(
        &mut self,
        flow: FlowId,
        (beginning, next): (Beginning, SeqNum),
        (why, rest): (Close, Option<Rest>),
        at: Time,
    ) {
        while self
            .order
            .front()
            .is_some_and(|(then, _)| at.since(*then) >= self.lasting)
        {
            self.forget_oldest();
        }
        // The containers do not shrink, so what they have had room for stays charged.
        let charged = self.held.bytes() / COST;
        if self.order.len() >= MOST || (self.order.len() >= charged && !self.held.grow(COST)) {
            self.forget_oldest();
        }
        if self.order.len() * COST >= self.held.bytes() {
            return;
        }
        let departed = Departed {
            beginning,
            next,
            why,
            rest,
            at,
        };
        self.ended.insert(flow, departed);
        self.order.push_back((at, flow));
    }

    /// What is remembered of a 4-tuple.
    pub(super) fn recall(&self, flow: &FlowId, now: Time) -> Option<Departed> {
        let departed = self.ended.get(flow)?;
        (now.since(departed.at) < self.lasting).then_some(*departed)
    }

    /// Forgets a 4-tuple: it is used again.
    pub(super) fn forget(&mut self, flow: &FlowId) {
        self.ended.remove(flow);
    }

    fn forget_oldest(&mut self) {
        let Some((at, flow)) = self.order.pop_front() else {
            return;
        };
        if self
            .ended
            .get(&flow)
            .is_some_and(|departed| departed.at == at)
        {
            self.ended.remove(&flow);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn flow(port: u16) -> FlowId {
        let endpoint = SocketAddr::from(([10, 0, 0, 1], port)).into();
        FlowId {
            client: endpoint,
            server: endpoint,
            attachment: 0,
        }
    }

    fn remember(memory: &mut Memory, port: u16, seconds: u64) {
        let at = Time::default() + Duration::from_secs(seconds);
        let beginning = Beginning {
            seq: SeqNum(1),
            embryonic: false,
            at,
        };
        memory.remember(flow(port), (beginning, SeqNum(2)), (Close::Fin, None), at);
    }

    #[test]
    fn it_forgets_after_a_minute() {
        let mut memory = Memory::new(TIME_WAIT, &Budget::new(usize::MAX));
        remember(&mut memory, 1, 0);
        let after = |seconds| Time::default() + Duration::from_secs(seconds);
        assert!(memory.recall(&flow(1), after(59)).is_some());
        assert!(memory.recall(&flow(1), after(60)).is_none());
        remember(&mut memory, 2, 60);
        assert_eq!((memory.ended.len(), memory.order.len()), (1, 1));
    }

    #[test]
    fn it_keeps_the_last_ones_within_its_bounds() {
        let budget = Budget::new(3 * COST + COST / 2);
        let mut memory = Memory::new(TIME_WAIT, &budget);
        for port in 1..=9 {
            remember(&mut memory, port, 0);
            assert!(memory.order.len() <= 3 && budget.used() <= 3 * COST);
        }
        let known: Vec<u16> = (1..=9)
            .filter(|port| memory.recall(&flow(*port), Time::default()).is_some())
            .collect();
        assert_eq!(known, [7, 8, 9]);
        let mut none = Memory::new(TIME_WAIT, &Budget::new(COST - 1));
        remember(&mut none, 1, 0);
        assert!(none.order.is_empty());
    }
}
