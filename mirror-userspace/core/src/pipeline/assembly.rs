//! Turns requests into copies: held until they are complete, or streamed once they are too large.

mod cancelled;
mod losses;
mod outgoing;
mod waited;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use cancelled::Cancelled;

use super::{
    ConnectionId, DropReason, Observer, Output, Persistence, PipelineCounters, RequestInfo, Rest,
    TargetId, blocks::Blocks, body::Body, context::RequestContext, copies::Copies, lost::Lost,
    manner::Manner, patience::Patience,
};
use crate::{
    budget::{Budget, Reserved},
    http::{self, RequestHead, h2},
    policy::Policy,
    segment::FlowId,
};

/// What an output costs while it waits to be sent: a place in queues that double when they are full.
const PLACE_COST: usize = 2 * size_of::<Output>();

/// What the allocator and [`Bytes`] add to bytes that are kept: the smallest requests are smaller
/// than what is kept about them.
const BYTES_OVERHEAD: usize = 64;

/// What a copy costs beyond its bytes, from here until it is answered.
const COPY_OVERHEAD: usize = size_of::<Held>() + PLACE_COST + 2 * BYTES_OVERHEAD;

/// The part of the memory limit that blocks may take while nobody uses them: 4 MiB of 128.
const FREE_BLOCKS: usize = 32;

/// The part of the memory limit that connections of HTTP/2 take for what they know: their tables, and their streams.
const OF_HTTP2: usize = 8;

/// The part of the memory limit that the times take at which requests of HTTP/2 are no longer held.
const OF_PATIENCE: usize = 64;

/// What a connection keeps of the request that it is in the middle of.
#[derive(Default)]
pub(super) enum Request {
    /// The connection is between requests: nothing is kept.
    #[default]
    None,
    /// The request's fate is counted; its body is ignored.
    Settled,
    /// The request is only shown to the observer: nothing is sent.
    Observed,
    /// The request is collected until it is complete.
    Held(Box<Held>),
    /// The request is passed on while it arrives, as these copies.
    Streamed(Copies),
}

impl Request {
    /// Whether it is held, and its body is exactly one message of gRPC so far.
    pub(super) fn holds_one_message(&self) -> bool {
        match self {
            Self::Held(held) => held.body.is_one_message(),
            _ => false,
        }
    }
}

/// A request that is being collected.
pub(super) struct Held {
    heads: Vec<(TargetId, Bytes)>,
    manner: Manner,
    body: Body,
    reserved: Reserved,
}

/// What all connections of a pipeline share.
pub(super) struct Assembly {
    pub(super) policy: Policy,
    pub(super) http_limits: http::Limits,
    /// What unfinished heads and bodies may take.
    pub(super) unfinished: Budget,
    budget: Budget,
    blocks: Blocks,
    pub(super) counters: PipelineCounters,
    pub(super) outputs: VecDeque<Output>,
    cancelled: Cancelled,
    /// The header block of the trailers of the request of HTTP/2 that ends next.
    trailers: Option<Bytes>,
    /// What the readers of HTTP/2 have in common, unless one of them is at work with it.
    pub(super) http2: Option<Box<h2::Shared>>,
    pub(super) patience: Patience,
    /// What connections of HTTP/2 may take, beside the requests on them.
    pub(super) of_http2: Budget,
    /// Whether v1's answers are among the outputs.
    pub(super) tells_answers: bool,
    /// And what they say.
    pub(super) tells_replies: bool,
    /// Whether PROXY headers are sent on.
    pub(super) sends_openings: bool,
    /// The one of the request that begins.
    pub(super) opening: Option<Bytes>,
    /// The buffer that the bytes at hand waited in, if it is worth keeping.
    pub(super) waited: Option<Bytes>,
    pub(super) observer: Option<Box<dyn Observer>>,
    pub(super) sending: Sending,
    /// Whether anything was captured that v1 sent.
    pub(super) hears_v1: bool,
    /// What is kept of losses, if anything is.
    pub(super) lost: Option<Box<Lost>>,
    max_body: usize,
    connections: u64,
    copies: u64,
}

/// The PROXY header that a connection begins with.
pub(super) struct Opening {
    pub(super) header: Bytes,
    _held: Reserved,
}

/// Whether requests are collected for targets, or only shown to the observer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    ToTargets,
    Never,
}

impl Assembly {
    pub(super) fn new(
        policy: Policy,
        http_limits: http::Limits,
        max_body: usize,
        budget: Budget,
    ) -> Self {
        let unfinished = budget.share(budget.limit() / 8 * 3);
        let of_http2 = budget.share(budget.limit() / OF_HTTP2);
        let http2 = h2::Shared::new(http_limits.into(), of_http2.clone());
        Self {
            counters: PipelineCounters::new(policy.rules().len(), policy.targets()),
            policy,
            http_limits,
            patience: Patience::new(budget.share(budget.limit() / OF_PATIENCE)),
            of_http2,
            cancelled: Cancelled::new(&budget),
            trailers: None,
            http2: Some(Box::new(http2)),
            unfinished,
            blocks: Blocks::new(budget.limit() / FREE_BLOCKS),
            budget,
            outputs: VecDeque::new(),
            tells_answers: false,
            tells_replies: false,
            sends_openings: false,
            opening: None,
            waited: None,
            observer: None,
            sending: Sending::ToTargets,
            hears_v1: false,
            lost: None,
            max_body,
            connections: 0,
            copies: 0,
        }
    }

    pub(super) const fn next_connection(&mut self) -> ConnectionId {
        self.connections += 1;
        ConnectionId(self.connections)
    }

    /// What is kept of a PROXY header, if it is to be sent on. Without memory for it its requests are sent without.
    pub(super) fn keep_opening(&self, header: &[u8]) -> Option<Box<Opening>> {
        if !self.sends_openings {
            return None;
        }
        let held = self
            .unfinished
            .reserve(size_of::<Opening>() + BYTES_OVERHEAD + header.len())?;
        Some(Box::new(Opening {
            header: Bytes::copy_from_slice(header),
            _held: held,
        }))
    }

    /// Takes a request's head, and decides what becomes of the request.
    #[inline]
    pub(super) fn begin(
        &mut self,
        place: &RequestContext,
        request: &mut Request,
        head: RequestHead<'_>,
    ) {
        self.counters.requests += 1;
        *request = Request::Settled;
        let opening = self.opening.take();
        let Some(flow) = place.flow else { return };
        let client = self.policy.filter_client(&flow.client).or_else(|| {
            let named = place.proxied.as_ref()?;
            self.policy.filter_client(named)
        });
        if let Some(rule) = client.or_else(|| self.policy.filter(head)) {
            self.counters.count_filtered(rule);
            return;
        }
        self.hold(place, &flow, request, head, opening);
        if !matches!(request, Request::Settled) {
            self.observe(place, |observer, info| observer.head(info, &head));
        }
        if matches!(request, Request::Held(_))
            && head.length().is_some_and(|len| len > self.max_body as u64)
        {
            self.stream(place, request);
        }
    }

    /// Writes the head for each target whose sample the request is in; without targets to send to,
    /// the first one's sample says what is observed.
    fn hold(
        &mut self,
        place: &RequestContext,
        flow: &FlowId,
        request: &mut Request,
        head: RequestHead<'_>,
        opening: Option<Bytes>,
    ) {
        let client = place.proxied.as_ref().unwrap_or(&flow.client);
        let hash = self.policy.sample_hash(flow, client, place.ordinal, head);
        if self.sending == Sending::Never {
            let sampled = self.policy.samples(0, hash);
            if sampled {
                *request = Request::Observed;
            }
            if let Some(first) = self.counters.targets.first_mut() {
                first.assembling += u64::from(sampled);
                first.sampled_out += u64::from(!sampled);
            }
            return;
        }
        let mut reserved = self.unfinished.empty();
        let mut heads = Vec::with_capacity(self.counters.targets.len());
        for (index, counters) in self.counters.targets.iter_mut().enumerate() {
            if !self.policy.samples(index, hash) {
                counters.sampled_out += 1;
                continue;
            }
            let mut bytes = BytesMut::new();
            if let Some(opening) = &opening {
                bytes.extend_from_slice(opening);
            }
            self.policy.write_head(index, head, client, &mut bytes);
            if reserved.grow(bytes.capacity() + COPY_OVERHEAD) {
                counters.assembling += 1;
                heads.push((TargetId(index), bytes.freeze()));
            } else {
                counters.dropped.count(DropReason::OverBudget);
                if let Some(lost) = &mut self.lost {
                    lost.lose_head(place, TargetId(index), head, &bytes);
                }
            }
        }
        if !heads.is_empty() {
            let mut manner = Manner::of(head, self.policy.offers_upgrade(head));
            if manner.persistence == Persistence::Closes && self.policy.keeps_connection(head) {
                manner.persistence = Persistence::Persistent;
            }
            if opening.is_some() {
                manner.persistence = Persistence::Alone;
            }
            *request = Request::Held(Box::new(Held {
                heads,
                manner,
                body: Body::default(),
                reserved,
            }));
        }
    }

    /// Takes more of the request's body.
    pub(super) fn extend(&mut self, place: &RequestContext, request: &mut Request, bytes: &[u8]) {
        match request {
            Request::None | Request::Settled => return,
            Request::Observed => {}
            Request::Held(held) => {
                if held.body.len() + bytes.len() > self.max_body {
                    self.stream(place, request);
                    self.pass_on(request, bytes);
                } else if !self.collect(held, bytes) {
                    self.drop_held(place, held, DropReason::OverBudget);
                    *request = Request::Settled;
                }
            }
            Request::Streamed(_) => self.pass_on(request, bytes),
        }
        match request {
            // Every copy broke: nothing will complete.
            Request::Settled => self.observe(place, |observer, info| observer.lost(info)),
            _ => self.observe(place, |observer, info| observer.body(info, bytes)),
        };
    }

    /// The request is complete; of HTTP/2, with the trailers that were [handed in](Self::end_with) last.
    #[inline]
    pub(super) fn finish(&mut self, place: &RequestContext, request: &mut Request) {
        match std::mem::take(request) {
            Request::None | Request::Settled => return,
            Request::Observed => {
                return match self.observe(place, |observer, info| observer.end(info)) {
                    Some(Err(why)) => {
                        self.note_loss(place, None, why.into());
                        self.count_drop(TargetId(0), why.into());
                    }
                    Some(Ok(())) | None => {
                        self.counters.observed += 1;
                        self.collected(TargetId(0), |_| {});
                    }
                };
            }
            Request::Held(held) => self.hand_over(place, *held, Rest::Complete, |_| {}),
            Request::Streamed(copies) => self.finish_streamed(place, &copies),
        }
        // The copies are whole, whoever else wanted the request.
        let _kept = self.observe(place, |observer, info| observer.end(info));
    }

    /// The request will not be completed.
    pub(super) fn lose(
        &mut self,
        place: &RequestContext,
        request: &mut Request,
        reason: impl Into<DropReason>,
    ) {
        let reason = reason.into();
        match std::mem::take(request) {
            Request::None => {
                self.counters.requests += 1;
                self.counters.lost_unseen.count(reason);
                self.note_loss(place, None, reason);
                return;
            }
            Request::Settled => return,
            Request::Observed => {
                self.note_loss(place, None, reason);
                self.count_drop(TargetId(0), reason);
            }
            Request::Held(held) => self.drop_held(place, &held, reason),
            Request::Streamed(copies) => self.abort(copies.as_slice(), reason),
        }
        self.observe(place, |observer, info| observer.lost(info));
    }

    /// Begins to stream a request: hands over what is there, and passes on the rest as it arrives.
    pub(super) fn stream(&mut self, place: &RequestContext, request: &mut Request) {
        if let Request::Held(held) = std::mem::take(request) {
            let mut copies = Vec::with_capacity(held.heads.len());
            self.hand_over(place, *held, Rest::Streamed, |copy| copies.push(copy));
            *request = Request::Streamed(copies.into());
        }
    }

    /// Takes the trailers of a request of HTTP/2, which ends with them. Without memory for them it is lost.
    pub(super) fn end_with(
        &mut self,
        place: &RequestContext,
        request: &mut Request,
        trailers: &h2::FieldList,
    ) {
        self.observe(place, |observer, info| observer.trailers(info, trailers));
        let mut block = BytesMut::new();
        self.policy.write_trailers(trailers, &mut block);
        self.trailers = (!block.is_empty()).then(|| block.freeze());
        let memory = self.memory_of_trailers();
        if let Request::Held(held) = request
            && !held.reserved.grow(memory)
        {
            self.lose(place, request, DropReason::OverBudget);
            *request = Request::Settled;
        }
        self.finish(place, request);
        self.trailers = None;
    }

    /// Takes the end of a connection, whose last request has ended before.
    pub(super) fn close(&mut self, place: &RequestContext) {
        self.observe(place, |observer, info| observer.closed(info));
    }

    fn observe<R>(
        &mut self,
        place: &RequestContext,
        see: impl FnOnce(&mut dyn Observer, &RequestInfo) -> R,
    ) -> Option<R> {
        let (observer, info) = (self.observer.as_mut()?, place.info()?);
        Some(see(observer.as_mut(), &info))
    }
}
