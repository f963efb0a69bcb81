//! What the flow table keeps for each connection: its parser, and its request in progress.

use super::{
    ConnectionId, RequestInfo, RequestKey,
    assembly::{Assembly, Request},
    not_followed::Passing,
};
use crate::{
    http::{Framing, HttpEvent, Input, Lost, Parser, Protocol},
    policy::Trailers,
    segment::{Endpoint, FlowId, Time},
    stream::{Close, Consumer, StreamEvent},
};

/// The state of one connection between two segments.
#[derive(Default)]
pub(super) struct Connection {
    parser: Parser,
    place: RequestContext,
    request: Request,
    /// Hides what is to be hidden behind the body at hand.
    trailers: Option<Box<Trailers>>,
    passing: Passing,
}

/// What policy and ordering need to know of a request's connection.
#[derive(Clone, Copy, Default)]
pub(super) struct RequestContext {
    pub(super) id: ConnectionId,
    /// `None` only before the first event.
    pub(super) flow: Option<FlowId>,
    /// Who a PROXY header says is behind the flow's client.
    pub(super) proxied: Option<Endpoint>,
    /// Requests begun on this connection.
    pub(super) ordinal: u32,
    /// When the first byte of the request at hand, or of the next one, was captured.
    pub(super) begun: Time,
    /// When the bytes at hand were captured.
    pub(super) at: Time,
    /// What the connection is counted as.
    pub(super) protocol: Protocol,
}

impl RequestContext {
    /// The request at hand.
    pub(super) const fn request(&self) -> RequestKey {
        RequestKey {
            connection: self.id,
            number: self.ordinal,
        }
    }

    /// What observers are told.
    pub(super) fn info(&self) -> Option<RequestInfo> {
        Some(RequestInfo {
            request: self.request(),
            flow: self.flow?,
            begun: self.begun,
            at: self.at,
        })
    }
}

impl Consumer for Connection {
    fn rests(&self) -> bool {
        // Whose requests they are must not be forgotten.
        self.parser.rests() && self.place.proxied.is_none()
    }
}

impl Connection {
    pub(super) fn handle_event(&mut self, event: StreamEvent<'_>, assembly: &mut Assembly) {
        let Self {
            parser,
            place,
            request,
            trailers,
            passing,
        } = self;
        match event {
            StreamEvent::Opened {
                flow,
                from_start,
                rested,
            } => {
                *place = RequestContext {
                    id: assembly.next_connection(),
                    flow: Some(flow),
                    ..RequestContext::default()
                };
                assembly.counters.connections.opened(from_start);
                if rested {
                    parser.handle_resumption();
                } else {
                    parser.handle_open(from_start);
                }
                passing.stand(parser.footing());
            }
            StreamEvent::Data(data) => {
                place.at = data.at;
                if parser.is_between_requests() {
                    place.begun = data.at;
                }
                let input = Input {
                    bytes: data.bytes,
                    starts_segment: data.starts_segment,
                    ack: data.ack.map(|ack| ack.0),
                };
                let (limits, budget) = (assembly.http_limits, assembly.unfinished.clone());
                parser.handle_data(input, &limits, &budget, &mut |event| {
                    on_http(place, request, trailers, event, assembly);
                });
                let stands = (parser.footing(), place.protocol);
                passing.count(&data, stands, &mut assembly.counters.not_followed);
            }
            StreamEvent::Acknowledged { ack } => {
                parser.handle_ack(ack.0, &mut |event| {
                    on_http(place, request, trailers, event, assembly)
                });
            }
            StreamEvent::Gap { len } => {
                parser.handle_gap(len, &mut |event| {
                    on_http(place, request, trailers, event, assembly)
                });
                passing.stand(parser.footing());
            }
            StreamEvent::Closed(close) => {
                parser.handle_close(lost_by(close), &mut |event| {
                    on_http(place, request, trailers, event, assembly)
                });
                assembly.counters.connections.closed();
                assembly.close(place);
            }
        }
    }
}

fn on_http(
    place: &mut RequestContext,
    request: &mut Request,
    trailers: &mut Option<Box<Trailers>>,
    event: HttpEvent<'_>,
    assembly: &mut Assembly,
) {
    match event {
        HttpEvent::Protocol(protocol) => {
            let before = std::mem::replace(&mut place.protocol, protocol);
            assembly.counters.connections.became(before, protocol);
        }
        HttpEvent::Proxied(client) => {
            place.proxied = client.map(Endpoint::from);
            assembly.counters.connections.proxied += 1;
        }
        HttpEvent::Head(head) => {
            place.ordinal = place.ordinal.saturating_add(1);
            assembly.begin(place, request, &head);
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
            // What follows in the same bytes is the next request.
            place.begun = place.at;
        }
        HttpEvent::Lost(reason) => {
            assembly.lose(place, request, reason);
            place.begun = place.at;
        }
    }
}

/// What an unfinished request is lost by when its connection ends.
const fn lost_by(close: Close) -> Lost {
    match close {
        Close::Reset => Lost::Reset,
        Close::Fin | Close::Reused => Lost::Truncated,
        Close::Idle => Lost::Idle,
        Close::Evicted => Lost::Evicted,
        Close::Detached => Lost::Detached,
        Close::Shutdown => Lost::Shutdown,
    }
}
