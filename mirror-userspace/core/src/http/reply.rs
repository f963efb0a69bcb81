//! The one reader of reply heads of HTTP/1: v1's, of which the mirror sees pieces, and those of targets.
//!
//! Captures of v1's side hold only the first bytes of each segment, so a head may end anywhere for [`parse`]: the
//! lines before the cut count, and the rest is unknown. A bare LF ends a line, and a folded line continues the field
//! before it: v1 wrote these bytes, and what counts is what its client reads in them. [`parse_whole`] is for
//! connections of the mirror's own: it reads the same in a head, but waits for all of it, and refuses lines that no
//! server may send. Nothing is allocated, and each byte is looked at two or three times.

mod checked;
mod chunks;
mod said;

pub use checked::{find_end, parse_whole};
pub use chunks::{Chunks, Passed};
pub use said::{StatedLength, seconds};

use memchr::memchr;

use super::Version;
use said::Said;

/// The head of one reply, interim replies (1xx) included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The version that the status line states.
    pub version: Version,
    /// How the body ends (RFC 9112 section 6.3), unless the reply answers HEAD or CONNECT.
    pub body: ReplyBody,
    /// What `Content-Length` says, wherever the body ends.
    pub length: StatedLength,
    /// Whether the lines that are there have `Connection: close`.
    pub close: bool,
    /// Whether the server says that it closes the connection after this reply: `Connection: close`, or HTTP/1.0
    /// without `keep-alive` (RFC 9112 section 9.3). `None` if the head is cut before it could say so.
    pub closes: Option<bool>,
    /// Whether there is an `Upgrade` field. With status 101 the connection leaves HTTP/1 behind the head
    /// (RFC 9110 section 15.2.2); in other replies it is an offer only.
    pub upgrade: bool,
    /// The seconds that `Retry-After` states (RFC 9110 section 10.2.3); `None` also if that is a date.
    pub retry_after: Option<u32>,
    /// Bytes from the first one given up to the end of the head's empty line; `None` if the head is cut.
    pub len: Option<usize>,
}

/// How the body of a reply ends, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// There is none: 1xx, 204 and 304.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// When the server closes the connection.
    UntilClose,
    /// The head is cut before it could say so, or contradicts itself.
    Unknown,
}

/// These bytes begin no HTTP/1 reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAReply;

impl ReplyHead {
    /// Whether another reply to the same request follows (RFC 9110 section 15.2). 101 is final: what
    /// follows it is another protocol.
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Whether nothing behind the request that this answers is taken on the connection: the server says
    /// that it closes, or its body (of a reply to a request other than HEAD) ends with the connection.
    /// `None` if the head is cut before it could say so.
    #[must_use]
    pub const fn ends_connection(&self, to_head: bool) -> Option<bool> {
        match (self.closes, self.body) {
            (Some(true), _) => Some(true),
            (_, ReplyBody::UntilClose) if !to_head => Some(true),
            (closes, _) => closes,
        }
    }
}

/// Reads the head that `bytes` begin with; empty lines before it are skipped (RFC 9112 section 2.2).
///
/// `None` if the bytes end before the status is known.
///
/// # Errors
///
/// If no HTTP/1 reply begins like this.
pub fn parse(bytes: &[u8]) -> Result<Option<ReplyHead>, NotAReply> {
    let start = bytes
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .unwrap_or(bytes.len());
    let head = bytes.get(start..).unwrap_or_default();
    let Some((status, version)) = status_line(head)? else {
        return Ok(None);
    };
    let mut said = Said::default();
    let mut len = None;
    let (mut name, mut before): (&[u8], &[u8]) = (b"", b"");
    // Only whole lines say anything; the first is the status line.
    let mut rest = split_line(head).map_or(&b""[..], |(_, behind)| behind);
    while let Some((line, behind)) = split_line(rest) {
        rest = behind;
        match line {
            [] => {
                len = Some(bytes.len() - rest.len());
                break;
            }
            [b' ' | b'\t', ..] => {
                said.fold(name, before, line);
                if !line.trim_ascii().is_empty() {
                    before = line;
                }
            }
            _ => {
                (name, before) = split_field(line);
                said.push(name, before);
            }
        }
    }
    let complete = len.is_some();
    Ok(Some(ReplyHead {
        status,
        version,
        body: said.body(status, complete),
        length: said.length,
        close: said.close,
        closes: match (said.close, version) {
            (true, _) => Some(true),
            (false, _) if !complete => None,
            (false, Version::Http11) => Some(false),
            (false, Version::Http10) => Some(!said.keep_alive),
        },
        upgrade: said.upgrade,
        retry_after: said.retry_after,
        len,
    }))
}

/// `HTTP/1.x NNN`: the status and the version, or `None` if the bytes end before they are known.
fn status_line(bytes: &[u8]) -> Result<Option<(u16, Version)>, NotAReply> {
    const START: &[u8] = b"HTTP/1.";
    let line = bytes.get(..START.len() + 6).unwrap_or(bytes);
    let begun = line.len().min(START.len());
    if line.get(..begun) != START.get(..begun) {
        return Err(NotAReply);
    }
    let (version, digits) = match line.get(START.len()..).unwrap_or_default() {
        [] => return Ok(None),
        [b'0', rest @ ..] => (Version::Http10, rest),
        [b'1'..=b'9', rest @ ..] => (Version::Http11, rest),
        _ => return Err(NotAReply),
    };
    let mut status = 0;
    for (at, byte) in digits.iter().enumerate() {
        match (at, byte) {
            (0, b' ') | (4, b' ' | b'\r' | b'\n') => {}
            (1, b'1'..=b'9') | (2 | 3, b'0'..=b'9') => {
                status = status * 10 + u16::from(byte - b'0');
            }
            _ => return Err(NotAReply),
        }
    }
    Ok((digits.len() >= 4).then_some((status, version)))
}

/// The first line without its end, and what is behind it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at_checked(memchr(b'\n', bytes)?)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}

/// A field line's name, without white space behind it, and its value: empty without a colon.
fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = memchr(b':', line).unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or_default();
    let name = line.get(..colon).unwrap_or_default();
    (name.trim_ascii_end(), value)
}

#[cfg(test)]
mod tests;
