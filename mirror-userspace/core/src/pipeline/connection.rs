//! What the flow table keeps for each connection: its parser, and its request in progress.

use std::time::Duration;

use super::{
    ConnectionId, DropReason, RequestKey,
    assembly::{Assembly, Opening, Request},
    body::OWN_PIECE,
    carried::Carried,
    context::RequestContext,
    drops::lost_by,
    not_followed::Passing,
    replies::{Replies, Told},
};
use crate::{
    http::{self, Footing, Framing, Head, HttpEvent, Input, Parser, Protocol},
    policy::Trailers,
    segment::{Endpoint, SeqNum, Time},
    stream::{Close, Consumer, Data, FromServer, Rest, StreamEvent},
};

/// For how long a connection of HTTP/2 may be silent before it is forgotten: without its dynamic table nothing of it can be
/// read any more. Clients of gRPC give up a channel that nobody uses after half an hour.
const SILENCE: Duration = Duration::from_secs(3600);

/// The state of one connection between two segments.
#[derive(Default)]
pub(super) struct Connection {
    parser: Parser,
    passing: Passing,
    reading: Reading,
}

/// What the parser's events are turned into copies with.
#[derive(Default)]
struct Reading {
    place: RequestContext,
    request: Request,
    /// Hides what is to be hidden behind the body at hand.
    trailers: Option<Box<Trailers>>,
    /// What v1 has not answered; from the first request on, where anything is captured that v1 sends.
    replies: Option<Box<Replies>>,
    /// What is known of HTTP/2 on the connection.
    carried: Carried,
    /// The PROXY header, if it is to be sent on.
    opening: Option<Box<Opening>>,
}

impl Consumer for Connection {
    fn rest(&self) -> Option<Rest> {
        if self.reading.carried.is_http2() {
            return None;
        }
        match self.parser.rest()? {
            // Whose requests they are must not be forgotten.
            http::Rest::Before(_) if self.reading.place.proxied.is_some() => None,
            http::Rest::Before(bytes) => Some(Rest::Before(bytes)),
            http::Rest::Inside(ack) => Some(Rest::Inside(ack.map(SeqNum))),
        }
    }

    fn stays(&self, now: Time) -> bool {
        let Reading { place, carried, .. } = &self.reading;
        carried.footing() == Footing::InStep && now.since(place.at) < SILENCE
    }
}

fn to_parser(rest: Rest) -> http::Rest {
    match rest {
        Rest::Before(bytes) => http::Rest::Before(bytes),
        Rest::Inside(ack) => http::Rest::Inside(ack.map(|ack| ack.0)),
    }
}

impl Connection {
    pub(super) fn handle_event(&mut self, event: StreamEvent<'_>, assembly: &mut Assembly) {
        let Self {
            parser,
            passing,
            reading,
        } = self;
        match event {
            StreamEvent::Opened {
                flow,
                from_start,
                rested,
            } => {
                reading.place = RequestContext {
                    id: assembly.next_connection(),
                    flow: Some(flow),
                    ..RequestContext::default()
                };
                assembly.counters.connections.opened(from_start);
                if let Some(lost) = &mut assembly.lost {
                    lost.handle_open(reading.place.id, flow);
                }
                match rested {
                    Some(rest) => parser.handle_resumption(to_parser(rest), &mut |event| {
                        reading.handle_event(event, assembly);
                    }),
                    None => parser.handle_open(from_start),
                }
                passing.stand(parser.footing());
            }
            StreamEvent::Data(data) => {
                assembly.waited = data.waited.filter(|it| it.len() >= OWN_PIECE).cloned();
                reading.place.handle_bytes(data.at, data.ack);
                if reading.carried.is_http2() {
                    return reading.handle_http2(&data, passing, assembly);
                }
                // What is on trial began before.
                if parser.is_between_requests() && !parser.is_on_trial() {
                    reading.place.begin_here();
                }
                let input = Input {
                    bytes: data.bytes,
                    starts_segment: data.starts_segment,
                    ack: data.ack.map(|ack| ack.0),
                };
                let (limits, budget) = (assembly.http_limits, assembly.unfinished.clone());
                parser.handle_data(input, &limits, &budget, &mut |event| {
                    reading.handle_event(event, assembly);
                });
                let mut footing = parser.footing();
                if reading.place.protocol != Protocol::Http1 {
                    footing = reading.stand_elsewhere(input, footing, assembly);
                }
                let stands = (footing, reading.place.protocol);
                passing.count(&data, stands, &mut assembly.counters.not_followed);
            }
            StreamEvent::Acknowledged { .. } if reading.carried.is_http2() => {}
            StreamEvent::Acknowledged { ack } => {
                parser.handle_ack(ack.0, &mut |event| reading.handle_event(event, assembly));
            }
            StreamEvent::FromServer(from_server) => {
                assembly.hears_v1 = true;
                if reading.carried.is_http2() {
                    let place = reading.place;
                    return reading
                        .carried
                        .handle_from_v1(&from_server, &place, assembly);
                }
                reading.handle_reply(&from_server, parser, assembly);
            }
            StreamEvent::Gap { len } if reading.carried.is_http2() => {
                let place = reading.place;
                reading.carried.handle_gap(len, &place, assembly);
            }
            StreamEvent::Gap { len } => {
                let place = reading.place;
                reading.carried.handle_gap(len, &place, assembly);
                parser.handle_gap(len, &mut |event| reading.handle_event(event, assembly));
                passing.stand(parser.footing());
            }
            StreamEvent::Closed(close) => {
                let place = reading.place;
                if !reading
                    .carried
                    .handle_close(lost_by(close), &place, assembly)
                {
                    parser.handle_close(lost_by(close), &mut |event| {
                        reading.handle_event(event, assembly);
                    });
                }
                if let Some(replies) = &mut reading.replies {
                    let given_up = !matches!(close, Close::Fin | Close::Reset | Close::Reused);
                    let counters = &mut assembly.counters.replies_of_v1;
                    let told = replies.close(given_up, counters);
                    if let Some(number) = told.filter(|_| assembly.tells_replies) {
                        let connection = reading.place.id;
                        let request = RequestKey { connection, number };
                        assembly.outputs.push_back(Told::Missed.output(request));
                    }
                }
                assembly.counters.connections.closed();
                assembly.close(&reading.place);
            }
        }
    }
}

impl Connection {
    /// Requests of HTTP/2 that were held for long enough are passed on, if this is still that connection.
    pub(super) fn handle_patience(&mut self, id: ConnectionId, now: Time, assembly: &mut Assembly) {
        let Reading { place, carried, .. } = &mut self.reading;
        if place.id == id {
            carried.handle_patience(now, place, assembly);
        }
    }
}

impl Reading {
    fn handle_event(&mut self, event: HttpEvent<'_>, assembly: &mut Assembly) {
        let Self {
            place,
            request,
            trailers,
            replies,
            carried,
            opening,
        } = self;
        match event {
            HttpEvent::Protocol(protocol) => {
                place.become_protocol(protocol, assembly);
                carried.forget_sought();
            }
            HttpEvent::Http2(beginning) => {
                if let Some(mut replies) = replies.take() {
                    replies.forget(&mut assembly.counters.replies_of_v1);
                }
                carried.follow(&beginning, place, assembly);
            }
            HttpEvent::Proxied(client, header) => {
                place.proxied = client.map(Endpoint::from);
                *opening = assembly.keep_opening(header);
                assembly.counters.connections.proxied += 1;
            }
            HttpEvent::Head(head) => {
                place.ordinal = place.ordinal.saturating_add(1);
                if assembly.hears_v1 {
                    self.ask(&head, assembly);
                }
                let Self {
                    place,
                    request,
                    trailers,
                    opening,
                    ..
                } = self;
                assembly.opening = opening.as_ref().map(|opening| opening.header.clone());
                assembly.begin(place, request, (&head).into());
                if trailers.is_some() || head.framing == Framing::Chunked {
                    *trailers = assembly.policy.trailers(&head).map(Box::new);
                }
            }
            HttpEvent::Body(bytes) => match trailers {
                None => assembly.extend(place, request, bytes),
                Some(trailers) => match &*trailers.feed(bytes) {
                    [] => {}
                    bytes => assembly.extend(place, request, bytes),
                },
            },
            HttpEvent::End => {
                assembly.finish(place, request);
                if let Some(replies) = replies {
                    replies.end(place.ordinal, place.at);
                }
                // What follows in the same bytes is the next request.
                place.begin_here();
            }
            HttpEvent::Lost(reason) => {
                if let Some(replies) = replies
                    && matches!(request, Request::None)
                {
                    replies.lose(place.received(), &mut assembly.counters.replies_of_v1);
                }
                assembly.lose(place, request, reason);
                place.begin_here();
            }
        }
    }

    /// Takes more of a connection that carries HTTP/2.
    #[inline(never)]
    fn handle_http2(&mut self, data: &Data<'_>, passing: &mut Passing, assembly: &mut Assembly) {
        let input = Input {
            bytes: data.bytes,
            starts_segment: data.starts_segment,
            ack: None,
        };
        let before = self.only_counted(assembly);
        self.carried.handle_data(input, &self.place, assembly);
        if let Some(before) = before {
            assembly.note_counted(&self.place, DropReason::BeforeAttach, before);
        }
        let stands = (self.carried.footing(), self.place.protocol);
        passing.count(data, stands, &mut assembly.counters.not_followed);
    }

    /// How many requests were only counted so far, if those of this connection are or may be, and losses are kept.
    fn only_counted(&self, assembly: &Assembly) -> Option<u64> {
        let counts = matches!(
            self.place.protocol,
            Protocol::Undecided | Protocol::Http2Midstream
        );
        (counts && assembly.lost.is_some())
            .then(|| assembly.counters.lost_unseen.of(DropReason::BeforeAttach))
    }

    /// How a connection stands that does not carry HTTP/1: while nothing has decided what it carries, frames of HTTP/2
    /// are looked for.
    #[cold]
    fn stand_elsewhere(
        &mut self,
        input: Input<'_>,
        footing: Footing,
        assembly: &mut Assembly,
    ) -> Footing {
        let before = self.only_counted(assembly);
        if self.place.protocol == Protocol::Undecided && self.carried.seek(input, footing, assembly)
        {
            self.place
                .become_protocol(Protocol::Http2Midstream, assembly);
            if let Some(before) = before {
                assembly.note_counted(&self.place, DropReason::BeforeAttach, before);
            }
        }
        if self.carried.is_http2() {
            self.carried.footing()
        } else {
            footing
        }
    }

    /// Notes that v1 is asked.
    fn ask(&mut self, head: &Head<'_>, assembly: &mut Assembly) {
        let counters = &mut assembly.counters.replies_of_v1;
        self.replies = self
            .replies
            .take()
            .or_else(|| Replies::new(&assembly.unfinished));
        match &mut self.replies {
            Some(replies) => replies.ask(
                self.place.ordinal,
                head.method(),
                self.place.had_received(),
                counters,
            ),
            None => counters.unseen += 1,
        }
    }

    /// Takes what v1 sent, and tells the parser what it says.
    fn handle_reply(
        &mut self,
        from_server: &FromServer<'_>,
        parser: &mut Parser,
        assembly: &mut Assembly,
    ) {
        let Some(replies) = &mut self.replies else {
            return;
        };
        // Only the last of them is of the request that the client sent last.
        let mut last = None;
        let connection = self.place.id;
        let whole = assembly.tells_replies;
        replies.handle(
            from_server,
            &mut assembly.counters.replies_of_v1,
            |answer| last = Some(answer),
            assembly.tells_answers.then_some(|number, told: Told<'_>| {
                if whole || matches!(told, Told::Status(_)) {
                    let request = RequestKey { connection, number };
                    assembly.outputs.push_back(told.output(request));
                }
            }),
        );
        if let Some(answer) = last {
            parser.handle_reply(answer, &mut |event| self.handle_event(event, assembly));
        }
    }
}
