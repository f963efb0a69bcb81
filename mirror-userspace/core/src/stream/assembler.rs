//! One connection's sequence logic: from its segments to its bytes in order.
//!
//! It does what v1's kernel does, because v2 shall get what v1 read:
//!
//! * what has been delivered never changes; an in-order segment beats other bytes that are queued
//!   for the same place ([`queue`](super::queue) says who wins among the queued);
//! * the urgent byte is not in line (Linux without `SO_OOBINLINE`), and only the last one announced
//!   counts;
//! * FIN takes effect at its place in the stream, and what stands behind it is dropped.
//!
//! It goes further than the kernel in one point: the kernel waits for a hole to be filled for as
//! long as it takes, but the mirror itself may have missed a segment that the server got. So a hole
//! is given up at some point, and the stream goes on behind it: soon if the server is known to have what is
//! missing, never if it is known not to have it.

mod confirm;
mod plausible;

use super::{
    Close, Confirm, Data, FlowCounters, Limits, StreamEvent,
    counters::Missing,
    piece::{Piece, Position, REACH},
    queue::{Queue, Refused, Wait},
    unconfirmed::Unconfirmed,
};
use crate::{
    budget::Budget,
    segment::{Segment, SeqNum, Time},
};

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Assembler {
    /// Where the next byte to deliver stands.
    next: Position,
    /// The sequence number of the last announced urgent byte, while that lies ahead.
    urgent: Option<SeqNum>,
    /// What stands behind a hole; there only while there is one.
    queue: Option<Box<Queue>>,
    /// What the server has, as far as it was heard: everything before this.
    acknowledged: Position,
    /// Whether it was heard at all.
    heard: bool,
    /// What waits to be acknowledged; there only while something does.
    unconfirmed: Option<Box<Unconfirmed>>,
    /// Whether FIN was reached.
    finished: bool,
}

/// What the table lends to an assembler for one step.
pub(super) struct Context<'a> {
    pub(super) now: Time,
    pub(super) limits: &'a Limits,
    /// What data behind holes may take.
    pub(super) room: &'a Budget,
    pub(super) counters: &'a mut FlowCounters,
}

/// How the stream stands after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The stream goes on: more may come.
    Open,
    /// FIN was reached: nothing more will come.
    Finished,
    /// The segment does not belong to this stream.
    Implausible,
}

impl Assembler {
    /// A stream whose first byte has this sequence number.
    pub(super) fn new(first: SeqNum) -> Self {
        Self {
            next: Position::of_first(first),
            urgent: None,
            queue: None,
            acknowledged: Position::of_first(first),
            heard: false,
            unconfirmed: None,
            finished: false,
        }
    }

    /// The sequence number of the next byte to deliver.
    pub(super) fn next(&self) -> SeqNum {
        self.next.seq()
    }

    /// How a hole is waited for, if one is.
    pub(super) fn waits(&self) -> Option<Wait> {
        Some(self.queue.as_ref()?.wait)
    }

    /// Payload bytes behind holes.
    pub(super) fn queued(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.payload())
    }

    /// Takes a segment's payload and FIN.
    pub(super) fn handle_segment(
        &mut self,
        segment: &Segment<'_>,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) -> Progress {
        if let Some(expected) = segment.expected {
            self.acknowledge(expected, context, emit);
        }
        let piece = Piece::of(segment, self.next);
        if piece.end().since(self.next) > REACH || self.next.since(piece.start) > REACH {
            return Progress::Implausible;
        }
        self.note_urgent(segment, &piece);
        if let Some(unconfirmed) = &mut self.unconfirmed {
            let expected = segment.expected.map(|expected| self.next.nearest(expected));
            unconfirmed.compare(&piece, expected, context.counters);
        }
        if context.limits.confirm == Confirm::Ack {
            self.compare_queued(&piece);
        }
        if self.finished {
            let (new, old) = piece.from(self.next);
            context.counters.duplicate += old;
            context.counters.lost.after_fin += new.len();
            return self.progress();
        }
        if piece.is_empty() {
            if piece.start == self.next && self.queue.is_none() {
                self.tell_acknowledged(segment.ack, emit);
            }
            return Progress::Open;
        }
        self.accept(piece, context, emit)
    }

    /// Gives up the first hole: delivers what stands right behind it.
    pub(super) fn give_up_hole(
        &mut self,
        why: Missing,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) -> Progress {
        let Some(first) = self.queue.as_ref().and_then(|queue| queue.first_start()) else {
            return Progress::Open;
        };
        self.pass_hole(first, why, context, emit);
        let progress = self.drain(context, emit);
        // The next hole has been waited for as long as there was data behind it.
        let queued_at = self
            .queue
            .as_ref()
            .and_then(|queue| queue.first_queued_at());
        self.wait_since(queued_at.unwrap_or(context.now));
        progress
    }

    /// Gives up all holes, because the connection is ending.
    pub(super) fn give_up_all(
        &mut self,
        why: Close,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) -> Progress {
        if why == Close::Reset {
            self.discard(context, emit);
        }
        while self.queue.is_some() {
            self.give_up_hole(Missing::Closed(why), context, emit);
        }
        self.flush(context, emit);
        self.progress()
    }

    /// Drops what stands behind holes and the server never acknowledged. Of a server that was not heard it
    /// is taken for granted that it got what the capture saw.
    fn discard(&mut self, context: &mut Context<'_>, emit: &mut impl FnMut(StreamEvent<'_>)) {
        if !self.heard && context.limits.confirm == Confirm::None {
            return;
        }
        let first =
            |queue: &Option<Box<Queue>>| queue.as_ref().and_then(|queue| queue.first_start());
        while first(&self.queue).is_some_and(|first| first < self.acknowledged) {
            self.give_up_hole(Missing::TimedOut, context, emit);
        }
        context.counters.lost.reset += self.queued();
        self.queue = None;
    }

    fn accept(
        &mut self,
        piece: Piece<'_>,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) -> Progress {
        loop {
            if piece.end() <= self.next {
                context.counters.duplicate += piece.len();
                return Progress::Open;
            }
            if piece.start <= self.next {
                if self.deliver(piece, context, emit) == Progress::Finished {
                    return self.finish(context);
                }
                return self.drain(context, emit);
            }
            let Err(Refused) = self.enqueue(&piece, context) else {
                return Progress::Open;
            };
            // No room: the first hole is given up, which delivers something and thus makes room,
            // until the segment fits or is in order itself.
            let first = self.queue.as_ref().and_then(|queue| queue.first_start());
            if first.is_none_or(|first| piece.start <= first) {
                self.pass_hole(piece.start, Missing::OverBudget, context, emit);
            } else if self.give_up_hole(Missing::OverBudget, context, emit) == Progress::Finished
                || self.finished
            {
                context.counters.lost.after_fin += piece.len();
                return self.progress();
            }
        }
    }

    fn enqueue(&mut self, piece: &Piece<'_>, context: &mut Context<'_>) -> Result<(), Refused> {
        let limit = context.limits.queued_bytes;
        let dropped = if let Some(queue) = &mut self.queue {
            queue.insert(piece, limit, context.now)?
        } else {
            let mut queue = Queue::new(context.room, context.now)?;
            let dropped = queue.insert(piece, limit, context.now)?;
            self.queue = Some(Box::new(queue));
            self.wait_since(context.now);
            dropped
        };
        context.counters.queued_segments += 1;
        context.counters.duplicate += dropped;
        Ok(())
    }

    /// Delivers what is queued up to the next hole.
    fn drain(
        &mut self,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) -> Progress {
        while let Some(queued) = self
            .queue
            .as_mut()
            .and_then(|queue| queue.pop_at(self.next))
        {
            let piece = queued.piece();
            if piece.end() <= self.next {
                context.counters.duplicate += piece.len();
            } else if self.deliver(piece, context, emit) == Progress::Finished {
                return self.finish(context);
            }
        }
        self.queue.take_if(|queue| queue.first_start().is_none());
        self.wait_since(context.now);
        Progress::Open
    }

    /// Delivers a piece that starts at the next byte or before, and ends behind it.
    fn deliver(
        &mut self,
        piece: Piece<'_>,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) -> Progress {
        let (piece, taken) = piece.from(self.next);
        context.counters.duplicate += taken;
        let data = Data {
            bytes: piece.bytes,
            waited: None,
            starts_segment: piece.starts_segment,
            at: piece.at,
            ack: piece.ack,
        };
        let end = self.next + piece.len();
        match self.take_urgent_before(end) {
            None => self.tell_bytes(self.next, data, context, emit),
            Some(urgent) => {
                let (before, after) = split_around(piece.bytes, urgent.since(self.next));
                context.counters.urgent += 1;
                let starts_segment = data.starts_segment && before.is_empty();
                let bytes = before;
                self.tell_bytes(self.next, Data { bytes, ..data }, context, emit);
                let after = Data {
                    bytes: after,
                    starts_segment,
                    ..data
                };
                self.tell_bytes(urgent + 1, after, context, emit);
            }
        }
        self.next = end;
        if piece.cut > 0 {
            self.pass_hole(end + u64::from(piece.cut), Missing::Cut, context, emit);
        }
        if piece.fin {
            self.tell_acknowledged(piece.ack, emit);
            self.next = self.next + 1;
            return Progress::Finished;
        }
        Progress::Open
    }

    /// Goes on at `to` without the bytes before it.
    fn pass_hole(
        &mut self,
        to: Position,
        why: Missing,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let urgent = u64::from(self.take_urgent_before(to).is_some());
        let len = to.since(self.next) - urgent;
        let from = std::mem::replace(&mut self.next, to);
        if len > 0 {
            context.counters.gaps += 1;
            context.counters.lost.count(why, len);
            self.tell_gap((from, to), len, context, emit);
        }
    }

    /// Tells what the client had received, if all that it sent before is told, too. Once a connection, as a
    /// rule: kept out of the way of data.
    #[cold]
    fn tell_acknowledged(&self, ack: Option<SeqNum>, emit: &mut impl FnMut(StreamEvent<'_>)) {
        if let Some(ack) = ack.filter(|_| self.unconfirmed.is_none()) {
            emit(StreamEvent::Acknowledged { ack });
        }
    }

    fn finish(&mut self, context: &mut Context<'_>) -> Progress {
        context.counters.lost.after_fin += self.queued();
        self.queue = None;
        self.finished = true;
        self.progress()
    }

    /// Linux keeps one urgent position, the last (`tcp_check_urg`); a lower one that is announced
    /// later does not count, and its byte is in line. Nor does a segment that is all repetition.
    fn note_urgent(&mut self, segment: &Segment<'_>, piece: &Piece<'_>) {
        let Some(pointer) = segment.urgent else {
            return;
        };
        if segment.flags.syn() || piece.end() < self.next {
            return;
        }
        // The pointer points behind the byte; Linux takes 0 for 1.
        let urgent = piece.start + u64::from(pointer.saturating_sub(1));
        if urgent >= self.next && self.urgent().is_none_or(|noted| noted < urgent) {
            self.urgent = Some(urgent.seq());
        }
    }

    /// Where the noted urgent byte stands.
    fn urgent(&self) -> Option<Position> {
        self.urgent.map(|noted| self.next.nearest(noted))
    }

    #[inline]
    fn take_urgent_before(&mut self, end: Position) -> Option<Position> {
        let urgent = self.urgent().filter(|urgent| *urgent < end)?;
        self.urgent = None;
        Some(urgent)
    }
}

/// The bytes before and behind the one at `index`.
fn split_around(bytes: &[u8], index: u64) -> (&[u8], &[u8]) {
    let split = usize::try_from(index)
        .ok()
        .and_then(|index| bytes.split_at_checked(index));
    let (before, rest) = split.unwrap_or((bytes, &[]));
    (before, rest.get(1..).unwrap_or_default())
}
