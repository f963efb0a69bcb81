//! Reading HTTP/1 messages off a socket, in the plainest way that is obviously right.
//!
//! It shares no code and no idea with the mirror's own parser, which it is there to judge: blocking
//! reads, a head up to the empty line, then a body as its head announces it. It trusts its peer to
//! be a test.

use std::io::{self, BufRead, ErrorKind, Read};

use sha2::{Digest as _, Sha256};

/// Bodies up to this many bytes are kept; of longer ones only length and hash are.
const KEPT: usize = 2 << 20;

/// The bytes of a body as they stood on the wire: of a chunked one with its chunk lines and trailers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    /// The number of bytes.
    pub len: u64,
    /// The SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The bytes themselves, up to 2 MiB; empty for a longer body.
    pub bytes: Vec<u8>,
}

impl Body {
    /// What a server should record for these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut meter = Meter::default();
        meter.take(bytes);
        meter.finish()
    }
}

/// Hashes and counts a body while it arrives.
#[derive(Default)]
pub(super) struct Meter {
    len: u64,
    hash: Sha256,
    bytes: Vec<u8>,
    spilled: bool,
}

impl Meter {
    fn take(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.hash.update(bytes);
        if !self.spilled && self.bytes.len() + bytes.len() <= KEPT {
            self.bytes.extend_from_slice(bytes);
        } else {
            self.spilled = true;
            self.bytes = Vec::new();
        }
    }

    pub(super) fn finish(self) -> Body {
        Body {
            len: self.len,
            sha256: self.hash.finalize().into(),
            bytes: self.bytes,
        }
    }
}

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// Of a request: without a word on it there is no body.
    pub(super) fn of_request(head: &[u8]) -> Self {
        Self::announced(head).unwrap_or(Self::Length(0))
    }

    /// Of a reply to a request with this method.
    pub(super) fn of_reply(head: &[u8], status: u16, method: &str) -> Self {
        let bodyless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        if bodyless {
            Self::Length(0)
        } else {
            Self::announced(head).unwrap_or(Self::UntilClose)
        }
    }

    fn announced(head: &[u8]) -> Option<Self> {
        let coding = field(head, "transfer-encoding").map(|value| value.to_ascii_lowercase());
        if coding.is_some_and(|value| value.ends_with("chunked")) {
            return Some(Self::Chunked);
        }
        Some(Self::Length(field(head, "content-length")?.parse().ok()?))
    }
}

/// Reads a head with its empty line; `None` when the peer closes between two messages.
pub(super) fn read_head(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let line = input.read_until(b'\n', &mut head)?;
        if line == 0 {
            return if head.is_empty() {
                Ok(None)
            } else {
                Err(ErrorKind::UnexpectedEof.into())
            };
        }
        if head == b"\r\n" {
            // Empty lines before a request line belong to nothing (RFC 9112 section 2.2).
            head.clear();
        } else if head.ends_with(b"\r\n\r\n") {
            return Ok(Some(head));
        }
    }
}

/// Reads a whole body into `meter`.
pub(super) fn read_body(
    input: &mut impl BufRead,
    framing: Framing,
    meter: &mut Meter,
) -> io::Result<()> {
    match framing {
        Framing::Length(len) => read_exactly(input, len, meter),
        Framing::UntilClose => loop {
            let chunk = input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(());
            }
            meter.take(chunk);
            let taken = chunk.len();
            input.consume(taken);
        },
        Framing::Chunked => loop {
            let line = read_line(input, meter)?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = str::from_utf8(size).unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
            if size == 0 {
                // Trailers end with an empty line, as a head does.
                while read_line(input, meter)? != b"\r\n" {}
                return Ok(());
            }
            read_exactly(input, size + 2, meter)?;
        },
    }
}

fn read_line(input: &mut impl BufRead, meter: &mut Meter) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    meter.take(&line);
    if line.ends_with(b"\n") {
        Ok(line)
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

fn read_exactly(input: &mut impl BufRead, len: u64, meter: &mut Meter) -> io::Result<()> {
    let mut rest = input.take(len);
    loop {
        let chunk = rest.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        meter.take(chunk);
        let taken = chunk.len();
        rest.consume(taken);
    }
    if rest.limit() == 0 {
        Ok(())
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// The value of the first field of this name.
pub(super) fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = str::from_utf8(head).ok()?;
    text.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The words of a request line or status line.
pub(super) fn first_line(head: &[u8]) -> Vec<&str> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    str::from_utf8(line)
        .unwrap_or_default()
        .split(' ')
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn body_of(framing: Framing, wire: &[u8]) -> io::Result<Body> {
        let mut meter = Meter::default();
        read_body(&mut BufReader::with_capacity(3, wire), framing, &mut meter)?;
        Ok(meter.finish())
    }

    #[test]
    fn a_chunked_body_is_kept_as_it_stands_on_the_wire() {
        let wire = b"5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n";
        assert_eq!(body_of(Framing::Chunked, wire).unwrap(), Body::of(wire));
        let cut = body_of(Framing::Chunked, &wire[..wire.len() - 2]);
        assert_eq!(cut.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        assert_eq!(
            body_of(Framing::Length(2), b"abc").unwrap(),
            Body::of(b"ab")
        );
        let cut = body_of(Framing::Length(4), b"abc");
        assert_eq!(cut.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_long_body_is_known_by_length_and_hash() {
        let body = Body::of(&vec![7; KEPT + 1]);
        assert_eq!((body.len, body.bytes.len()), (KEPT as u64 + 1, 0));
        assert_ne!(body.sha256, Body::of(&vec![8; KEPT + 1]).sha256);
    }

    #[test]
    fn framing_is_read_from_the_head() {
        let framing = |fields: &str| {
            Framing::of_request(format!("POST / HTTP/1.1\r\n{fields}\r\n").as_bytes())
        };
        assert_eq!(framing(""), Framing::Length(0));
        assert_eq!(framing("content-LENGTH:  7 \r\n"), Framing::Length(7));
        assert_eq!(
            framing("Transfer-Encoding: gzip, Chunked\r\n"),
            Framing::Chunked
        );
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        assert_eq!(Framing::of_reply(reply, 200, "HEAD"), Framing::Length(0));
        assert_eq!(Framing::of_reply(reply, 200, "GET"), Framing::Length(9));
        assert_eq!(
            Framing::of_reply(b"HTTP/1.1 200 OK\r\n\r\n", 200, "GET"),
            Framing::UntilClose
        );
    }
}
