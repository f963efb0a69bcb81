//! When requests of HTTP/2 are no longer held although their end has not come.
//!
//! A body of HTTP/1 ends by itself, or is too large to be held. That of a call that streams is open for as long as the
//! two sides like to talk, and may never get large: held until its end, its copy would come hours late, or never. So
//! what has not ended [`PATIENCE`] after its head is passed on from then on, as a large body is.

use std::time::Duration;

use super::{ConnectionId, ring::Ring};
use crate::{
    budget::{Budget, Reserved},
    segment::{FlowId, Time},
};

/// For how long a request is held that might end. Most unary calls have ended by then, also across a slow network.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// How much earlier a request may be passed on beside others: connections are looked at no more often.
pub(super) const GRAIN: Duration = Duration::from_millis(50);

/// Connections that are to be looked at, in the order in which they are due.
#[derive(Debug)]
pub(super) struct Patience {
    all: Ring<Due>,
    budget: Budget,
}

/// A connection of which some requests may have been held for long enough.
#[derive(Debug)]
pub(super) struct Due {
    at: Time,
    pub(super) flow: FlowId,
    pub(super) connection: ConnectionId,
    _held: Reserved,
}

impl Patience {
    pub(super) const fn new(budget: Budget) -> Self {
        Self {
            all: Ring::new(),
            budget,
        }
    }

    /// Has a connection looked at, `since` being when its request began. `false` without memory for it.
    #[must_use]
    pub(super) fn wait(&mut self, since: Time, flow: FlowId, connection: ConnectionId) -> bool {
        let Some(held) = self.budget.reserve(Ring::<Due>::COST) else {
            return false;
        };
        // All wait equally long, but what stood behind a gap began earlier than it came.
        let last = self.all.last().map(|last| last.at);
        let at = since + PATIENCE;
        self.all.push(Due {
            at: last.map_or(at, |last| last.max(at)),
            flow,
            connection,
            _held: held,
        });
        true
    }

    /// The next that is due.
    pub(super) fn next(&mut self, now: Time) -> Option<Due> {
        if self.first()? > now {
            return None;
        }
        self.all.pop()
    }

    /// When the next is due.
    pub(super) fn first(&self) -> Option<Time> {
        self.all.first().map(|first| first.at)
    }
}
