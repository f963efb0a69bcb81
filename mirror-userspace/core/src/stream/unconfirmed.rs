//! What v1's kernel was handed in order, and has not acknowledged yet.
//!
//! What waits here is already decided, as far as the order of segments decides it: what comes again
//! for the same place changes nothing in a kernel that took the first. But a kernel may have refused
//! the first (a bad checksum, RFC 7323's PAWS). Then it still waits for its first byte when the second
//! comes; if that is long after the first, the second is in its place. Sooner, the first may be in the backlog
//! of a socket that its process holds, and where the kernel is not asked nothing can be told. So other bytes that
//! were sent twice with different content before they were acknowledged are told to nobody.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    FlowCounters, StreamEvent,
    event::Data,
    piece::{Piece, Position},
    work,
};
use crate::{
    budget::{Budget, Reserved},
    segment::{SeqNum, Time},
};

/// What an item costs besides its bytes: its place in a ring that doubles when it is full, and what
/// the allocator adds to the bytes.
const ITEM_COST: usize = 224;

/// For how long a segment may be in a backlog: while its socket's process is in a system call, and runs.
const BACKLOG: Duration = Duration::from_millis(50);

/// Bytes and gaps that wait, in stream order.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    items: VecDeque<Item>,
    held: Reserved,
}

#[derive(Debug)]
struct Item {
    start: Position,
    end: Position,
    what: What,
}

#[derive(Debug)]
enum What {
    Bytes {
        bytes: Bytes,
        starts_segment: bool,
        at: Time,
        ack: Option<SeqNum>,
    },
    Gap(u64),
}

impl Unconfirmed {
    /// An empty queue, which takes its memory from `room`.
    pub(super) fn new(room: &Budget) -> Self {
        Self {
            items: VecDeque::new(),
            held: room.empty(),
        }
    }

    /// Whether no bytes wait for the server's acknowledgment.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Payload bytes that wait.
    #[cfg(test)]
    pub(super) fn payload(&self) -> u64 {
        let bytes = self.items.iter().map(|item| match &item.what {
            What::Bytes { bytes, .. } => bytes.len() as u64,
            What::Gap(_) => 0,
        });
        bytes.sum()
    }

    /// Keeps bytes that start here, or a gap in their place if there is no room for them.
    pub(super) fn push(
        &mut self,
        start: Position,
        data: Data<'_>,
        limit: usize,
        counters: &mut FlowCounters,
    ) {
        work::step();
        let len = data.bytes.len() as u64;
        let cost = ITEM_COST + data.bytes.len();
        if self.held.bytes().saturating_add(cost) > limit || !self.held.grow(cost) {
            counters.lost.unconfirmed += len;
            return self.push_gap(start, start + len, len);
        }
        self.items.push_back(Item {
            start,
            end: start + len,
            what: What::Bytes {
                bytes: Bytes::copy_from_slice(data.bytes),
                starts_segment: data.starts_segment,
                at: data.at,
                ack: data.ack,
            },
        });
    }

    /// Keeps a gap of `len` missing bytes. Gaps that follow each other are one, so that they need no
    /// more room than the bytes between them.
    pub(super) fn push_gap(&mut self, start: Position, end: Position, len: u64) {
        if let Some(Item {
            end: last_end,
            what: What::Gap(last),
            ..
        }) = self.items.back_mut()
        {
            *last_end = end;
            *last += len;
            return;
        }
        let what = What::Gap(len);
        self.items.push_back(Item { start, end, what });
    }

    /// Takes `piece`'s bytes in the place of others, if the server can't have taken those: it waits for the byte at
    /// `expected`. Otherwise puts gaps in the place of bytes that `piece` has other bytes for. Costs a search, and
    /// the bytes that both have.
    pub(super) fn compare(
        &mut self,
        piece: &Piece<'_>,
        expected: Option<Position>,
        counters: &mut FlowCounters,
    ) {
        let first = self.items.partition_point(|item| item.end <= piece.start);
        for item in self.items.range_mut(first..) {
            work::step();
            if item.start >= piece.start + piece.len() {
                return;
            }
            let What::Bytes { bytes, at, .. } = &item.what else {
                continue;
            };
            let Some((again, before)) = common(piece.bytes, item.start.since(piece.start))
                .zip(common(bytes, piece.start.since(item.start)))
            else {
                continue;
            };
            if again.iter().zip(before).all(|(a, b)| a == b) {
                continue;
            }
            let len = bytes.len();
            let never_taken = expected.is_some_and(|expected| expected <= item.start)
                && piece.at.since(*at) >= BACKLOG;
            let covers = piece.start <= item.start;
            item.what = match again.get(..len).filter(|_| never_taken && covers) {
                Some(again) => {
                    counters.implausible.never_taken += 1;
                    What::Bytes {
                        bytes: Bytes::copy_from_slice(again),
                        starts_segment: piece.starts_segment && piece.start == item.start,
                        at: piece.at,
                        ack: piece.ack,
                    }
                }
                None => {
                    self.held.shrink(len);
                    counters.lost.conflicting += len as u64;
                    What::Gap(len as u64)
                }
            };
        }
    }

    /// Tells what was acknowledged.
    pub(super) fn release(
        &mut self,
        acknowledged: Position,
        counters: &mut FlowCounters,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) {
        while let Some(item) = self.items.pop_front_if(|item| item.end <= acknowledged) {
            self.tell(&item, item.end, counters, emit);
        }
    }

    /// Tells all, with gaps in the place of what was not acknowledged: the connection is ending.
    pub(super) fn flush(
        &mut self,
        acknowledged: Position,
        counters: &mut FlowCounters,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) {
        while let Some(item) = self.items.pop_front() {
            self.tell(&item, acknowledged, counters, emit);
        }
    }

    fn tell(
        &mut self,
        item: &Item,
        until: Position,
        counters: &mut FlowCounters,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) {
        work::step();
        match &item.what {
            What::Gap(len) => emit(StreamEvent::Gap { len: *len }),
            What::Bytes {
                bytes,
                starts_segment,
                at,
                ack,
            } => {
                self.held.shrink(ITEM_COST + bytes.len());
                let taken = usize::try_from(until.since(item.start)).unwrap_or(usize::MAX);
                let (taken, rest) = bytes.split_at(taken.min(bytes.len()));
                if !taken.is_empty() {
                    counters.delivered += taken.len() as u64;
                    emit(StreamEvent::Data(Data {
                        bytes: taken,
                        waited: Some(bytes),
                        starts_segment: *starts_segment,
                        at: *at,
                        ack: *ack,
                    }));
                }
                if !rest.is_empty() {
                    let len = rest.len() as u64;
                    counters.lost.unconfirmed += len;
                    emit(StreamEvent::Gap { len });
                }
            }
        }
    }
}

/// What is left of `bytes` behind the first `skip`.
fn common(bytes: &[u8], skip: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(skip).ok()?..)
}

const _: () = assert!(2 * size_of::<Item>() + 32 <= ITEM_COST);
