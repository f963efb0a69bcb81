//! The requests of one connection of HTTP/2: many under way at once, each held or passed on as one of HTTP/1 is.

mod answers;
mod from_v1;
mod patience;

use from_v1::{Listening, REFUSED};

use super::{
    DropReason, GivenUp, PipelineCounters,
    assembly::{Assembly, Request},
    context::RequestContext,
};
use crate::{
    budget::{Budget, Reserved},
    http::{
        Http2 as Beginning, Input, Lost,
        h2::{
            self, ByStream, Event, PREFACE, Reader,
            midstream::{Counter, Seen},
        },
    },
    segment::Time,
};

/// What a request costs whose end has not come: its entry, in nodes that are half full.
const ENTRY: usize = 2 * (size_of::<Open>() + size_of::<u32>() + 16);

/// What a connection costs: this, and what a reader keeps that is not in its own budget.
const COST: usize = size_of::<Http2>() + 512;

/// A connection that carries HTTP/2.
pub(super) struct Http2 {
    followed: Followed,
    requests: Requests,
    v1: Listening,
    _held: Reserved,
}

enum Followed {
    Reader(Reader),
    /// Its beginning was not captured: its requests are counted.
    Counter(Counter),
}

/// The requests of a connection.
struct Requests {
    /// Those whose end has not come, unless their fate is counted.
    open: ByStream<Open>,
    entries: Reserved,
    /// The highest stream of which anything was said.
    highest: u32,
    /// How many there were.
    seen: u32,
    /// The highest that v1 takes.
    last: u32,
    /// How many more of them may be refused at once.
    refusable: u32,
    /// What is added to a stream's number: requests of HTTP/1 came before.
    before: u32,
    watch: Watch,
    out_of_step: bool,
    /// Whether there was a call of gRPC among them.
    any_calls: bool,
}

/// Whether requests have to be looked at that may stay open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// None was begun since they were looked at.
    None,
    /// One was begun at this time.
    Wanted(Time),
    /// They will be looked at.
    Kept,
}

struct Open {
    request: Request,
    /// When its head was captured.
    begun: Time,
    is_grpc: bool,
}

impl Http2 {
    /// Follows a connection; `requests` of HTTP/1 came before on it. `None` without memory for it.
    pub(super) fn follow(
        beginning: &Beginning<'_>,
        requests: u32,
        budget: &Budget,
    ) -> Option<Box<Self>> {
        let reader = if beginning.upgraded {
            Reader::upgraded(budget)
        } else {
            Reader::new(budget)
        };
        let mut http2 = Self::new(Followed::Reader(reader), budget)?;
        http2.requests.before = requests.saturating_sub(1);
        // The request before the upgrade has stream 1 (RFC 7540 section 3.2).
        http2.requests.highest = u32::from(beginning.upgraded);
        Some(http2)
    }

    /// Counts the requests of a connection that was picked up in the middle.
    pub(super) fn count(counter: Counter, budget: &Budget) -> Option<Box<Self>> {
        Self::new(Followed::Counter(counter), budget)
    }

    fn new(followed: Followed, budget: &Budget) -> Option<Box<Self>> {
        let held = budget.reserve(COST)?;
        let requests = Requests {
            open: ByStream::default(),
            entries: budget.empty(),
            highest: 0,
            seen: 0,
            last: u32::MAX,
            refusable: REFUSED,
            before: 0,
            watch: Watch::None,
            out_of_step: false,
            any_calls: false,
        };
        Some(Box::new(Self {
            followed,
            requests,
            v1: Listening::default(),
            _held: held,
        }))
    }

    /// Notes what was seen of a connection before it was known what it carries.
    pub(super) fn count_seen(&mut self, seen: Seen, assembly: &mut Assembly) {
        self.requests.count(seen, &mut assembly.counters);
    }

    /// Whether requests are read, not only counted.
    pub(super) const fn is_following(&self) -> bool {
        match &self.followed {
            Followed::Reader(reader) => reader.is_following(),
            Followed::Counter(_) => false,
        }
    }

    /// Takes the first bytes, from the preface on.
    pub(super) fn handle_beginning(
        &mut self,
        beginning: &Beginning<'_>,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        let before = PREFACE.get(..beginning.before).unwrap_or_default();
        for bytes in [before, beginning.bytes] {
            let input = Input {
                bytes,
                starts_segment: false,
                ack: None,
            };
            self.handle_data(input, place, assembly);
        }
    }

    /// Takes the next bytes.
    pub(super) fn handle_data(
        &mut self,
        input: Input<'_>,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        self.read(place, assembly, |reader, shared, emit| {
            reader.handle_data(input, shared, &mut |event| emit(event));
        });
        let Self {
            followed, requests, ..
        } = self;
        if let Followed::Counter(counter) = followed {
            counter.handle_data(input, &mut |seen| {
                requests.count(seen, &mut assembly.counters);
            });
        }
        requests.watch_over(place, assembly);
        self.v1.pass_on(&self.requests, assembly);
    }

    /// Tells the reader of HTTP/2 that so many bytes are missing.
    pub(super) fn handle_gap(&mut self, len: u64, place: &RequestContext, assembly: &mut Assembly) {
        self.read(place, assembly, |reader, shared, emit| {
            reader.handle_gap(len, shared, &mut |event| emit(event));
        });
        let Self {
            followed, requests, ..
        } = self;
        if let Followed::Counter(counter) = followed {
            counter.handle_gap(len, &mut |seen| {
                requests.count(seen, &mut assembly.counters);
            });
        }
    }

    /// The connection has ended.
    pub(super) fn handle_close(
        &mut self,
        why: Lost,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        self.read(place, assembly, |reader, _, emit| {
            reader.handle_close(why, &mut |event| emit(event));
        });
        self.v1.close(&self.requests, place, assembly);
    }

    /// Passes on what was held for long enough.
    pub(super) fn handle_patience(
        &mut self,
        now: Time,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        self.requests.pass_on(now, place, assembly);
        self.requests.watch_over(place, assembly);
        self.v1.pass_on(&self.requests, assembly);
    }

    /// Has the reader, if there is one, do something.
    fn read(
        &mut self,
        place: &RequestContext,
        assembly: &mut Assembly,
        read: impl FnOnce(&mut Reader, &mut h2::Shared, &mut dyn FnMut(Event<'_>)),
    ) {
        let Followed::Reader(reader) = &mut self.followed else {
            return;
        };
        let Some(mut shared) = assembly.http2.take() else {
            return;
        };
        let (requests, v1) = (&mut self.requests, &mut self.v1);
        read(reader, &mut shared, &mut |event| {
            if let Event::Reset { stream, .. } = event {
                v1.forget(stream);
            }
            requests.handle(event, place, assembly);
        });
        assembly.http2 = Some(shared);
    }
}

impl Requests {
    fn handle(&mut self, event: Event<'_>, place: &RequestContext, assembly: &mut Assembly) {
        match event {
            Event::Head(head) => self.begin(&head, place, assembly),
            Event::Body { stream, bytes } => {
                let place = self.place(stream, place);
                let Some(open) = self.open.get_mut(stream) else {
                    return;
                };
                assembly.extend(&place, &mut open.request, bytes);
                if matches!(open.request, Request::Settled) {
                    self.close(stream);
                }
            }
            Event::Trailers { stream, fields } => {
                let place = self.place(stream, place);
                if let Some(mut request) = self.close(stream) {
                    assembly.end_with(&place, &mut request, fields);
                }
            }
            Event::End { stream } => {
                let place = self.place(stream, place);
                if let Some(mut request) = self.close(stream) {
                    assembly.finish(&place, &mut request);
                }
            }
            Event::Reset { stream, .. } => {
                let place = self.place(stream, place);
                match self.close(stream) {
                    Some(mut request) => assembly.lose(&place, &mut request, Lost::Reset),
                    None => {
                        assembly.cancel(place.request(), GivenUp::ByClient);
                    }
                }
            }
            Event::Lost { stream, why } => {
                let place = self.place(stream, place);
                if let Some(mut request) = self.close(stream) {
                    assembly.lose(&place, &mut request, why);
                } else if stream > self.highest {
                    self.highest = stream;
                    self.count_request(&mut assembly.counters);
                    assembly.lose(&place, &mut Request::None, why);
                }
            }
            Event::ConnectionLost(_) => assembly.counters.connections.http2_lost += 1,
            Event::OutOfStep => self.fall_out_of_step(&mut assembly.counters),
        }
    }

    fn begin(&mut self, head: &h2::Head<'_>, place: &RequestContext, assembly: &mut Assembly) {
        self.highest = self.highest.max(head.stream);
        self.any_calls |= head.is_grpc;
        self.count_request(&mut assembly.counters);
        let place = RequestContext {
            begun: place.at,
            ..self.place(head.stream, place)
        };
        let mut request = Request::None;
        if head.stream > self.last {
            assembly.lose(&place, &mut request, Lost::RefusedByV1);
        } else if head.ends {
            assembly.begin(&place, &mut request, head.into());
            assembly.finish(&place, &mut request);
        } else if self.entries.grow(ENTRY) {
            assembly.begin(&place, &mut request, head.into());
            if matches!(request, Request::Settled) {
                self.entries.shrink(ENTRY);
                return;
            }
            if matches!(request, Request::Held(_)) && self.watch == Watch::None {
                self.watch = Watch::Wanted(place.at);
            }
            let open = Open {
                request,
                begun: place.at,
                is_grpc: head.is_grpc,
            };
            self.open.insert(head.stream, open);
        } else {
            assembly.lose(&place, &mut request, DropReason::OverBudget);
        }
    }

    /// Where the request of a stream is.
    fn place(&self, stream: u32, place: &RequestContext) -> RequestContext {
        let begun = self.open.get(stream).map(|open| open.begun);
        RequestContext {
            ordinal: stream.saturating_add(self.before),
            begun: begun.unwrap_or(place.at),
            ..*place
        }
    }

    fn close(&mut self, stream: u32) -> Option<Request> {
        let closed = self.open.remove(stream)?;
        self.entries.shrink(ENTRY);
        Some(closed.request)
    }

    fn count(&mut self, seen: Seen, counters: &mut PipelineCounters) {
        match seen {
            Seen::Http2 => {}
            Seen::Opened(_) => {
                counters.requests += 1;
                self.count_request(counters);
                counters.lost_unseen.count(DropReason::BeforeAttach);
            }
            Seen::OutOfStep => self.fall_out_of_step(counters),
        }
    }

    fn count_request(&mut self, counters: &mut PipelineCounters) {
        self.seen = self.seen.saturating_add(1);
        counters.http2_requests += 1;
        counters.http2_spread.count(self.seen);
    }

    fn fall_out_of_step(&mut self, counters: &mut PipelineCounters) {
        let before = std::mem::replace(&mut self.out_of_step, true);
        counters.connections.http2_out_of_step += u64::from(!before);
    }
}
