//! What a connection carries, from its first bytes.
//!
//! Two of the protocols found on the same ports have an unmistakable start: TLS with a handshake record,
//! and HTTP/2 with its preface. HTTP/1 begins with a method and a space. A well-known method decides at
//! once; any other token could be another protocol's greeting (`EHLO x`), so the whole request line has
//! to prove it.

use super::{Protocol, grammar::is_tchar};

/// How many bytes decide at most: the longest method of a first request, and its space.
pub(super) const DECISIVE: usize = 33;

/// RFC 9113 section 3.4, as far as no HTTP/1 request begins alike.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// The methods that decide: RFC 9110, RFC 5789, and what WebDAV and caches use.
const METHODS: &[&[u8]] = &[
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"QUERY ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"LOCK ",
    b"UNLOCK ",
    b"REPORT ",
    b"SEARCH ",
    b"PURGE ",
];

/// What a connection's first bytes reveal about its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detected {
    /// Too few bytes to tell the protocol.
    More,
    /// The bytes identify this protocol.
    Protocol(Protocol),
    /// A token and a space: HTTP/1 if they begin a request line.
    RequestLine,
}

/// Looks at the first bytes of a connection, at most [`DECISIVE`] of them.
pub(super) fn detect(first: &[u8]) -> Detected {
    match first {
        [] | [0x16] => return Detected::More,
        // A TLS handshake record (RFC 8446 section 5.1): type 22, legacy version 3.x.
        [0x16, 0x03, ..] => return Detected::Protocol(Protocol::Tls),
        _ if first.starts_with(PREFACE) => return Detected::Protocol(Protocol::Http2),
        _ if PREFACE.starts_with(first) => return Detected::More,
        _ => {}
    }
    match first.iter().position(|byte| !is_tchar(*byte)) {
        None if first.len() < DECISIVE => Detected::More,
        Some(at) if at > 0 && first.get(at) == Some(&b' ') => {
            if begins_known_method(first) {
                Detected::Protocol(Protocol::Http1)
            } else {
                Detected::RequestLine
            }
        }
        _ => Detected::Protocol(Protocol::NotHttp),
    }
}

/// Whether the bytes begin with a whole request line of HTTP/1 (RFC 9112 section 3).
#[must_use]
pub fn begins_request(bytes: &[u8]) -> bool {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(0);
    let line = bytes.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let method = line.iter().take_while(|byte| is_tchar(**byte)).count();
    let is_line = line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
    method > 0 && line.get(method) == Some(&b' ') && is_line
}

/// Whether the bytes begin with a well-known method and its space, as far as they are there.
pub(super) fn begins_known_method(first: &[u8]) -> bool {
    METHODS
        .iter()
        .any(|method| first.starts_with(method) || method.starts_with(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide_as_early_as_they_can() {
        use Detected::{More, RequestLine};
        let is = Detected::Protocol;
        let cases: &[(&[u8], Detected)] = &[
            (b"", More),
            (b"\x16", More),
            (b"\x16\x03", is(Protocol::Tls)),
            (b"\x16\x03\x01\x02\x00\x01", is(Protocol::Tls)),
            (b"\x16\x02", is(Protocol::NotHttp)),
            (b"P", More),
            (b"PRI * HTTP/2.", More),
            (b"PRI * HTTP/2.0\r\n\r\nSM", is(Protocol::Http2)),
            (b"PRI * HTTP/1.1\r\n", RequestLine),
            (b"PR", More),
            (b"POST", More),
            (b"POST ", is(Protocol::Http1)),
            (b"GET /", is(Protocol::Http1)),
            (b"get /", RequestLine),
            (b"EHLO mail", RequestLine),
            (b"HTTP/1.1 200 OK\r\n", is(Protocol::NotHttp)),
            (b"\x00\x00", is(Protocol::NotHttp)),
            (b" GET / HTTP/1.1", is(Protocol::NotHttp)),
            (b"SSH-2.0-OpenSSH_9.2\r\n", is(Protocol::NotHttp)),
            (&[b'A'; DECISIVE - 1], More),
            (&[b'A'; DECISIVE], is(Protocol::NotHttp)),
        ];
        for (first, expected) in cases {
            let text = String::from_utf8_lossy(first);
            assert_eq!(detect(first), *expected, "{text:?}");
        }
    }
}
