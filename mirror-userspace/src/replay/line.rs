//! One request, as `podmirror replay --print` prints it.

use mirror_core::{
    budget::Reserved,
    http::{Framing, RequestHead, Version, chunked},
    policy::authority,
    segment::{FlowId, Time},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::rfc3339::Rfc3339;

/// A complete request: one JSON object on one line. Fields may be added in later versions, but
/// none changes its meaning.
///
/// Bytes of the method, the target and the host that are not UTF-8 are shown as U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestLine {
    /// The number of its connection in the file, counted from 0 by first segments.
    pub stream: u64,
    /// The client's address and port.
    pub src: String,
    /// The server's address and port.
    pub dst: String,
    /// When its first byte was captured, as RFC 3339 text.
    pub ts: String,
    /// The request's method, as sent.
    pub method: String,
    /// The request target, as sent.
    pub target: String,
    /// The HTTP version: `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// The value of the `Host` field; where there is none, the authority of a target in absolute
    /// form; else null.
    pub host: Option<String>,
    /// The number of field lines; of HTTP/2, with its pseudo-headers.
    pub headers: usize,
    /// The length of the content in bytes: the chunked coding is decoded, other codings are not.
    pub body_len: u64,
    /// The SHA-256 of the content, in hexadecimal digits.
    pub body_sha256: String,
}

/// A request whose end has not come. Its body is not kept.
#[derive(Debug)]
pub(super) struct Unfinished {
    line: RequestLine,
    body: Body,
    hash: Sha256,
    /// The share of the budget that the line's strings take.
    _reserved: Reserved,
}

#[derive(Debug)]
enum Body {
    Plain,
    Chunked(chunked::Decoder),
}

impl Unfinished {
    /// What a head takes from the budget until its request ends.
    pub(super) fn cost(head: &RequestHead<'_>) -> usize {
        let text = match head {
            RequestHead::Http1(head) => head.raw.len(),
            RequestHead::Http2(head) => head.fields.size(),
        };
        // The text, and a place in the table of those under way.
        size_of::<Self>() + 64 + 2 * text
    }

    pub(super) fn new(
        stream: u64,
        flow: &FlowId,
        began: Time,
        head: &RequestHead<'_>,
        reserved: Reserved,
    ) -> Self {
        let line = RequestLine {
            stream,
            src: flow.client.to_string(),
            dst: flow.server.to_string(),
            ts: Rfc3339(began).to_string(),
            method: text(head.method()),
            target: text(head.target()),
            version: match head {
                RequestHead::Http1(head) => match head.version {
                    Version::Http10 => "1.0",
                    Version::Http11 => "1.1",
                },
                RequestHead::Http2(_) => "2",
            },
            host: head
                .values("host")
                .next()
                .or_else(|| authority(head.target()))
                .map(text),
            headers: match head {
                RequestHead::Http1(head) => head.fields.len(),
                RequestHead::Http2(head) => head.fields.len(),
            },
            body_len: 0,
            body_sha256: String::new(),
        };
        let body = match head {
            RequestHead::Http1(head) if head.framing == Framing::Chunked => {
                Body::Chunked(chunked::Decoder::default())
            }
            RequestHead::Http1(_) | RequestHead::Http2(_) => Body::Plain,
        };
        Self {
            line,
            body,
            hash: Sha256::new(),
            _reserved: reserved,
        }
    }

    /// Takes the next bytes of the body, as they stood on the wire.
    pub(super) fn body(&mut self, raw: &[u8]) {
        let (line, hash) = (&mut self.line, &mut self.hash);
        let mut content = |bytes: &[u8]| {
            line.body_len += bytes.len() as u64;
            hash.update(bytes);
        };
        match &mut self.body {
            Body::Plain => content(raw),
            Body::Chunked(decoder) => decoder.feed(raw, content),
        }
    }

    /// The request is complete.
    pub(super) fn end(self) -> RequestLine {
        let digest = self.hash.finalize();
        RequestLine {
            body_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            ..self.line
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
