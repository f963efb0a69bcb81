//! The same stream read by milo, the parser written for Node.js: where do its messages end?
//!
//! It is stricter than most servers (no HTTP/1.0, one `Content-Length`, no bare LF), so whatever
//! passes here and not there deserves a look. What it refuses for other reasons than framing is
//! listed in [`Refusal::Other`].

use std::cell::RefCell;

use milo_parser::{EVENT_ACTIVE_ON_HEADERS, EVENT_ACTIVE_ON_MESSAGE_COMPLETE, Parser, STATE_ERROR};

/// What a stream is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Requests: a client's side of a connection.
    Request,
    /// Replies: a server's side of a connection.
    Reply,
}

/// A message as a reader sees it in a stream: offsets of its head's and its body's ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// One past the head's last byte.
    pub head: usize,
    /// One past the body's last byte.
    pub end: usize,
}

/// Why the second parser stopped before the end of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It finds the framing, or the grammar that framing rests on, at fault.
    Framing(String),
    /// It refuses what it could frame: HTTP/1.0 and other versions, a body of GET, a field whose
    /// value means nothing to it, a line beyond its own limits.
    Other(String),
}

/// What it says of a stream.
#[derive(Debug, Default)]
pub struct Reading {
    /// The complete messages, in order.
    pub complete: Vec<Extent>,
    /// Why it did not read on, if it did not.
    pub refusal: Option<Refusal>,
}

thread_local! {
    /// Its callbacks are plain functions; they leave here what they are told.
    static TOLD: RefCell<Vec<(Event, usize)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Head,
    Complete,
}

fn on_headers(_: &mut Parser, at: usize, _: usize) {
    TOLD.with_borrow_mut(|told| told.push((Event::Head, at)));
}

fn on_complete(_: &mut Parser, at: usize, _: usize) {
    TOLD.with_borrow_mut(|told| told.push((Event::Complete, at)));
}

/// Reads a whole stream.
pub fn read(stream: &[u8], message: Message) -> Reading {
    let mut parser = Parser::new();
    parser.autodetect = false;
    parser.is_request = message == Message::Request;
    parser.max_start_line_length = usize::MAX;
    parser.max_header_length = usize::MAX;
    parser.active_callbacks = EVENT_ACTIVE_ON_HEADERS | EVENT_ACTIVE_ON_MESSAGE_COMPLETE;
    parser.callbacks.on_headers = on_headers;
    parser.callbacks.on_message_complete = on_complete;
    let mut reading = Reading::default();
    let (mut from, mut head) = (0, 0);
    loop {
        let rest = &stream[from..];
        let consumed = parser.parse(rest.as_ptr(), rest.len());
        for (event, at) in TOLD.take() {
            match event {
                Event::Head => head = from + at,
                Event::Complete => reading.complete.push(Extent {
                    head,
                    end: from + at,
                }),
            }
        }
        from += consumed;
        if consumed == 0 || parser.state == STATE_ERROR || from == stream.len() {
            break;
        }
    }
    if parser.state == STATE_ERROR {
        reading.refusal = Some(judge(&parser));
    }
    reading
}

/// What it refuses although its framing is clear.
const OTHER: [&str; 14] = [
    "Request line too short",
    // RFC 3986 has no `<` or `|`, but browsers send them and servers take them.
    "Invalid URL character",
    "PRI is only valid with HTTP/2.0",
    "Unsupported HTTP version",
    "Invalid protocol",
    "Expected Connection header value",
    "Invalid Connection header value",
    "Expected Trailer header value",
    "Expected Upgrade header value",
    "Invalid Upgrade header value",
    "Missing Connection header set to \"upgrade\" when using the Upgrade header",
    "Trailers are not allowed when not using chunked transfer encoding",
    "Unexpected content for the request (GET or HEAD)",
    // After `Connection: close`: here both stop.
    "Unexpected data",
];

fn judge(parser: &Parser) -> Refusal {
    let why = parser.error_description_str();
    if OTHER.contains(&why) {
        Refusal::Other(why.to_owned())
    } else {
        Refusal::Framing(why.to_owned())
    }
}
