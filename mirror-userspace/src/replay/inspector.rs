//! Finds the requests in a capture and describes each, without sending anything.
//!
//! The same reassembly and the same parser as in a mirror, with another consumer: it keeps a line
//! about each request and hashes the body while it passes.

use crate::{
    budget::Budget,
    flow::{self, Close, FlowTable, StreamEvent},
    http::{self, HttpEvent, Input, Lost, Parser},
    segment::{FlowId, Segment, Time},
};

use super::line::{RequestLine, Unfinished};

/// Describes the complete requests of a capture.
#[derive(Debug)]
pub struct Inspector {
    flows: FlowTable<Connection>,
    reading: Reading,
}

/// What all connections are read with.
#[derive(Debug)]
struct Reading {
    limits: http::Limits,
    budget: Budget,
    unprinted: u64,
}

#[derive(Debug, Default)]
struct Connection {
    whose: Option<(u64, FlowId)>,
    parser: Parser,
    /// When the first byte of the current request was captured.
    began: Time,
    request: Option<Box<Unfinished>>,
}

impl Inspector {
    /// Takes memory for what is kept from `budget`.
    #[must_use]
    pub fn new(flow: flow::Limits, http: http::Limits, budget: Budget) -> Self {
        Self {
            flows: FlowTable::new(flow, budget.clone()),
            reading: Reading {
                limits: http,
                budget,
                unprinted: 0,
            },
        }
    }

    /// Complete requests that could not be printed because the budget was used up.
    #[must_use]
    pub fn unprinted(&self) -> u64 {
        self.reading.unprinted
    }

    /// Takes the next segment of the capture, of the connection with the number `stream`; `emit`
    /// gets each request that it completes.
    pub fn handle_segment(
        &mut self,
        stream: u64,
        segment: &Segment<'_>,
        emit: &mut impl FnMut(RequestLine),
    ) {
        let Self { flows, reading } = self;
        let mut deliver = |connection: &mut Connection, event: StreamEvent<'_>| {
            connection.handle(event, stream, reading, emit);
        };
        // A capture is read faster than its clock goes: what became due on the way comes first.
        if flows.poll_timeout().is_some_and(|due| due <= segment.at) {
            flows.handle_timeout(segment.at, &mut deliver);
        }
        flows.handle_segment(segment.at, segment, deliver);
    }

    /// The capture has ended.
    pub fn finish(&mut self, emit: &mut impl FnMut(RequestLine)) {
        let Self { flows, reading } = self;
        flows.shutdown(|connection, event| connection.handle(event, 0, reading, emit));
    }
}

impl Connection {
    fn handle(
        &mut self,
        event: StreamEvent<'_>,
        stream: u64,
        reading: &mut Reading,
        emit: &mut impl FnMut(RequestLine),
    ) {
        let mut at = self.began;
        if let StreamEvent::Data(data) = &event {
            at = data.at;
            if self.parser.is_between_requests() {
                self.began = at;
            }
        }
        let Self {
            whose,
            parser,
            began,
            request,
        } = self;
        let (limits, budget) = (reading.limits, reading.budget.clone());
        let mut on_http = |event: HttpEvent<'_>| match event {
            HttpEvent::Head(head) => {
                *request = whose.as_ref().and_then(|(stream, flow)| {
                    let reserved = budget.reserve(Unfinished::cost(&head))?;
                    Some(Box::new(Unfinished::new(
                        *stream, flow, *began, &head, reserved,
                    )))
                });
            }
            HttpEvent::Body(raw) => {
                if let Some(request) = request {
                    request.body(raw);
                }
            }
            HttpEvent::End => {
                match request.take() {
                    Some(request) => emit(request.end()),
                    None => reading.unprinted += 1,
                }
                // What follows in the same bytes is the next request.
                *began = at;
            }
            HttpEvent::Lost(_) => {
                *request = None;
                *began = at;
            }
            HttpEvent::Protocol(_) => {}
        };
        match event {
            StreamEvent::Opened { flow, from_start } => {
                *whose = Some((stream, flow));
                parser.handle_open(from_start);
            }
            StreamEvent::Data(data) => {
                let input = Input {
                    bytes: data.bytes,
                    starts_segment: data.starts_segment,
                    ack: data.ack.map(|ack| ack.0),
                };
                parser.handle_data(input, &limits, &budget, &mut on_http);
            }
            StreamEvent::Gap { len } => parser.handle_gap(len, &mut on_http),
            StreamEvent::Closed(close) => parser.handle_close(lost(close), &mut on_http),
        }
    }
}

/// What a request counts as that was not complete when its connection closed.
fn lost(close: Close) -> Lost {
    match close {
        Close::Fin | Close::Reused => Lost::Truncated,
        Close::Reset => Lost::Reset,
        Close::Idle => Lost::Idle,
        Close::Evicted => Lost::Evicted,
        Close::Shutdown => Lost::Shutdown,
    }
}
