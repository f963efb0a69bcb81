//! Feeds a parser and writes down what it says.

use std::net::SocketAddr;

use mirror_core::{
    budget::Budget,
    http::{
        Answer, Framing, Head, HttpEvent, Input, Limits, Lost, Parser, Protocol, Upgrade, Version,
        h2,
    },
};

/// An event as a value. Pieces of one body are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Proxied(Option<SocketAddr>, Vec<u8>),
    Protocol(Protocol),
    Head(Request),
    Body(Vec<u8>),
    End,
    Lost(Lost),
}

/// A head as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) raw: Vec<u8>,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) framing: Framing,
    pub(crate) upgrade: Option<Upgrade>,
}

impl From<Head<'_>> for Request {
    fn from(head: Head<'_>) -> Self {
        // Each byte is the character of its number.
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        Self {
            raw: head.raw.to_vec(),
            method: text(head.method()),
            target: text(head.target()),
            version: head.version,
            fields: head
                .fields
                .iter()
                .map(|field| {
                    (
                        text(head.bytes(field.name)),
                        head.bytes(field.value).to_vec(),
                    )
                })
                .collect(),
            framing: head.framing,
            upgrade: head.upgrade,
        }
    }
}

/// One connection's parser, and what it has said so far.
pub(crate) struct Connection {
    parser: Parser,
    limits: Limits,
    budget: Budget,
    said: Vec<Said>,
}

impl Connection {
    /// One whose first byte will be seen.
    pub(crate) fn from_start() -> Self {
        Self::opened(true)
    }

    /// One that is picked up in the middle.
    pub(crate) fn midway() -> Self {
        Self::opened(false)
    }

    fn opened(from_start: bool) -> Self {
        let mut parser = Parser::default();
        parser.handle_open(from_start);
        Self {
            parser,
            limits: Limits::default(),
            budget: Budget::new(1 << 20),
            said: Vec::new(),
        }
    }

    /// A segment of the client, sent when it had received so much of the server.
    pub(crate) fn segment(&mut self, bytes: impl AsRef<[u8]>, ack: u32) -> &mut Self {
        self.input(Input {
            bytes: bytes.as_ref(),
            starts_segment: true,
            ack: Some(ack),
        })
    }

    /// Any piece of the stream.
    pub(crate) fn input(&mut self, input: Input<'_>) -> &mut Self {
        let said = &mut self.said;
        self.parser
            .handle_data(input, &self.limits, &self.budget, &mut |event| {
                write(said, event)
            });
        self
    }

    pub(crate) fn gap(&mut self, len: u64) -> &mut Self {
        let said = &mut self.said;
        self.parser.handle_gap(len, &mut |event| write(said, event));
        self
    }

    /// The client has received so much of the server, and sends nothing.
    pub(crate) fn acknowledge(&mut self, ack: u32) -> &mut Self {
        let said = &mut self.said;
        self.parser.handle_ack(ack, &mut |event| write(said, event));
        self
    }

    /// v1 answers the request at hand, or the last one.
    pub(crate) fn reply(&mut self, status: u16, closes: bool) -> &mut Self {
        let said = &mut self.said;
        let answer = Answer { status, closes };
        self.parser
            .handle_reply(answer, &mut |event| write(said, event));
        self
    }

    /// What was said up to now.
    pub(crate) fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Ends the connection. Whatever was kept must be given back.
    pub(crate) fn close(&mut self) -> Vec<Said> {
        let said = &mut self.said;
        self.parser
            .handle_close(Lost::Truncated, &mut |event| write(said, event));
        assert_eq!(self.budget.used(), 0);
        self.said()
    }
}

fn write(said: &mut Vec<Said>, event: HttpEvent<'_>) {
    let value = match event {
        HttpEvent::Proxied(client, header) => Said::Proxied(client, header.to_vec()),
        HttpEvent::Protocol(protocol) => Said::Protocol(protocol),
        HttpEvent::Http2(beginning) => {
            assert_eq!(said.last(), Some(&Said::Protocol(Protocol::Http2)));
            let before = &h2::PREFACE[..beginning.before];
            let begun = [before, beginning.bytes].concat();
            return assert!(begun.starts_with(b"PRI * HTTP/2.0"));
        }
        HttpEvent::Head(head) => Said::Head(head.into()),
        HttpEvent::Body(bytes) => {
            assert!(!bytes.is_empty());
            if let Some(Said::Body(body)) = said.last_mut() {
                return body.extend_from_slice(bytes);
            }
            Said::Body(bytes.to_vec())
        }
        HttpEvent::End => Said::End,
        HttpEvent::Lost(why) => Said::Lost(why),
    };
    said.push(value);
}

/// What a whole stream says: fed whole, byte by byte, and in two at every place, always the same.
pub(crate) fn every_way(stream: &[u8]) -> Vec<Said> {
    let whole = of(&[stream]);
    let bytes: Vec<_> = stream.chunks(1).collect();
    assert_eq!(of(&bytes), whole, "byte by byte: {:?}", text(stream));
    for at in 1..stream.len() {
        let (left, right) = stream.split_at(at);
        assert_eq!(of(&[left, right]), whole, "cut at {at}: {:?}", text(stream));
    }
    whole
}

fn of(pieces: &[&[u8]]) -> Vec<Said> {
    let mut connection = Connection::from_start();
    for piece in pieces {
        connection.segment(piece, 1);
    }
    connection.close()
}

/// A stream for a message.
pub(crate) fn text(stream: &[u8]) -> String {
    stream.escape_ascii().to_string()
}

/// The complete requests: each head with its body as it stood on the wire.
pub(crate) fn complete(said: &[Said]) -> Vec<(Request, Vec<u8>)> {
    let mut requests = Vec::new();
    let mut open = None;
    for said in said {
        match said {
            Said::Head(request) => {
                assert!(open.is_none(), "a head within a request");
                open = Some((request.clone(), Vec::new()));
            }
            Said::Body(bytes) => open.as_mut().expect("a head before").1.clone_from(bytes),
            Said::End => requests.push(open.take().expect("a head before")),
            Said::Lost(_) => open = None,
            Said::Protocol(_) | Said::Proxied(..) => {}
        }
    }
    assert!(open.is_none(), "a request that neither ended nor was lost");
    requests
}

/// The complete requests in short: `POST /a body`.
pub(crate) fn short(said: &[Said]) -> Vec<String> {
    complete(said)
        .iter()
        .map(|(request, body)| {
            let line = format!("{} {} {}", request.method, request.target, text(body));
            line.trim_end().to_owned()
        })
        .collect()
}

/// Why requests were lost, in order.
pub(crate) fn lost(said: &[Said]) -> Vec<Lost> {
    said.iter()
        .filter_map(|said| match said {
            Said::Lost(why) => Some(*why),
            _ => None,
        })
        .collect()
}

/// What the connection was said to carry, in order.
pub(crate) fn protocols(said: &[Said]) -> Vec<Protocol> {
    said.iter()
        .filter_map(|said| match said {
            Said::Protocol(protocol) => Some(*protocol),
            _ => None,
        })
        .collect()
}
