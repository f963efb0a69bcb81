//! How long a request of HTTP/2 is held that stays open.

use super::{Request, RequestContext, Requests, Watch};
use crate::{
    pipeline::{
        assembly::Assembly,
        patience::{GRAIN, PATIENCE},
    },
    segment::Time,
};

impl Requests {
    /// Has the requests looked at later, if some were begun that may stay open.
    pub(super) fn watch_over(&mut self, place: &RequestContext, assembly: &mut Assembly) {
        let Watch::Wanted(since) = self.watch else {
            return;
        };
        let waits = match place.flow {
            Some(flow) if !self.open.is_empty() => assembly.patience.wait(since, flow, place.id),
            _ => false,
        };
        self.watch = if waits { Watch::Kept } else { Watch::None };
    }

    /// Passes on what was held for long enough, and wants the others looked at.
    pub(super) fn pass_on(&mut self, now: Time, place: &RequestContext, assembly: &mut Assembly) {
        self.watch = Watch::None;
        let before = self.before;
        for (stream, open) in self.open.iter_mut() {
            if !matches!(open.request, Request::Held(_)) {
                continue;
            }
            if now.since(open.begun) + GRAIN < PATIENCE {
                if let Watch::None = self.watch {
                    self.watch = Watch::Wanted(open.begun);
                }
                continue;
            }
            let place = RequestContext {
                ordinal: stream.saturating_add(before),
                begun: open.begun,
                ..*place
            };
            assembly.stream(&place, &mut open.request);
        }
    }
}
