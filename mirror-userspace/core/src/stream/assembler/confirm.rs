//! What v1 acknowledged, and what waits for it.

use super::{Assembler, Context, Progress};
use crate::{
    segment::{SeqNum, Time},
    stream::{
        Confirm, Data, StreamEvent,
        piece::{Piece, Position, REACH},
        queue::Wait,
        unconfirmed::Unconfirmed,
    },
};

impl Assembler {
    /// Notes that the server has everything before `next`, and tells what that frees.
    pub(in crate::stream) fn acknowledge(
        &mut self,
        next: SeqNum,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) -> Progress {
        let position = self.next.nearest(next);
        if position.since(self.next) > REACH {
            context.counters.implausible.acknowledgment += 1;
            return Progress::Open;
        }
        self.heard = true;
        self.acknowledged = self.acknowledged.max(position);
        if self.waits().is_some_and(|wait| !wait.overtaken) && self.is_overtaken() {
            self.wait_since(context.now);
        }
        if let Some(unconfirmed) = &mut self.unconfirmed {
            unconfirmed.release(self.acknowledged, context.counters, emit);
            if unconfirmed.is_empty() {
                self.unconfirmed = None;
            }
        }
        self.progress()
    }

    /// Whether the first hole may be what the capture lost. If the server was heard and has not
    /// acknowledged past it, the network lost it, and will fill it.
    pub(in crate::stream) fn may_give_up(&self, confirm: Confirm) -> bool {
        let waits_for_server = self.heard || confirm == Confirm::Ack;
        !waits_for_server || self.acknowledged > self.next
    }

    /// Waits for the first hole from this time on.
    pub(in crate::stream) fn wait_since(&mut self, since: Time) {
        let overtaken = self.is_overtaken();
        if let Some(queue) = &mut self.queue {
            queue.wait = Wait { since, overtaken };
        }
    }

    /// Whether the server has all of the first hole.
    fn is_overtaken(&self) -> bool {
        let first = self.queue.as_ref().and_then(|queue| queue.first_start());
        self.heard && first.is_some_and(|first| first <= self.acknowledged)
    }

    /// Payload bytes that wait to be acknowledged.
    #[cfg(test)]
    pub(in crate::stream) fn unconfirmed_bytes(&self) -> u64 {
        let unconfirmed = self.unconfirmed.as_ref();
        unconfirmed.map_or(0, |unconfirmed| unconfirmed.payload())
    }

    /// Whether the end was reached, and all before it told.
    pub(super) const fn progress(&self) -> Progress {
        if self.finished && self.unconfirmed.is_none() {
            Progress::Finished
        } else {
            Progress::Open
        }
    }

    /// Tells what waits, as far as the server has it.
    pub(super) fn flush(
        &mut self,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) {
        if let Some(mut unconfirmed) = self.unconfirmed.take() {
            unconfirmed.flush(self.acknowledged, context.counters, emit);
        }
    }

    /// Tells bytes that start here, once the server has them.
    pub(super) fn tell_bytes(
        &mut self,
        start: Position,
        data: Data<'_>,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) {
        if data.bytes.is_empty() {
            return;
        }
        let len = data.bytes.len() as u64;
        if self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.is_contradicted(start, start + len))
        {
            context.counters.lost.conflicting += len;
            return self.tell_gap((start, start + len), len, context, emit);
        }
        if self.is_confirmed(start + len, context) {
            context.counters.delivered += len;
            return emit(StreamEvent::Data(data));
        }
        let limit = context.limits.unconfirmed_bytes;
        self.unconfirmed(context)
            .push(start, data, limit, context.counters);
    }

    /// Notes where a segment has other bytes than those that wait behind a hole: it can't be told which of them the
    /// server will take.
    pub(super) fn compare_queued(&mut self, piece: &Piece<'_>) {
        if let Some(queue) = &mut self.queue {
            queue.compare(piece);
        }
    }

    /// Tells a gap, in its place.
    pub(super) fn tell_gap(
        &mut self,
        (start, end): (Position, Position),
        len: u64,
        context: &mut Context<'_>,
        emit: &mut impl FnMut(StreamEvent<'_>),
    ) {
        if self.is_confirmed(end, context) {
            emit(StreamEvent::Gap { len });
        } else {
            self.unconfirmed(context).push_gap(start, end, len);
        }
    }

    fn is_confirmed(&self, end: Position, context: &Context<'_>) -> bool {
        context.limits.confirm == Confirm::None
            || self.unconfirmed.is_none() && end <= self.acknowledged
    }

    fn unconfirmed(&mut self, context: &Context<'_>) -> &mut Unconfirmed {
        self.unconfirmed
            .get_or_insert_with(|| Box::new(Unconfirmed::new(context.room)))
    }
}
