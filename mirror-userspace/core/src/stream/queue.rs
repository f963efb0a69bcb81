//! The data behind holes of one connection.
//!
//! Which bytes win where queued segments overlap is what v1's kernel decides, so this is Linux's
//! out-of-order queue (`tcp_data_queue_ofo` and `tcp_ofo_queue` in net/ipv4/tcp_input.c, 6.18):
//!
//! * a segment that lies within one queued segment is dropped;
//! * queued segments that lie within the new one are dropped for it;
//! * segments that overlap in part are both kept, and the one that starts first gives its bytes.
//!
//! So no queued segment lies within another, and order by start is order by end.
//!
//! Known gap: where a queued segment ends exactly where a later one starts, Linux may merge the two
//! if their memory allows it, and a third that overlaps both with different bytes is resolved
//! otherwise. What their memory allows depends on driver and taps, which the mirror can't see;
//! segments are taken as not merged. tests/linux.txt has what a real socket reads otherwise.

use std::{collections::BTreeMap, ops::Bound};

use super::{
    piece::{Piece, Position},
    work,
};
use crate::{
    budget::{Budget, Reserved},
    segment::{SeqNum, Time},
};

/// What a queue costs before its first segment: itself, and a B-tree leaf of 11 places.
pub(super) const QUEUE_COST: usize = 768;
/// What a queued segment costs besides its bytes: its place in a B-tree whose nodes are half full,
/// and what the allocator adds to the bytes.
pub(super) const NODE_COST: usize = 192;

/// There is no room.
#[derive(Debug)]
pub(super) struct Refused;

/// Segments behind a hole.
#[derive(Debug)]
pub(super) struct Queue {
    nodes: BTreeMap<Position, Node>,
    /// Payload bytes in `nodes`.
    payload: u64,
    held: Reserved,
    /// The wait for the first hole.
    pub(super) wait: Wait,
    /// From where to where segments had different bytes for the same place.
    contradicted: Option<(Position, Position)>,
}

/// A wait for a hole to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// When the wait began.
    pub(super) since: Time,
    /// The server has what is missing: only a segment that is captured late can bring it.
    pub(super) overtaken: bool,
}

#[derive(Debug)]
struct Node {
    bytes: Box<[u8]>,
    cut: u32,
    fin: bool,
    starts_segment: bool,
    at: Time,
    ack: Option<SeqNum>,
    queued_at: Time,
}

/// A segment taken out of the queue.
#[derive(Debug)]
pub(super) struct Queued {
    start: Position,
    node: Node,
}

impl Queue {
    /// An empty queue, if there is room for one.
    pub(super) fn new(room: &Budget, now: Time) -> Result<Self, Refused> {
        Ok(Self {
            nodes: BTreeMap::new(),
            payload: 0,
            held: room.reserve(QUEUE_COST).ok_or(Refused)?,
            wait: Wait {
                since: now,
                overtaken: false,
            },
            contradicted: None,
        })
    }

    /// Queues a segment; returns how many payload bytes, of it or of others, it made superfluous.
    /// `limit` is what the whole queue may allocate. Refused, it changes nothing.
    pub(super) fn insert(
        &mut self,
        piece: &Piece<'_>,
        limit: usize,
        now: Time,
    ) -> Result<u64, Refused> {
        work::step();
        let before = self.nodes.range(..=piece.start).next_back();
        if before.is_some_and(|(start, node)| node.end(*start) >= piece.end()) {
            return Ok(piece.len());
        }
        self.reserve(NODE_COST + piece.bytes.len(), limit)?;
        let dropped = self.drop_within(piece);
        self.payload += piece.len();
        self.nodes.insert(
            piece.start,
            Node {
                bytes: piece.bytes.into(),
                cut: piece.cut,
                fin: piece.fin,
                starts_segment: piece.starts_segment,
                at: piece.at,
                ack: piece.ack,
                queued_at: now,
            },
        );
        Ok(dropped)
    }

    /// Notes where a segment has other bytes than those queued for the same place. Costs the bytes that both have.
    pub(super) fn compare(&mut self, piece: &Piece<'_>) {
        let end = piece.start + piece.len();
        let before_end = self.nodes.range(..end).rev();
        // Their order by start is their order by end.
        let overlapping = before_end.take_while(|(start, node)| node.end(**start) > piece.start);
        for (start, node) in overlapping {
            work::step();
            let (from, to) = (piece.start.max(*start), end.min(node.end(*start)));
            let new = bytes_from(piece.bytes, from.since(piece.start));
            let old = bytes_from(&node.bytes, from.since(*start));
            if new.iter().zip(old).any(|(a, b)| a != b) {
                let (first, last) = self.contradicted.unwrap_or((from, to));
                self.contradicted = Some((first.min(from), last.max(to)));
            }
        }
    }

    /// Whether segments contradicted each other anywhere between these places, as far as it is known.
    pub(super) fn is_contradicted(&self, start: Position, end: Position) -> bool {
        self.contradicted
            .is_some_and(|(from, to)| from < end && start < to)
    }

    /// Where the first queued segment starts.
    pub(super) fn first_start(&self) -> Option<Position> {
        self.nodes.keys().next().copied()
    }

    /// Where the last queued segment ends.
    pub(super) fn end(&self) -> Option<Position> {
        let (start, node) = self.nodes.last_key_value()?;
        Some(node.end(*start))
    }

    /// Takes the first segment if it starts at `next` or before.
    pub(super) fn pop_at(&mut self, next: Position) -> Option<Queued> {
        let first = self
            .nodes
            .first_entry()
            .filter(|first| *first.key() <= next)?;
        let (start, node) = first.remove_entry();
        self.release(&node);
        Some(Queued { start, node })
    }

    /// When the first segment was queued.
    pub(super) fn first_queued_at(&self) -> Option<Time> {
        Some(self.nodes.first_key_value()?.1.queued_at)
    }

    /// Payload bytes that wait in the queue.
    pub(super) const fn payload(&self) -> u64 {
        self.payload
    }

    /// Drops the segments that lie within `piece`; returns their payload bytes.
    fn drop_within(&mut self, piece: &Piece<'_>) -> u64 {
        let mut dropped = 0;
        loop {
            let mut after = self
                .nodes
                .range((Bound::Included(piece.start), Bound::Unbounded));
            let within = after
                .next()
                .filter(|(start, node)| node.end(**start) <= piece.end());
            let Some((&start, _)) = within else {
                return dropped;
            };
            if let Some(node) = self.nodes.remove(&start) {
                dropped += node.bytes.len() as u64;
                self.release(&node);
            }
        }
    }

    fn reserve(&mut self, bytes: usize, limit: usize) -> Result<(), Refused> {
        if self.held.bytes().saturating_add(bytes) > limit || !self.held.grow(bytes) {
            return Err(Refused);
        }
        Ok(())
    }

    fn release(&mut self, node: &Node) {
        work::step();
        self.payload -= node.bytes.len() as u64;
        self.held.shrink(NODE_COST + node.bytes.len());
    }
}

fn bytes_from(bytes: &[u8], skip: u64) -> &[u8] {
    let skip = usize::try_from(skip).ok();
    skip.and_then(|skip| bytes.get(skip..)).unwrap_or_default()
}

impl Node {
    fn end(&self, start: Position) -> Position {
        start + self.bytes.len() as u64 + u64::from(self.cut) + u64::from(self.fin)
    }
}

impl Queued {
    /// The segment as it was queued.
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece {
            start: self.start,
            bytes: &self.node.bytes,
            cut: self.node.cut,
            fin: self.node.fin,
            starts_segment: self.node.starts_segment,
            at: self.node.at,
            ack: self.node.ack,
        }
    }
}

const _: () = {
    // A B-tree node holds 11 keys and values, a parent, and its place and length.
    let leaf = 11 * (size_of::<Position>() + size_of::<Node>()) + 16;
    let inner = leaf + 12 * size_of::<usize>();
    let allocator = 32;
    assert!(size_of::<Queue>() + leaf + 16 <= QUEUE_COST);
    assert!(leaf / 5 + inner / 30 + allocator <= NODE_COST);
};
