//! All connections of a shard: which one a segment belongs to, and what is due when.

mod confirm;
mod lifecycle;
mod upkeep;

use std::{hash::BuildHasher, time::Duration};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{
    Close, Consumer, FlowCounters, Limits, StreamEvent,
    assembler::{Assembler, Context, Progress},
    beginning::Beginning,
    chain::{Chain, Linked, Links},
    clock::Clock,
    counters::Missing,
    departed::{self, Memory},
    slab::{Key, Slab},
    work,
};
use crate::{
    budget::Budget,
    segment::{Direction, FlowId, Segment, SeqNum, Time},
};
use lifecycle::Start;

/// How exactly it is known when a connection was last active. Keeping the order exact would touch
/// two other connections for every segment.
const ACTIVITY_GRAIN: Duration = Duration::from_millis(10);

/// The part of the memory that connections may take, however many there are: an eighth, but room
/// for one page of them. More of them evict each other.
fn share_of_connections<T>(budget: &Budget) -> Budget {
    budget.share((budget.limit() / 8).max(Slab::<Connection<T>>::PAGE_COST))
}

/// The part of it that data behind holes may take in all: a quarter. With both there is room left
/// for what is mirrored, so that clients who open connections and holes starve nobody else.
fn share_of_holes(budget: &Budget) -> Budget {
    budget.share(budget.limit() / 4)
}

/// Reassembles connections, each with a consumer's state `T`.
///
/// `T` is made with `Default` when its connection opens; `deliver` tells it
/// [`Opened`](StreamEvent::Opened) first and [`Closed`](StreamEvent::Closed) last. Time goes forward
/// only as `now` says; if it steps back, time-outs go on from there.
#[derive(Debug)]
pub struct FlowTable<T> {
    /// What became of everything handed in.
    pub counters: FlowCounters,
    limits: Limits,
    /// What data behind holes may take.
    room: Budget,
    clock: Clock,
    hasher: RandomState,
    index: HashTable<Key>,
    connections: Slab<Connection<T>>,
    /// Those that have sent nothing but a SYN. They are evicted first: a SYN flood evicts itself.
    embryonic: Chain<ByActivity>,
    active: Chain<ByActivity>,
    /// Those with a hole, in the order in which they began to wait.
    waiting: Chain<ByWait>,
    /// The same of those whose servers have what is missing.
    overtaken: Chain<ByWait>,
    departed: Memory,
    /// Those that were forgotten between two requests.
    resting: Memory,
}

#[derive(Debug)]
struct Connection<T> {
    flow: FlowId,
    beginning: Beginning,
    assembler: Assembler,
    /// The first sequence number of the stream that a later SYN proposes for this 4-tuple. The SYN
    /// alone may be forged, or old: it ends nothing until data follows it.
    proposed: Option<SeqNum>,
    last_active: Time,
    by_activity: Links,
    by_wait: Links,
    state: T,
}

#[derive(Debug)]
struct ByActivity;
#[derive(Debug)]
struct ByWait;

impl<T> Linked<ByActivity> for Connection<T> {
    fn links(&mut self) -> &mut Links {
        &mut self.by_activity
    }
}

impl<T> Linked<ByWait> for Connection<T> {
    fn links(&mut self) -> &mut Links {
        &mut self.by_wait
    }
}

impl<T: Consumer> FlowTable<T> {
    /// An empty table that takes its memory from `budget`.
    #[must_use]
    pub fn new(limits: Limits, budget: Budget) -> Self {
        Self {
            counters: FlowCounters::default(),
            limits,
            room: share_of_holes(&budget),
            clock: Clock::default(),
            hasher: RandomState::default(),
            index: HashTable::new(),
            connections: Slab::new(&share_of_connections::<T>(&budget)),
            embryonic: Chain::default(),
            active: Chain::default(),
            waiting: Chain::default(),
            overtaken: Chain::default(),
            departed: Memory::new(departed::TIME_WAIT, &budget),
            resting: Memory::new(departed::REST, &budget),
        }
    }

    /// How many connections are open.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether no connection is open.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a segment, whichever end sent it.
    pub fn handle_segment(
        &mut self,
        now: Time,
        segment: &Segment<'_>,
        mut deliver: impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        let now = self.clock.advance(now);
        if segment.direction == Direction::ToClient {
            return self.handle_from_server(now, segment, &mut deliver);
        }
        self.counters.segments += 1;
        self.counters.payload += segment.payload.len() as u64;
        let flags = segment.flags;
        if flags.syn() && (flags.fin() || flags.rst()) {
            // No TCP sends these; Linux drops them where a connection could begin.
            self.counters.implausible.syn_flags += 1;
            return self.ignore(segment);
        }
        if !(flags.ack() || flags.syn() || flags.rst()) {
            self.counters.implausible.no_ack += 1;
            return self.ignore(segment);
        }
        let hash = self.hasher.hash_one(segment.flow);
        let known = self.find(hash, &segment.flow);
        let key = match known {
            Some(key) if flags.rst() => return self.handle_reset(now, key, segment, &mut deliver),
            Some(key) if flags.syn() && !self.is_its_syn(key, segment) => {
                self.propose(key, segment);
                return self.ignore(segment);
            }
            Some(key) if let Some(first) = self.is_of_proposed(key, segment) => {
                self.close(now, key, Close::Reused, &mut deliver);
                self.open(now, hash, segment, Start::Proposed(first), &mut deliver)
            }
            Some(key) => Some(key),
            None => self
                .start_of_unknown(now, segment)
                .and_then(|start| self.open(now, hash, segment, start, &mut deliver)),
        };
        match key {
            Some(key) => self.feed(now, key, segment, &mut deliver),
            None => self.ignore(segment),
        }
    }

    /// Does what has become due: gives up holes, and forgets idle connections. The work is
    /// proportional to what is due.
    pub fn handle_timeout(&mut self, now: Time, mut deliver: impl FnMut(&mut T, StreamEvent<'_>)) {
        let now = self.clock.advance(now);
        while let Some(key) = self.first_due(now) {
            work::step();
            self.give_up_due(now, key, &mut deliver);
        }
        for of_which in [Self::first_embryonic, Self::first_active] {
            while let Some((key, _)) = of_which(self)
                .filter(|(_, last_active)| now.since(*last_active) >= self.limits.idle)
            {
                work::step();
                if self.stays(now, key) {
                    self.note_activity(now, key, false);
                } else {
                    self.close(now, key, Close::Idle, &mut deliver);
                }
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do; never later, but for holes
    /// that were partly given up: their next deadline may be missed by up to the gap wait.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let waiting = [&self.waiting, &self.overtaken].map(|chain| self.due_of(chain));
        let idle = [self.first_embryonic(), self.first_active()];
        let idle = idle
            .into_iter()
            .flatten()
            .map(|(_, at)| at + self.limits.idle);
        let waiting = waiting.into_iter().flatten().map(|(_, due)| due);
        let first = waiting.chain(idle).min()?;
        Some(self.clock.in_callers_time(first))
    }

    /// Ends the connections that were seen at this attachment; costs a look at each of the table.
    /// Holes are given up, so that what stands behind them is delivered.
    pub fn end_attachment(
        &mut self,
        now: Time,
        attachment: u32,
        mut deliver: impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        let now = self.clock.advance(now);
        let of_it = |connection: &Connection<T>| connection.flow.attachment == attachment;
        for key in self.connections.keys_of(of_it) {
            work::step();
            self.close(now, key, Close::Detached, &mut deliver);
        }
    }

    /// Ends all connections. Holes are given up, so that what stands behind them is delivered.
    pub fn shutdown(&mut self, mut deliver: impl FnMut(&mut T, StreamEvent<'_>)) {
        let now = self.clock.now();
        while let Some((key, _)) = self.first_active().or_else(|| self.first_embryonic()) {
            self.close(now, key, Close::Shutdown, &mut deliver);
        }
    }
}

impl<T: Consumer> FlowTable<T> {
    /// Hands a segment to its connection.
    fn feed(
        &mut self,
        now: Time,
        key: Key,
        segment: &Segment<'_>,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut context = Context {
            now,
            limits: &self.limits,
            room: &self.room,
            counters: &mut self.counters,
        };
        let waited = connection.assembler.waits();
        let mut emit = |event: StreamEvent<'_>| deliver(&mut connection.state, event);
        let progress = connection
            .assembler
            .handle_segment(segment, &mut context, &mut emit);
        let waits = connection.assembler.waits();
        let grown_up = connection.beginning.embryonic && segment.wire_len > 0;
        let stirred = grown_up || now.since(connection.last_active) >= ACTIVITY_GRAIN;
        if waits != waited {
            self.wait_anew(key, waited, waits);
        }
        match progress {
            Progress::Open if stirred => self.note_activity(now, key, grown_up),
            Progress::Open => {}
            Progress::Finished => self.close(now, key, Close::Fin, deliver),
            // Not a sign of life: the connection may be one that has ended unseen.
            Progress::Implausible => {
                self.counters.implausible.sequence += 1;
                self.ignore(segment);
            }
        }
    }

    fn handle_reset(
        &mut self,
        now: Time,
        key: Key,
        segment: &Segment<'_>,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        self.ignore(segment);
        if let Some(expected) = segment.expected {
            self.acknowledge(now, key, expected, deliver);
        }
        let connection = self.connections.get(key);
        if connection.is_some_and(|connection| connection.assembler.believes_reset(segment)) {
            self.close(now, key, Close::Reset, deliver);
        } else {
            self.counters.doubtful_resets += 1;
        }
    }

    /// Gives up all holes of a connection that have been waited for long enough.
    fn give_up_due(
        &mut self,
        now: Time,
        key: Key,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut context = Context {
            now,
            limits: &self.limits,
            room: &self.room,
            counters: &mut self.counters,
        };
        let waited = connection.assembler.waits();
        let mut emit = |event: StreamEvent<'_>| deliver(&mut connection.state, event);
        let mut waits = waited;
        let mut progress = Progress::Open;
        while waits.is_some_and(|wait| now.since(wait.since) >= self.limits.patience(wait)) {
            work::step();
            if !connection.assembler.may_give_up(self.limits.confirm) {
                connection.assembler.wait_since(now);
                waits = connection.assembler.waits();
                break;
            }
            progress =
                connection
                    .assembler
                    .give_up_hole(Missing::TimedOut, &mut context, &mut emit);
            waits = connection.assembler.waits();
        }
        self.wait_anew(key, waited, waits);
        if progress == Progress::Finished {
            self.close(now, key, Close::Fin, deliver);
        }
    }

    fn ignore(&mut self, segment: &Segment<'_>) {
        self.counters.ignored += segment.payload.len() as u64;
    }
}

#[cfg(test)]
impl<T> FlowTable<T> {
    /// Payload bytes behind holes, of all connections.
    pub(super) fn queued(&self) -> u64 {
        [&self.waiting, &self.overtaken]
            .into_iter()
            .flat_map(|chain| {
                std::iter::successors(chain.first(), |key| {
                    self.connections.get(*key)?.by_wait.after()
                })
            })
            .filter_map(|key| self.connections.get(key))
            .map(|connection| connection.assembler.queued())
            .sum()
    }

    /// Payload bytes that servers have not acknowledged, of all connections.
    pub(super) fn unconfirmed(&self) -> u64 {
        let keys = self.connections.keys_of(|_| true);
        let known = keys.into_iter().filter_map(|key| self.connections.get(key));
        known.map(|known| known.assembler.unconfirmed_bytes()).sum()
    }

    /// What a connection costs besides the consumer's state.
    pub(super) const CONNECTION_COST: usize = size_of::<Option<Connection<()>>>();
}
