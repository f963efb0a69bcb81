//! Finds the end of a head in bytes that may come one at a time.
//!
//! Parsing a head again with each segment would be quadratic, so this state machine looks at each byte
//! once and keeps none. It also finds odd what httparse accepts and two readers might read differently: a
//! line that ends in a bare LF, a bare CR, a line that begins with white space (RFC 9112 sections 2.2
//! and 5.2). An odd head is refused, or read on to the first place where any reader could take it for
//! complete. Both depend only on the position of the byte, never on how the bytes were split.

use memchr::{memchr, memchr2};

use super::{Limits, Lost, grammar::is_tchar, limits::MAX_FIELDS};

/// What a request line says after its second space, up to the minor version.
const VERSION: &[u8] = b"HTTP/1.";

/// The empty lines that may stand before a request line (RFC 9112 section 2.2).
///
/// A bare LF is one, too: nginx, Go and Node.js skip it here, where it can end nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blank {
    seen: u8,
    /// The last byte was a CR whose LF is due.
    lf_due: bool,
}

impl Blank {
    /// At most eight empty lines: old clients sent one after a body.
    const LIMIT: u8 = 16;

    /// Whether there were none.
    pub(super) const fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Takes empty lines off the beginning of `bytes`, and returns the rest.
    pub(super) fn skip<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], Lost> {
        while let Some((byte, rest)) = bytes.split_first() {
            match (self.lf_due, byte) {
                (_, b'\n') | (false, b'\r') if self.seen < Self::LIMIT => {
                    self.seen += 1;
                    self.lf_due = *byte == b'\r';
                }
                (true, _) | (_, b'\r' | b'\n') => return Err(Lost::Malformed),
                _ => break,
            }
            bytes = rest;
        }
        Ok(bytes)
    }
}

/// What is done with a head once it is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddness {
    /// It is refused at once.
    Refuse,
    /// It is refused, unless its request line has named HTTP.
    ReadOnInHttp,
    /// It is read on to its end.
    ReadOn,
}

/// The position of the next byte in a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    MethodStart,
    Method,
    TargetStart,
    Target,
    /// After this many bytes of the version.
    Version(u8),
    /// After the minor version, where the CR of the request line is due.
    RequestLineCr,
    RequestLineLf,
    LineStart,
    Line,
    LineLf,
    /// After the CR of the empty line.
    HeadLf,
}

/// What a piece of a head was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All of it belongs to the head, which goes on.
    More,
    /// The head ends with this many bytes of it.
    End(usize),
    /// No head begins like this, or none that is wanted.
    Refused(Lost),
}

/// What bytes are found to be where nothing was odd before.
enum Strictly {
    More,
    End(usize),
    /// The byte at this place is odd.
    Odd(usize, Lost),
}

/// A head as far as it was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    place: Place,
    /// Field lines begun, until the head was odd; at most [`Limits::fields`].
    lines: u16,
    /// Why it is not mirrored, if it is odd.
    odd: Option<Lost>,
    /// Bytes seen; at most [`Limits::head`].
    seen: usize,
}

impl Scan {
    /// How many bytes were seen.
    pub(super) const fn seen(&self) -> usize {
        self.seen
    }

    /// How many field lines were begun.
    pub(super) fn lines(&self) -> usize {
        usize::from(self.lines)
    }

    /// Why the head is not mirrored, if it is odd.
    pub(super) const fn odd(&self) -> Option<Lost> {
        self.odd
    }

    /// Whether `HTTP/` was found where a request line has it.
    pub(super) const fn names_http(&self) -> bool {
        match self.place {
            Place::MethodStart | Place::Method | Place::TargetStart | Place::Target => false,
            Place::Version(matched) => matched >= 5,
            _ => true,
        }
    }

    /// Whether the request line is complete.
    pub(super) const fn past_request_line(&self) -> bool {
        matches!(
            self.place,
            Place::LineStart | Place::Line | Place::LineLf | Place::HeadLf
        )
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], limits: &Limits, oddness: Oddness) -> Scanned {
        let room = limits.head.saturating_sub(self.seen);
        let window = bytes.get(..room).unwrap_or(bytes);
        #[cfg(test)]
        super::tests::work::done(window.len());
        let mut at = 0;
        if self.odd.is_none() {
            match self.scan(window, limits) {
                Strictly::More => {
                    self.seen += window.len();
                    return Self::within(window, bytes);
                }
                Strictly::End(end) => {
                    self.seen += end;
                    return Scanned::End(end);
                }
                Strictly::Odd(place, why) => {
                    let read_on = match oddness {
                        Oddness::Refuse => false,
                        Oddness::ReadOnInHttp => self.names_http(),
                        Oddness::ReadOn => true,
                    };
                    if !read_on {
                        return Scanned::Refused(why);
                    }
                    self.odd = Some(why);
                    if !matches!(self.place, Place::LineStart | Place::HeadLf) {
                        self.place = Place::Line;
                    }
                    at = place;
                }
            }
        }
        if let Some(end) = self.read_on(window, at) {
            self.seen += end;
            return Scanned::End(end);
        }
        self.seen += window.len();
        Self::within(window, bytes)
    }

    /// What it says of a head that goes on.
    const fn within(window: &[u8], bytes: &[u8]) -> Scanned {
        if window.len() < bytes.len() {
            return Scanned::Refused(Lost::TooLarge);
        }
        Scanned::More
    }

    /// Looks at bytes in which nothing was odd before.
    fn scan(&mut self, window: &[u8], limits: &Limits) -> Strictly {
        let lines = limits.fields.min(MAX_FIELDS);
        let mut at = 0;
        while let Some(byte) = window.get(at) {
            if self.place == Place::Target {
                let rest = window.get(at..).unwrap_or_default();
                at += rest
                    .iter()
                    .position(|byte| !is_of_target(*byte))
                    .unwrap_or(rest.len());
                match window.get(at) {
                    None => break,
                    Some(b' ') => self.place = Place::Version(0),
                    Some(_) => return Strictly::Odd(at, Lost::Malformed),
                }
                at += 1;
                continue;
            }
            if self.place == Place::Line {
                // Most bytes are here: do not look at each of them.
                let rest = window.get(at..).unwrap_or_default();
                at += match memchr2(b'\r', b'\n', rest) {
                    None => rest.len(),
                    Some(end) if rest.get(end) == Some(&b'\r') => {
                        match rest.get(end + 1..end + 3) {
                            // The next line begins at once.
                            Some([b'\n', next]) if is_tchar(*next) && self.lines() < lines => {
                                self.lines += 1;
                                end + 3
                            }
                            _ => {
                                self.place = Place::LineLf;
                                end + 1
                            }
                        }
                    }
                    Some(end) => return Strictly::Odd(at + end, Lost::Malformed),
                };
                continue;
            }
            if self.place == Place::HeadLf && *byte == b'\n' {
                return Strictly::End(at + 1);
            }
            match self.next(*byte, lines) {
                Ok(place) => self.place = place,
                Err(why) => return Strictly::Odd(at, why),
            }
            at += 1;
        }
        Strictly::More
    }

    /// Looks for the first empty line of an odd head, whatever ends its lines.
    fn read_on(&mut self, window: &[u8], mut at: usize) -> Option<usize> {
        while let Some(byte) = window.get(at) {
            match (self.place, byte) {
                (Place::LineStart | Place::HeadLf, b'\n') => return Some(at + 1),
                (Place::LineStart, b'\r') => {
                    self.place = Place::HeadLf;
                    at += 1;
                }
                (Place::Line, _) => {
                    at += memchr(b'\n', window.get(at..).unwrap_or_default())? + 1;
                    self.place = Place::LineStart;
                }
                _ => self.place = Place::Line,
            }
        }
        None
    }

    fn next(&mut self, byte: u8, lines: usize) -> Result<Place, Lost> {
        Ok(match (self.place, byte) {
            (Place::MethodStart | Place::Method, _) if is_tchar(byte) => Place::Method,
            (Place::Method, b' ') => Place::TargetStart,
            (Place::TargetStart, _) if is_of_target(byte) => Place::Target,
            (Place::Version(matched), _) => match VERSION.get(usize::from(matched)) {
                Some(expected) if byte == *expected => Place::Version(matched + 1),
                None if matches!(byte, b'0' | b'1') => Place::RequestLineCr,
                _ => return Err(Lost::Malformed),
            },
            (Place::RequestLineCr, b'\r') => Place::RequestLineLf,
            (Place::RequestLineLf | Place::LineLf, b'\n') => Place::LineStart,
            (Place::LineStart, b'\r') => Place::HeadLf,
            (Place::LineStart, _) if is_tchar(byte) => {
                if self.lines() >= lines {
                    return Err(Lost::TooLarge);
                }
                self.lines += 1;
                Place::Line
            }
            _ => return Err(Lost::Malformed),
        })
    }
}

/// RFC 9112 section 3.2: no white space, no control. RFC 3986 has nothing beyond ASCII, but clients send it
/// and servers take it as it is.
const fn is_of_target(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}
