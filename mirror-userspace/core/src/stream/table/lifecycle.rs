//! How connections begin and end.

use std::hash::BuildHasher;

use super::{Connection, FlowTable};
use crate::{
    segment::{Segment, SeqNum, Time},
    stream::{
        Close, Consumer, Rest, StreamEvent,
        assembler::{Assembler, Context, Progress},
        beginning::Beginning,
        chain::Links,
        slab::Key,
        work,
    },
};

/// How a connection comes into view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Its SYN was seen: the stream starts at its first byte.
    Syn,
    /// A SYN with this sequence number's predecessor was seen before, and data follows it.
    Proposed(SeqNum),
    /// In the middle, with this sequence number as the first.
    Middle(SeqNum),
    /// Where it rested, or before the boundary that it rested before, with this sequence number.
    Rest(SeqNum, Rest),
}

/// What the server's kernel has already is of before the attach: another podmirror may have copied it, as one that hands
/// over does, and it is only sent again.
fn start_in_the_middle(segment: &Segment<'_>) -> Option<Start> {
    let end = segment.seq + segment.wire_len;
    match segment.expected {
        Some(expected) if !expected.precedes(end) => None,
        Some(expected) if segment.seq.precedes(expected) => Some(Start::Middle(expected)),
        _ => Some(Start::Middle(segment.seq)),
    }
}

impl<T: Consumer> FlowTable<T> {
    /// Whether a SYN is the one that the connection began with, sent again or read late.
    pub(super) fn is_its_syn(&self, key: Key, syn: &Segment<'_>) -> bool {
        let connection = self.connections.get(key);
        connection.is_some_and(|known| known.beginning.is_of(syn))
    }

    /// Notes that a SYN proposes another stream for a connection's 4-tuple.
    pub(super) fn propose(&mut self, key: Key, syn: &Segment<'_>) {
        self.counters.proposed += 1;
        if let Some(known) = self.connections.get_mut(key) {
            known.proposed = Some(syn.payload_seq());
        }
    }

    /// Where the proposed stream starts, if this segment has its data.
    pub(super) fn is_of_proposed(&self, key: Key, segment: &Segment<'_>) -> Option<SeqNum> {
        let known = self.connections.get(key)?;
        let first = known.proposed?;
        let is_it = segment.wire_len > 0 && known.assembler.is_of_proposed(first, segment);
        is_it.then_some(first)
    }

    /// Whether, and how, a segment of an unknown connection opens one. What has no payload and is
    /// no SYN tells of a connection that is ending, or idle: not worth a place in the table.
    pub(super) fn start_of_unknown(&mut self, now: Time, segment: &Segment<'_>) -> Option<Start> {
        let resting = self.resting.recall(&segment.flow, now);
        let departed = resting.or_else(|| self.departed.recall(&segment.flow, now));
        let start = match departed {
            _ if segment.flags.rst() => None,
            None if segment.flags.syn() => Some(Start::Syn),
            Some(departed) if segment.flags.syn() => {
                (!departed.beginning.is_of(segment)).then_some(Start::Syn)
            }
            _ if segment.wire_len == 0 => None,
            None => start_in_the_middle(segment),
            Some(departed) if departed.why == Close::Fin => None,
            // Evicted, or reset by an RST that the server may not have believed: what is new on it
            // is picked up, what is old is not delivered twice.
            Some(departed) => {
                let is_new = departed.next.precedes(segment.seq + segment.wire_len);
                let all_new = !segment.seq.precedes(departed.next);
                let first = if all_new { segment.seq } else { departed.next };
                let missed = u64::try_from(first.distance_from(departed.next)).unwrap_or(0);
                let rest = match departed.rest {
                    Some(Rest::Before(bytes)) => bytes.checked_sub(missed).map(Rest::Before),
                    rest => rest.filter(|_| missed == 0),
                };
                let start = match rest {
                    Some(rest) => Start::Rest(first, rest),
                    None => Start::Middle(first),
                };
                is_new.then_some(start)
            }
        };
        if start.is_none() {
            match departed {
                Some(_) => self.counters.late_segments += 1,
                None => self.counters.unknown_segments += 1,
            }
        }
        start
    }

    /// Closes a connection. Holes are given up; at a reset, only those that the server acknowledged past, if
    /// it was heard: it will never read what stands behind the others.
    pub(super) fn close(
        &mut self,
        now: Time,
        key: Key,
        why: Close,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        let Some(mut connection) = self.detach(key) else {
            return;
        };
        let assembler = &mut connection.assembler;
        let mut context = Context {
            now,
            limits: &self.limits,
            room: &self.room,
            counters: &mut self.counters,
        };
        let mut emit = |event: StreamEvent<'_>| deliver(&mut connection.state, event);
        let why = match assembler.give_up_all(why, &mut context, &mut emit) {
            Progress::Finished => Close::Fin,
            Progress::Open | Progress::Implausible => why,
        };
        self.counters.closed.count(why);
        let forgotten = matches!(why, Close::Idle | Close::Evicted);
        let ends = (connection.beginning, assembler.next());
        let rest = connection.state.rest().filter(|_| forgotten);
        if rest.is_some() {
            self.resting
                .remember(connection.flow, ends, (why, rest), now);
        } else if matches!(why, Close::Fin | Close::Reset | Close::Evicted) {
            self.departed
                .remember(connection.flow, ends, (why, None), now);
        }
        deliver(&mut connection.state, StreamEvent::Closed(why));
    }

    /// Whether a silent connection is kept.
    pub(super) fn stays(&self, now: Time, key: Key) -> bool {
        let known = self.connections.get(key);
        known.is_some_and(|known| known.state.stays(now))
    }

    /// Makes room by closing the connection that is least worth keeping.
    fn evict(&mut self, now: Time, deliver: &mut impl FnMut(&mut T, StreamEvent<'_>)) -> bool {
        work::step();
        let Some((key, _)) = self.first_embryonic().or_else(|| self.first_active()) else {
            return false;
        };
        self.close(now, key, Close::Evicted, deliver);
        true
    }

    /// Takes a connection out of everything that knows it.
    fn detach(&mut self, key: Key) -> Option<Connection<T>> {
        let connection = self.connections.get(key)?;
        let hash = self.hasher.hash_one(connection.flow);
        let embryonic = connection.beginning.embryonic;
        let waits = connection.assembler.waits();
        self.chain_of(embryonic, |chain, connections| {
            chain.remove(connections, key)
        });
        self.wait_anew(key, waits, None);
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == key) {
            entry.remove();
        }
        self.connections.remove(key)
    }
}

impl<T: Consumer> FlowTable<T> {
    /// Opens a connection, evicting others if there is no room.
    pub(super) fn open(
        &mut self,
        now: Time,
        hash: u64,
        segment: &Segment<'_>,
        start: Start,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) -> Option<Key> {
        let flow = segment.flow;
        self.departed.forget(&flow);
        self.resting.forget(&flow);
        while self.connections.len() >= self.limits.connections.max(1)
            || !self.connections.make_room()
        {
            if !self.evict(now, deliver) {
                self.counters.refused_segments += 1;
                return None;
            }
        }
        let (first, from_start) = match start {
            Start::Syn => (segment.payload_seq(), true),
            Start::Proposed(first) => (first, true),
            Start::Middle(first) | Start::Rest(first, _) => (first, false),
        };
        let rested = match start {
            Start::Rest(_, rest) => Some(rest),
            _ => None,
        };
        let mut state = T::default();
        let opened = StreamEvent::Opened {
            flow,
            from_start,
            rested,
        };
        deliver(&mut state, opened);
        let key = self.connections.insert(Connection {
            flow,
            beginning: Beginning {
                seq: first,
                embryonic: from_start,
                at: segment.at,
            },
            assembler: Assembler::new(first),
            proposed: None,
            last_active: now,
            by_activity: Links::default(),
            by_wait: Links::default(),
            state,
        })?;
        self.chain_of(from_start, |chain, connections| {
            chain.push(connections, key)
        });
        let (hasher, connections) = (&self.hasher, &self.connections);
        self.index.insert_unique(hash, key, |key| {
            connections
                .get(*key)
                .map_or(0, |known| hasher.hash_one(known.flow))
        });
        self.counters.opened += 1;
        self.counters.midstream += u64::from(!from_start);
        Some(key)
    }
}
