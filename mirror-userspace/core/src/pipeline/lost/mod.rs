//! What a pipeline keeps of what it loses, and of what is lost of its copies later on.

mod line;
mod sent;

pub use line::request_line;

use std::sync::atomic::{AtomicU64, Ordering};

use sent::Sent;

use super::{
    ConnectionId, DropReason, RequestKey, TargetId, Wire, context::RequestContext, manner::Version,
};
use crate::{
    budget::{Budget, Reserved},
    http::RequestHead,
    lost::{Allowance, KeepLost, Kept, Latest, Loss, TrailLimits, Trails, Why},
    segment::{FlowId, Segment, Time},
};

/// The part of the memory limit that all of this may take.
const PART: usize = 64;

/// Connections whose addresses are remembered, at most: the last ones that were opened.
const CONNECTIONS: usize = 4096;

/// Of so many of them one has its segments remembered.
const PER_TRAIL: usize = 8;

/// Of so many connections one request line is remembered.
const PER_LINE: usize = 4;

/// Numbers all losses of the process.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The number of the next loss.
#[must_use]
pub fn next_number() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// A copy that was handed over and then lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostCopy {
    /// When it was lost.
    pub at: Time,
    /// What it is counted as.
    pub why: Why,
    /// If its request broke off: what broke it.
    pub cause: Option<&'static str>,
    /// The request, if it is still known.
    pub request: Option<RequestKey>,
    /// The target.
    pub target: TargetId,
    /// Its request line, if it was not sent yet, or was kept to be sent again.
    pub line: Option<Box<str>>,
}

/// See the module's documentation.
pub(super) struct Lost {
    kept: Kept,
    allowance: Allowance,
    trails: Trails,
    flows: Latest<FlowId>,
    sent: Sent,
    now: Time,
    _held: Reserved,
}

impl Lost {
    /// `None` if nothing is to be kept, or there is no memory for it.
    pub(super) fn new(keep: KeepLost, budget: &Budget) -> Option<Box<Self>> {
        if keep.losses == 0 {
            return None;
        }
        let part = budget.limit() / PART;
        // Half for what may be lost, half for what is.
        let trail = TrailLimits::cost_of_one(keep.bytes);
        let each = Latest::<FlowId>::COST + trail / PER_TRAIL + Sent::COST / PER_LINE;
        let places = (part / 2 / each).clamp(1, CONNECTIONS);
        let trails = ((places / PER_TRAIL).max(1) + 1).next_power_of_two() / 2;
        let held = budget.reserve(part)?;
        Some(Box::new(Self {
            kept: Kept::new(keep.losses, part / 2),
            allowance: Allowance::new(keep.losses),
            trails: Trails::new(TrailLimits {
                connections: trails,
                bytes: keep.bytes,
            }),
            flows: Latest::new(places),
            sent: Sent::new(places / PER_LINE),
            now: Time::default(),
            _held: held,
        }))
    }

    /// The losses that are kept, and how many others there were.
    pub(super) const fn kept(&self) -> (&Kept, u64) {
        (&self.kept, self.kept.gone + self.allowance.refused)
    }

    /// A segment was captured.
    #[inline]
    pub(super) fn handle_segment(&mut self, segment: &Segment<'_>) {
        self.now = segment.at;
        self.trails.push(segment);
    }

    pub(super) const fn handle_timeout(&mut self, now: Time) {
        self.now = now;
    }

    /// A connection was opened.
    pub(super) fn handle_open(&mut self, connection: ConnectionId, flow: FlowId) {
        self.flows.put(connection.0, flow);
    }

    /// A copy was handed over whose bytes are let go when they are written.
    pub(super) fn handle_sent(&mut self, request: RequestKey, wire: &Wire, head: &[u8]) {
        self.sent.push(request, wire, head);
    }

    /// A request was lost.
    pub(super) fn lose(
        &mut self,
        place: &RequestContext,
        target: Option<TargetId>,
        reason: DropReason,
        line: impl FnOnce() -> Option<Box<str>>,
    ) {
        let why = Why::dropped(reason.name());
        if self.allowance.lets(self.now, why) {
            let loss = self.loss(self.now, why, place.flow, target, line());
            self.kept.push(loss);
        }
    }

    /// There was no memory for the copy that begins so, of a request with this head.
    pub(super) fn lose_head(
        &mut self,
        place: &RequestContext,
        target: TargetId,
        head: RequestHead<'_>,
        copy: &[u8],
    ) {
        let wire = Version::of(&head).wire();
        let line = || request_line(&wire, copy);
        self.lose(place, Some(target), DropReason::OverBudget, line);
    }

    /// A copy was lost that was handed over, and is among those that are written down.
    pub(super) fn lose_copy(&mut self, lost: LostCopy) {
        let flow = { lost.request }.and_then(|request| self.flows.get(request.connection.0));
        let sent = || self.sent.line(lost.request?);
        let line = lost.line.or_else(sent);
        let loss = Loss {
            cause: lost.cause,
            ..self.loss(lost.at, lost.why, flow.copied(), Some(lost.target), line)
        };
        self.kept.push(loss);
    }

    fn loss(
        &self,
        at: Time,
        why: Why,
        flow: Option<FlowId>,
        target: Option<TargetId>,
        line: Option<Box<str>>,
    ) -> Loss {
        Loss {
            number: next_number(),
            at,
            why,
            cause: None,
            count: 1,
            segments: flow.map_or_else(Vec::new, |flow| self.trails.of(&flow)),
            flow,
            target: target.map(|target| target.0),
            line,
        }
    }
}
