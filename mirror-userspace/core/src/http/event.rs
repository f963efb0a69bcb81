//! What the parser says of a stream.

use std::{net::SocketAddr, ops::Range, slice};

/// One thing that was found in a connection's byte stream, in stream order.
///
/// A request is `Head`, any number of `Body`, then exactly one of `End` and `Lost`.
#[derive(Debug)]
pub enum HttpEvent<'a> {
    /// What the connection turned out to carry. Said once, before everything else, as soon as its
    /// bytes decide it and at the latest when it ends; said again as [`Protocol::Upgraded`] if it
    /// stops being HTTP, as [`Protocol::Http1`] if it turns out that it did not, and as [`Protocol::Http2`] if it goes
    /// on as that.
    Protocol(Protocol),
    /// From here on the connection carries HTTP/2, and the parser says nothing more of it.
    Http2(Http2<'a>),
    /// The connection begins with a PROXY header, before everything else. The client that it names, if it names
    /// one, is behind the balancer that the connection comes from. The bytes are the header, as it was sent.
    Proxied(Option<SocketAddr>, &'a [u8]),
    /// A request's head is complete and its framing is not in doubt.
    Head(Head<'a>),
    /// Bytes of the current request's body, as they stood on the wire: with chunk sizes,
    /// extensions and trailers where the body is chunked.
    Body(&'a [u8]),
    /// The current request is complete.
    End,
    /// A request was lost: the current one, or (with no `Head` before) one that never had a whole
    /// and trustworthy head. `End` will not come.
    Lost(Lost),
}

/// Where the HTTP/2 of a connection begins.
#[derive(Clone, Copy, Debug)]
pub struct Http2<'a> {
    /// Whether the request before asked for it (RFC 7540 section 3.2): it is stream 1.
    pub upgraded: bool,
    /// How many bytes of the [preface](crate::http::h2::PREFACE) came before these.
    pub before: usize,
    /// The bytes at hand.
    pub bytes: &'a [u8],
}

/// A request's head, borrowed from the stream or from the parser's own buffer.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// From the method's first byte to the empty line's last: every byte as it was sent.
    pub raw: &'a [u8],
    /// Where the method stands in `raw`.
    pub method: Span,
    /// Where the request target stands (RFC 9112 section 3.2).
    pub target: Span,
    /// The version that the request line states.
    pub version: Version,
    /// Where the field lines stand, in order, duplicates kept.
    pub fields: &'a [Field],
    /// How the body is framed.
    pub framing: Framing,
    /// What the request offers to leave HTTP/1 for, if it does: `Upgrade` with `Connection: upgrade`, or
    /// CONNECT.
    pub upgrade: Option<Upgrade>,
    /// Whether the client wants to use the connection again (RFC 9112 section 9.3).
    pub persistent: bool,
}

/// A range of bytes in [`Head::raw`]; heads are far smaller than 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte in the head.
    pub start: u32,
    /// Offset of the first byte after the range.
    pub end: u32,
}

impl Span {
    /// The range as slices want it.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// How many bytes it has.
    pub(super) const fn len(self) -> usize {
        self.end.wrapping_sub(self.start) as usize
    }
}

/// One field line of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The field name, as sent.
    pub name: Span,
    /// The field value, without the white space around it.
    pub value: Span,
    /// The whole line, its CRLF included.
    pub line: Span,
}

impl<'a> Head<'a> {
    /// The bytes of a span of this head; empty if it is not one.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &'a [u8] {
        self.raw.get(span.range()).unwrap_or_default()
    }

    /// The request's method, as sent; methods are case-sensitive.
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        self.bytes(self.method)
    }

    /// The request target, as sent.
    #[must_use]
    pub fn target(&self) -> &'a [u8] {
        self.bytes(self.target)
    }

    /// The values of all field lines of this name (ASCII case does not count), in order.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.lines_of(name)
    }

    #[inline]
    pub(super) fn lines_of<'n>(&self, name: &'n str) -> Values<'a, 'n> {
        Values {
            head: *self,
            fields: self.fields.iter(),
            name,
        }
    }
}

/// What [`Head::values`] gives. A loop of its own: as adapters with closures each field costs a call.
pub(super) struct Values<'a, 'n> {
    head: Head<'a>,
    fields: slice::Iter<'a, Field>,
    name: &'n str,
}

impl<'a> Iterator for Values<'a, '_> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let Self { head, fields, name } = self;
        // Most other names differ in length already.
        let is_named = |field: &&Field| {
            field.name.len() == name.len()
                && head.bytes(field.name).eq_ignore_ascii_case(name.as_bytes())
        };
        fields.find(is_named).map(|field| head.bytes(field.value))
    }
}

/// The HTTP versions that are parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: a connection closes after the reply unless the client asks otherwise.
    Http10,
    /// HTTP/1.1: a connection persists unless the client asks otherwise.
    Http11,
}

/// What a request offers to leave HTTP/1 for. It stays an ordinary request if the server declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// HTTP/2 (RFC 7540 section 3.2): if v1 accepts, the client goes on with `PRI * HTTP/2.0`.
    H2c,
    /// WebSocket (RFC 6455): if v1 accepts, the client goes on with frames, of which none begins like a request.
    WebSocket,
    /// Another protocol, or several: what follows could look like anything.
    Other,
    /// A tunnel (CONNECT, RFC 9110 section 9.3.6): what follows could look like anything.
    Connect,
}

/// How a request's body is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The request has no body: it ends with its head.
    None,
    /// The body has exactly this many bytes (`Content-Length`).
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
}

/// What a connection carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// The HTTP/2 connection preface (RFC 9113 section 3.4).
    Http2,
    /// HTTP/2 that was picked up in the middle. The parser never says so: frames do ([`h2::midstream`](super::h2::midstream)).
    Http2Midstream,
    /// A TLS record (RFC 8446 section 5.1).
    Tls,
    /// A protocol that is none of the others.
    NotHttp,
    /// It was HTTP/1 and left it by Upgrade or CONNECT.
    Upgraded,
    /// Its bytes have not said yet, or it ended before they could: none came, or too few, or it was picked up in the
    /// middle and no request began.
    #[default]
    Undecided,
}

/// Why a request was not mirrored whole, as far as the byte stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// Bytes of it are missing from the capture.
    Gap,
    /// The client aborted the connection, or in HTTP/2 the request's stream, in the middle of it.
    Reset,
    /// The connection ended in the middle of it, or before anything showed that it is one.
    Truncated,
    /// It stood still for the idle time-out.
    Idle,
    /// Its connection was evicted: too many connections or too much memory.
    Evicted,
    /// The mirror let go of its interface in the middle of it.
    Detached,
    /// The mirror stopped in the middle of it.
    Shutdown,
    /// Two readers could disagree about where it ends (RFC 9112 section 11.2).
    Ambiguous,
    /// It breaks the grammar.
    Malformed,
    /// Its head, a chunk extension or its trailers exceed their limit.
    TooLarge,
    /// v1 refused it or did not read it: it stands behind a reply with which v1 closes the connection, or
    /// behind a request that every server has to refuse and nothing shows that v1 read on.
    RefusedByV1,
}
