//! What the head of a reply says, from as many of its bytes as there are.
//!
//! Captures of v1's side hold only the first bytes of each segment, so a head may end anywhere: whatever the
//! lines before the cut say is said, and the rest is unknown. Nothing is allocated, and each byte is looked at
//! once or twice. A bare LF ends a line here, and a folded line continues the field before it: v1 wrote
//! these bytes, and what counts is what its client reads in them.

use memchr::memchr;

use super::{
    Limits, Version,
    chunked::{Chunked, Fed},
    grammar,
};

/// The head of one reply, interim replies (1xx) included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The version that the status line states.
    pub version: Version,
    /// How the body ends (RFC 9112 section 6.3), unless the reply answers HEAD or CONNECT.
    pub body: ReplyBody,
    /// Whether the server says that it closes the connection after this reply: `Connection: close`, or HTTP/1.0
    /// without `keep-alive` (RFC 9112 section 9.3). `None` if the head is cut before it could say so.
    pub closes: Option<bool>,
    /// Whether there is an `Upgrade` field. With status 101 the connection leaves HTTP/1 behind the head
    /// (RFC 9110 section 15.2.2); in other replies it is an offer only.
    pub upgrade: bool,
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
    /// With the connection.
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

/// A chunked body of a reply, of which not every byte is captured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chunks(Chunked);

/// How far a chunked body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The body goes on behind what there was.
    All,
    /// It ended behind this many bytes.
    End(usize),
    /// Where it ends can't be told any more.
    Lost,
}

impl Chunks {
    /// Passes over the next bytes.
    pub fn pass(&mut self, bytes: &[u8]) -> Passed {
        match self.0.feed(bytes, &Limits::default(), |_| {}) {
            Fed::More => Passed::All,
            Fed::End(len) => Passed::End(len),
            Fed::Refused(..) => Passed::Lost,
        }
    }

    /// Passes over so many bytes that were not captured: they are known only within one chunk.
    pub const fn skip(&mut self, len: u64) -> Passed {
        if len == 0 || self.0.skip(len) {
            Passed::All
        } else {
            Passed::Lost
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
    let mut rest = bytes.get(start..).unwrap_or_default();
    let Some((status, version)) = status_line(rest)? else {
        return Ok(None);
    };
    let mut said = Said::default();
    let mut len = None;
    let mut name: &[u8] = b"";
    // Only whole lines say anything; the first is the status line.
    let mut first = true;
    while let Some((line, behind)) = split_line(rest) {
        rest = behind;
        match line {
            _ if first => {}
            [] => {
                len = Some(bytes.len() - rest.len());
                break;
            }
            [b' ' | b'\t', ..] => said.push(name, line),
            _ => {
                let colon = memchr(b':', line).unwrap_or(line.len());
                let value = line.get(colon + 1..).unwrap_or_default();
                name = line.get(..colon).unwrap_or_default().trim_ascii_end();
                said.push(name, value);
            }
        }
        first = false;
    }
    let complete = len.is_some();
    Ok(Some(ReplyHead {
        status,
        version,
        body: said.body(status, complete),
        closes: match (said.close, version) {
            (true, _) => Some(true),
            (false, _) if !complete => None,
            (false, Version::Http11) => Some(false),
            (false, Version::Http10) => Some(!said.keep_alive),
        },
        upgrade: said.upgrade,
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

/// What the fields seen so far say.
#[derive(Default)]
struct Said {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    length: Length,
    coded: bool,
    chunked: bool,
}

#[derive(Clone, Copy, Default)]
enum Length {
    #[default]
    Unsaid,
    Of(u64),
    Doubtful,
}

impl Said {
    fn push(&mut self, name: &[u8], value: &[u8]) {
        let members = || grammar::list(value).filter(|member| !member.is_empty());
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in members() {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                for member in members() {
                    self.length = match (self.length, grammar::length(member)) {
                        (Length::Unsaid, Some(len)) => Length::Of(len),
                        (Length::Of(before), Some(len)) if before == len => Length::Of(len),
                        _ => Length::Doubtful,
                    };
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                for coding in members() {
                    self.coded = true;
                    self.chunked = coding.eq_ignore_ascii_case(b"chunked");
                }
            }
            _ => {}
        }
    }

    /// RFC 9112 section 6.3, for a reply to anything but HEAD and CONNECT.
    const fn body(&self, status: u16, complete: bool) -> ReplyBody {
        match self.length {
            // Item 1.
            _ if status < 200 || matches!(status, 204 | 304) => ReplyBody::None,
            // A later line could add a coding, which counts more than any length.
            _ if !complete => ReplyBody::Unknown,
            // Items 3 and 4.
            _ if self.chunked => ReplyBody::Chunked,
            _ if self.coded => ReplyBody::UntilClose,
            // Items 5, 6 and 8.
            Length::Doubtful => ReplyBody::Unknown,
            Length::Of(len) => ReplyBody::Length(len),
            Length::Unsaid => ReplyBody::UntilClose,
        }
    }
}

#[cfg(test)]
mod tests;
