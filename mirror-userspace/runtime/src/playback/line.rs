//! One request, as `podmirror replay --print` prints it.

use mirror_core::{
    budget::Reserved,
    http::{Framing, RequestHead, Version, chunked},
    pipeline::RequestInfo,
    policy::authority,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    grpc::{Grpc, Messages},
    rfc3339::Rfc3339,
};

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
    /// Of HTTP/2, the number of the request's stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<u32>,
    /// The value of the `Host` field; where there is none, the authority of a target in absolute
    /// form; else null.
    pub host: Option<String>,
    /// The number of field lines; of HTTP/2, with its pseudo-headers.
    pub headers: usize,
    /// The length of the content in bytes: the chunked coding is decoded, other codings are not.
    pub body_len: u64,
    /// The SHA-256 of the content, in hexadecimal digits.
    pub body_sha256: String,
    /// Of HTTP/2, what a call of gRPC calls: its content type is `application/grpc`, or that with a suffix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Grpc>,
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
    Messages(Messages),
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
        info: &RequestInfo,
        head: &RequestHead<'_>,
        reserved: Reserved,
    ) -> Self {
        let (grpc, stream_id) = match head {
            RequestHead::Http1(_) => (None, None),
            RequestHead::Http2(head) => (Grpc::of(head), Some(head.stream)),
        };
        let line = RequestLine {
            stream,
            src: info.flow.client.to_string(),
            dst: info.flow.server.to_string(),
            ts: Rfc3339(info.begun).to_string(),
            method: text(head.method()),
            target: text(head.target()),
            version: match head {
                RequestHead::Http1(head) => match head.version {
                    Version::Http10 => "1.0",
                    Version::Http11 => "1.1",
                },
                RequestHead::Http2(_) => "2",
            },
            stream_id,
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
            grpc,
        };
        let body = match head {
            RequestHead::Http1(head) if head.framing == Framing::Chunked => {
                Body::Chunked(chunked::Decoder::default())
            }
            RequestHead::Http2(_) if line.grpc.is_some() => Body::Messages(Messages::default()),
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
            Body::Messages(messages) => {
                messages.feed(raw);
                content(raw);
            }
            Body::Chunked(decoder) => decoder.feed(raw, content),
        }
    }

    /// The request is complete.
    pub(super) fn end(self) -> RequestLine {
        let digest = self.hash.finalize();
        let mut grpc = self.line.grpc;
        if let (Some(grpc), Body::Messages(messages)) = (&mut grpc, &self.body) {
            grpc.messages = messages.whole();
        }
        RequestLine {
            grpc,
            body_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            ..self.line
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
