//! A stream to requests: the same however it is cut, and as a strict parser reads it.

use mirror_core::{
    budget::Budget,
    http::{Framing, HttpEvent, Input, Limits, Lost, Parser, Protocol, Version, chunked, h2},
};

use crate::second_parser::{self, Extent, Message, Refusal};

/// What the parser said, bodies put together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Protocol(Protocol),
    Head {
        raw: Vec<u8>,
        version: Version,
        framing: Framing,
    },
    Body(Vec<u8>),
    End,
    Lost(Lost),
}

/// The first two bytes say how the stream is cut; the rest is the stream.
pub fn run(data: &[u8]) {
    let Some(([first, second], stream)) = data.split_first_chunk() else {
        return;
    };
    let whole = read(stream, |_| stream.len());
    let even = read(stream, |_| usize::from(*first).max(1));
    assert_eq!(whole, even, "cut every {first} bytes");
    let odd = read(stream, |n| 1 + (usize::from(*second) * (n + 1)) % 17);
    assert_eq!(whole, odd, "cut unevenly");
    check_bodies(&whole);
    compare(&whole, stream);
}

fn read(stream: &[u8], mut piece: impl FnMut(usize) -> usize) -> Vec<Said> {
    let budget = Budget::new(1 << 20);
    let mut parser = Parser::default();
    parser.handle_open(true);
    let mut said = Vec::new();
    let (mut rest, mut pieces) = (stream, 0);
    while !rest.is_empty() {
        let (bytes, after) = rest.split_at(piece(pieces).clamp(1, rest.len()));
        let input = Input {
            bytes,
            starts_segment: true,
            ack: Some(1),
        };
        let limits = Limits::default();
        parser.handle_data(input, &limits, &budget, &mut |event| note(&mut said, event));
        assert!(budget.used() <= 2 * limits.head, "one head at most is kept");
        (rest, pieces) = (after, pieces + 1);
    }
    parser.handle_close(Lost::Truncated, &mut |event| note(&mut said, event));
    drop(parser);
    assert_eq!(budget.used(), 0);
    said
}

fn note(said: &mut Vec<Said>, event: HttpEvent<'_>) {
    let inside = matches!(said.last(), Some(Said::Head { .. } | Said::Body(_)));
    match event {
        // It is no part of a request; where the first one stands shows that it was taken off.
        HttpEvent::Proxied(..) => {}
        HttpEvent::Http2(beginning) => {
            assert!(!inside && beginning.before < h2::PREFACE.len());
        }
        HttpEvent::Protocol(protocol) => said.push(Said::Protocol(protocol)),
        HttpEvent::Head(head) => {
            assert!(!inside, "one request after the other");
            said.push(Said::Head {
                raw: head.raw.to_vec(),
                version: head.version,
                framing: head.framing,
            });
        }
        HttpEvent::Body(bytes) => {
            assert!(inside && !bytes.is_empty());
            match said.last_mut() {
                Some(Said::Body(body)) => body.extend_from_slice(bytes),
                _ => said.push(Said::Body(bytes.to_vec())),
            }
        }
        HttpEvent::End => {
            assert!(inside);
            said.push(Said::End);
        }
        HttpEvent::Lost(why) => said.push(Said::Lost(why)),
    }
}

/// A complete body is as long as its framing says.
fn check_bodies(said: &[Said]) {
    let mut rest = said.iter().peekable();
    while let Some(event) = rest.next() {
        let Said::Head { framing, .. } = event else {
            continue;
        };
        let body = match rest.next_if(|next| matches!(next, Said::Body(_))) {
            Some(Said::Body(body)) => &body[..],
            _ => &[],
        };
        if rest.peek() != Some(&&Said::End) {
            continue;
        }
        match framing {
            Framing::None => assert!(body.is_empty()),
            Framing::Length(len) => assert_eq!(body.len() as u64, *len),
            Framing::Chunked => assert!(chunked::decode(body).is_some()),
        }
    }
}

/// What both accept ends at the same bytes; what a strict parser refuses we do not accept.
fn compare(said: &[Said], stream: &[u8]) {
    let ours = extents(said, stream);
    let reading = second_parser::read(stream, Message::Request);
    for (index, request) in ours.iter().enumerate() {
        match (reading.complete.get(index), &reading.refusal) {
            (Some(other), _) => assert_eq!(request, other, "request {index}"),
            (None, Some(Refusal::Other(_))) => return,
            // The second parser leaves the rest of an upgraded connection alone, as we do.
            (None, refusal) => panic!("request {index} at {request:?} is accepted: {refusal:?}"),
        }
    }
}

/// Where our complete requests stand in the stream, up to the first that the second parser does not read (HTTP/1.0, a
/// PROXY header before it, white space behind a chunk size, a bare LF before it), and up to a CONNECT, which it does
/// not count as complete.
fn extents(said: &[Said], stream: &[u8]) -> Vec<Extent> {
    let (mut found, mut from) = (Vec::new(), 0);
    let (mut current, mut chunked) = (None, false);
    for event in said {
        match event {
            Said::Head {
                raw,
                version,
                framing,
            } => {
                chunked = *framing == Framing::Chunked;
                if *version == Version::Http10 || raw.starts_with(b"CONNECT ") {
                    break;
                }
                // Empty lines before a request are no part of it.
                let (mut bare, begin) = (false, from);
                while let Some(byte @ (b'\r' | b'\n')) = stream.get(from) {
                    bare |= *byte == b'\n' && !stream[begin..from].ends_with(b"\r");
                    from += 1;
                }
                if bare || (found.is_empty() && !stream[from..].starts_with(raw)) {
                    break;
                }
                assert!(
                    stream[from..].starts_with(raw),
                    "a head is bytes of the stream"
                );
                from += raw.len();
                current = Some(from);
            }
            Said::Body(body) => {
                assert!(
                    stream[from..].starts_with(body),
                    "a body is bytes of the stream"
                );
                from += body.len();
                let spaced =
                    |pair: &[u8]| matches!(pair, [b' ' | b'\t', b'\r' | b';' | b' ' | b'\t']);
                if chunked && body.windows(2).any(spaced) {
                    break;
                }
            }
            Said::End => {
                if let Some(head) = current.take() {
                    found.push(Extent { head, end: from });
                }
            }
            Said::Lost(_) => break,
            Said::Protocol(_) => {}
        }
    }
    found
}
