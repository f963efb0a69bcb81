//! Finds the end of a head in bytes that may come one at a time.
//!
//! Parsing a head again with each segment would be quadratic, so this state machine looks at each byte
//! once and keeps none. It also refuses what httparse accepts and two readers might read differently: a
//! line that ends in a bare LF, a bare CR, a line that begins with white space (RFC 9112 sections 2.2
//! and 5.2). A refusal depends only on the position of the byte, never on how the bytes were split.

use memchr::memchr2;

use super::{Limits, Lost, grammar::is_tchar, limits::MAX_FIELDS};

/// What a request line says after its second space, up to the minor version.
const VERSION: &[u8] = b"HTTP/1.";

/// The empty lines that may stand before a request line (RFC 9112 section 2.2).
///
/// Counts their bytes; an odd number means that the last was a CR whose LF is due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blank(u8);

impl Blank {
    /// At most eight empty lines: old clients sent one after a body.
    const LIMIT: u8 = 16;

    /// Takes empty lines off the beginning of `bytes`, and returns the rest.
    pub(super) fn skip<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], Lost> {
        while let Some((byte, rest)) = bytes.split_first() {
            match (self.0 % 2, byte) {
                (0, b'\r') | (1, b'\n') if self.0 < Self::LIMIT => self.0 += 1,
                (1, _) | (0, b'\r' | b'\n') => return Err(Lost::Malformed),
                _ => break,
            }
            bytes = rest;
        }
        Ok(bytes)
    }
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
    /// No head begins like this.
    Refused(Lost),
}

/// A head as far as it was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    place: Place,
    /// Field lines begun; at most [`MAX_FIELDS`].
    lines: u16,
    /// Bytes seen; at most [`Limits::head`].
    seen: usize,
}

impl Scan {
    /// How many bytes were seen.
    pub(super) const fn seen(&self) -> usize {
        self.seen
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
    pub(super) fn feed(&mut self, bytes: &[u8], limits: &Limits) -> Scanned {
        let room = limits.head.saturating_sub(self.seen);
        let window = bytes.get(..room).unwrap_or(bytes);
        #[cfg(test)]
        super::tests::work::done(window.len());
        let mut at = 0;
        while let Some(byte) = window.get(at) {
            if self.place == Place::Target {
                let rest = window.get(at..).unwrap_or_default();
                at += rest.iter().take_while(|byte| is_of_target(**byte)).count();
                match window.get(at) {
                    None => break,
                    Some(b' ') => self.place = Place::Version(0),
                    Some(_) => return Scanned::Refused(Lost::Malformed),
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
                        self.place = Place::LineLf;
                        end + 1
                    }
                    Some(_) => return Scanned::Refused(Lost::Malformed),
                };
                continue;
            }
            at += 1;
            if self.place == Place::HeadLf && *byte == b'\n' {
                self.seen += at;
                return Scanned::End(at);
            }
            match self.next(*byte, limits) {
                Ok(place) => self.place = place,
                Err(why) => return Scanned::Refused(why),
            }
        }
        self.seen += window.len();
        if window.len() < bytes.len() {
            return Scanned::Refused(Lost::TooLarge);
        }
        Scanned::More
    }

    fn next(&mut self, byte: u8, limits: &Limits) -> Result<Place, Lost> {
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
                if usize::from(self.lines) >= limits.fields.min(MAX_FIELDS) {
                    return Err(Lost::TooLarge);
                }
                self.lines += 1;
                Place::Line
            }
            _ => return Err(Lost::Malformed),
        })
    }
}

/// RFC 9112 section 3.2: no white space, no control; RFC 3986: nothing beyond ASCII.
const fn is_of_target(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
}
