//! Copies that will not be: each in its counter and, where losses are kept, among those.

use super::{Assembly, Held};
use crate::pipeline::{
    CopyId, DropReason, Effect, Output, RequestKey, Rest, TargetId, context::RequestContext,
    lost::request_line, manner::Manner,
};

impl Assembly {
    pub(super) fn drop_held(&mut self, place: &RequestContext, held: &Held, reason: DropReason) {
        for (target, _) in &held.heads {
            self.count_drop(*target, reason);
        }
        if let (Some(lost), Some((_, head))) = (&mut self.lost, held.heads.first()) {
            let wire = held.manner.version.wire();
            lost.lose(place, None, reason, || request_line(&wire, head));
        }
    }

    /// Of a request whose head is not there any more, or never was.
    pub(in super::super) fn note_loss(
        &mut self,
        place: &RequestContext,
        target: Option<TargetId>,
        reason: DropReason,
    ) {
        if let Some(lost) = &mut self.lost {
            lost.lose(place, target, reason, || None);
        }
    }

    /// Requests on a connection were counted as lost: so many more than `before`.
    pub(in super::super) fn note_counted(
        &mut self,
        place: &RequestContext,
        reason: DropReason,
        before: u64,
    ) {
        let more = self.counters.lost_unseen.of(reason) - before;
        if let Some(lost) = &mut self.lost {
            for _ in 0..more {
                lost.lose(place, None, reason, || None);
            }
        }
    }

    /// The head of a copy that is handed over may have to be told later, when nobody has its bytes.
    #[inline]
    pub(super) fn note_sent(
        &mut self,
        request: RequestKey,
        manner: Manner,
        rest: Rest,
        head: Option<&bytes::Bytes>,
    ) {
        let is_let_go = manner.effect == Effect::Repeats || rest == Rest::Streamed;
        if let (Some(lost), Some(head)) = (&mut self.lost, head)
            && is_let_go
        {
            lost.handle_sent(request, &manner.version.wire(), head);
        }
    }

    /// Streamed copies break off.
    pub(super) fn abort(&mut self, copies: &[CopyId], cause: DropReason) {
        let aborts = copies.iter().map(|&copy| Output::Abort { copy, cause });
        self.outputs.extend(aborts);
    }
}
