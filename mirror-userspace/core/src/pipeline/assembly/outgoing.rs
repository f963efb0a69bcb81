//! Copies on their way out: whole, or piece by piece.

use bytes::Bytes;

use super::{Assembly, BYTES_OVERHEAD, Held, PLACE_COST, Request, Sending};
use crate::{
    budget::Reserved,
    http::Lost,
    pipeline::{
        CopyId, DropReason, GivenUp, MirrorCopy, Output, RequestKey, Rest, TargetId, Wire,
        blocks::Blocks,
        context::RequestContext,
        copies::Copies,
        counters::TargetCopies,
        lost::request_line,
        manner::{Manner, Version},
    },
};

/// What a chunk costs beyond its bytes.
const CHUNK_OVERHEAD: usize = PLACE_COST + BYTES_OVERHEAD;

/// Places for outputs that are kept while there are none. What a burst took beyond that is freed, since
/// the memory that paid for it leaves with the outputs.
const KEPT_PLACES: usize = 64;

impl Assembly {
    /// The next thing to send.
    #[inline]
    pub(in super::super) fn next_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && !self.cancelled.is_empty() {
            return self.next_cancelled();
        }
        if self.outputs.is_empty() && self.outputs.capacity() > KEPT_PLACES {
            self.outputs.shrink_to(KEPT_PLACES);
        }
        output
    }

    #[cold]
    fn next_cancelled(&mut self) -> Option<Output> {
        let (request, why) = self.cancelled.pop()?;
        Some(Output::Cancel { request, why })
    }

    const fn next_copy(&mut self) -> CopyId {
        self.copies += 1;
        CopyId(self.copies)
    }

    /// Gives each target its copy of what is held; returns the copies.
    pub(super) fn hand_over(
        &mut self,
        place: &RequestContext,
        held: Held,
        rest: Rest,
        mut given: impl FnMut(CopyId),
    ) {
        let Held {
            heads,
            manner,
            body,
            mut reserved,
        } = held;
        reserved.leave_share();
        let (body, size) = (body.into_pieces(&self.blocks), reserved.bytes());
        let mut first = Some(reserved);
        for (target, head) in heads {
            // Each copy pays for the body, which is freed with the last of them.
            let Some(reserved) = first.take().or_else(|| self.budget.reserve(size)) else {
                self.count_drop(target, DropReason::OverBudget);
                if let Some(lost) = &mut self.lost {
                    let line = || request_line(&manner.version.wire(), &head);
                    lost.lose(place, Some(target), DropReason::OverBudget, line);
                }
                continue;
            };
            let pieces = std::iter::once(head).chain(body.iter().cloned()).collect();
            given(self.push_copy(place, target, pieces, rest, manner, reserved));
        }
    }

    /// Passes on more of a streamed request; without memory for it, the copy is aborted.
    pub(super) fn pass_on(&mut self, request: &mut Request, bytes: &[u8]) {
        let Request::Streamed(copies) = request else {
            return;
        };
        let waited = self.waiting(bytes);
        let memory = waited.as_ref().map(|waited| waited.memory);
        let memory = memory.unwrap_or(Blocks::memory_for(bytes.len())) + CHUNK_OVERHEAD;
        let mut chunk = waited.map(|waited| waited.bytes);
        copies.retain(|copy| match self.budget.reserve(memory) {
            Some(reserved) => {
                let chunk = chunk.get_or_insert_with(|| self.blocks.copy(bytes));
                self.outputs.push_back(Output::Chunk {
                    copy,
                    bytes: chunk.clone(),
                    reserved,
                });
                true
            }
            None => {
                let cause = DropReason::OverBudget;
                self.outputs.push_back(Output::Abort { copy, cause });
                false
            }
        });
        if copies.as_slice().is_empty() {
            *request = Request::Settled;
        }
    }

    /// What the trailers at hand cost.
    pub(super) fn memory_of_trailers(&self) -> usize {
        let trailers = self.trailers.as_ref();
        trailers.map_or(0, |trailers| trailers.len() + BYTES_OVERHEAD)
    }

    /// Ends streamed copies, with the trailers at hand; without memory for them, a copy is aborted.
    pub(super) fn finish_streamed(&mut self, place: &RequestContext, copies: &Copies) {
        let memory = self.memory_of_trailers();
        for &copy in copies.as_slice() {
            let ended = match self.budget.reserve(memory) {
                Some(reserved) => Output::Finish {
                    copy,
                    at: place.at,
                    trailers: self.trailers.clone(),
                    reserved,
                },
                None => Output::Abort {
                    copy,
                    cause: DropReason::OverBudget,
                },
            };
            self.outputs.push_back(ended);
        }
    }

    /// Copies of a request are not wanted any more; where nothing is sent, nobody has to know. `false` if nobody will.
    pub(in super::super) fn cancel(&mut self, request: RequestKey, why: GivenUp) -> bool {
        self.sending == Sending::ToTargets && self.cancelled.push((request, why))
    }

    /// v1 has not taken a request, whose end has not come.
    pub(in super::super) fn refuse(&mut self, place: &RequestContext, request: &mut Request) {
        let streamed = matches!(request, Request::Streamed(_));
        if streamed && self.cancel(place.request(), GivenUp::RefusedByV1) {
            *request = Request::Settled;
            self.observe(place, |observer, info| observer.lost(info));
        } else {
            self.lose(place, request, Lost::RefusedByV1);
        }
    }

    fn push_copy(
        &mut self,
        place: &RequestContext,
        target: TargetId,
        pieces: Vec<Bytes>,
        rest: Rest,
        manner: Manner,
        reserved: Reserved,
    ) -> CopyId {
        let id = self.next_copy();
        self.collected(target, |counters| counters.handed_over += 1);
        let (request, at) = (place.request(), place.at);
        self.note_sent(request, manner, rest, pieces.first());
        self.outputs.push_back(Output::Copy(MirrorCopy {
            id,
            target,
            request,
            at,
            wire: match manner.version {
                Version::Http1 => Wire::Http1,
                Version::Http2 => Wire::Http2 {
                    trailers: self.trailers.clone(),
                },
            },
            pieces,
            rest,
            expect: manner.expect,
            persistence: manner.persistence,
            effect: manner.effect,
            reserved,
        }));
        id
    }

    pub(super) fn count_drop(&mut self, target: TargetId, reason: DropReason) {
        self.collected(target, |counters| counters.dropped.count(reason));
    }

    /// A copy is collected no longer: `count` says what became of it.
    pub(super) fn collected(&mut self, target: TargetId, count: impl FnOnce(&mut TargetCopies)) {
        if let Some(counters) = self.counters.targets.get_mut(target.0) {
            counters.assembling = counters.assembling.saturating_sub(1);
            count(counters);
        }
    }
}
