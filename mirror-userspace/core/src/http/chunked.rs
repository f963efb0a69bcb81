//! Finds the end of a chunked body (RFC 9112 section 7.1), which is passed on as it is.
//!
//! Chunk sizes are the best hiding place for a smuggled request, so the grammar is enforced to the
//! letter: lines end in CRLF, a size consists of hexadecimal digits only, and white space is allowed only
//! behind a size and in quoted strings (stricter than the RFC, which allows it around `;` and `=` for old
//! senders' sake). Each byte is looked at once.

use super::{
    Limits, Lost,
    grammar::{is_tchar, is_value_byte},
    limits::MAX_FIELDS,
};

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    SizeStart,
    Size,
    /// After white space behind the size.
    SizeSpace,
    ExtensionName,
    ExtensionNameRest,
    ExtensionValue,
    ExtensionToken,
    Quoted,
    QuotedPair,
    QuotedEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

/// What a piece of a chunked body was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// All of it belongs to the body, which goes on.
    More,
    /// The body ends with this many bytes of it.
    End(usize),
    /// This many bytes are in order; the next is not.
    Refused(usize, Lost),
}

/// A chunked body as far as it was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunked {
    place: At,
    /// While a size line is read: its size. In data: the bytes still to come.
    size: u64,
    /// Bytes of the size line, or of the trailer section.
    seen: usize,
    /// Field lines of the trailer section.
    fields: u16,
}

impl Chunked {
    /// Looks at the next bytes; `data` gets those that are content.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        mut data: impl FnMut(&[u8]),
    ) -> Fed {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.place == At::Data {
                let rest = bytes.get(at..).unwrap_or_default();
                let wanted = usize::try_from(self.size).unwrap_or(usize::MAX);
                let content = rest.get(..wanted).unwrap_or(rest);
                data(content);
                at += content.len();
                self.size -= content.len() as u64;
                if self.size == 0 {
                    self.place = At::DataCr;
                }
                continue;
            }
            if self.place == At::EndLf && *byte == b'\n' {
                return Fed::End(at + 1);
            }
            #[cfg(test)]
            super::tests::work::done(1);
            match self.next(*byte, limits) {
                Ok(place) => self.place = place,
                Err(why) => return Fed::Refused(at, why),
            }
            at += 1;
        }
        Fed::More
    }

    /// Passes over `len` bytes that are missing, if all of them belong to the chunk at hand.
    pub(super) const fn skip(&mut self, len: u64) -> bool {
        let within = matches!(self.place, At::Data) && self.size >= len;
        if within {
            self.size -= len;
            if self.size == 0 {
                self.place = At::DataCr;
            }
        }
        within
    }

    const fn in_trailers(&self) -> bool {
        matches!(
            self.place,
            At::TrailerStart | At::TrailerName | At::TrailerValue | At::TrailerLf | At::EndLf
        )
    }

    fn next(&mut self, byte: u8, limits: &Limits) -> Result<At, Lost> {
        self.charge(limits)?;
        Ok(match (self.place, byte) {
            (At::SizeStart | At::Size, _) if byte.is_ascii_hexdigit() => {
                self.push_digit(byte)?;
                At::Size
            }
            // Old senders pad the size to a fixed width; nginx and Go skip that, Node.js refuses it.
            (At::Size | At::SizeSpace, b' ' | b'\t') => At::SizeSpace,
            (
                At::Size
                | At::SizeSpace
                | At::ExtensionNameRest
                | At::ExtensionToken
                | At::QuotedEnd,
                b';',
            ) => At::ExtensionName,
            (
                At::Size
                | At::SizeSpace
                | At::ExtensionNameRest
                | At::ExtensionToken
                | At::QuotedEnd,
                b'\r',
            ) => At::SizeLf,
            (At::ExtensionName | At::ExtensionNameRest, _) if is_tchar(byte) => {
                At::ExtensionNameRest
            }
            (At::ExtensionNameRest, b'=') => At::ExtensionValue,
            (At::ExtensionValue, b'"') => At::Quoted,
            (At::ExtensionValue | At::ExtensionToken, _) if is_tchar(byte) => At::ExtensionToken,
            (At::Quoted, b'"') => At::QuotedEnd,
            (At::Quoted, b'\\') => At::QuotedPair,
            (At::Quoted | At::QuotedPair, _) if is_value_byte(byte) => At::Quoted,
            (At::SizeLf, b'\n') => {
                self.seen = 0;
                if self.size == 0 {
                    At::TrailerStart
                } else {
                    At::Data
                }
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => {
                self.seen = 0;
                At::SizeStart
            }
            (At::TrailerStart, b'\r') => At::EndLf,
            (At::TrailerStart, _) if is_tchar(byte) => {
                if usize::from(self.fields) >= limits.fields.min(MAX_FIELDS) {
                    return Err(Lost::TooLarge);
                }
                self.fields += 1;
                At::TrailerName
            }
            (At::TrailerName, _) if is_tchar(byte) => At::TrailerName,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerLf,
            (At::TrailerValue, _) if is_value_byte(byte) => At::TrailerValue,
            (At::TrailerLf, b'\n') => At::TrailerStart,
            _ => return Err(Lost::Malformed),
        })
    }

    /// Counts a byte against the limit of the line or section that it stands in.
    fn charge(&mut self, limits: &Limits) -> Result<(), Lost> {
        let limit = match self.place {
            At::TrailerStart | At::TrailerName | At::TrailerValue | At::TrailerLf | At::EndLf => {
                limits.trailers
            }
            _ => limits.chunk_line,
        };
        if self.seen >= limit {
            return Err(Lost::TooLarge);
        }
        self.seen += 1;
        Ok(())
    }

    /// A size beyond `i64::MAX` wraps in some server: nobody knows where such a chunk ends
    /// (RFC 9112 section 7.1 asks recipients to expect them).
    fn push_digit(&mut self, byte: u8) -> Result<(), Lost> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.size = self
            .size
            .checked_mul(16)
            .and_then(|size| size.checked_add(u64::from(digit)))
            .filter(|size| *size <= i64::MAX.cast_unsigned())
            .ok_or(Lost::Ambiguous)?;
        Ok(())
    }
}

/// No limits: the caller has paid for the bytes, and the content is never longer.
const UNLIMITED: Limits = Limits {
    head: usize::MAX,
    fields: usize::MAX,
    chunk_line: usize::MAX,
    trailers: usize::MAX,
};

/// The content of a complete chunked body, without sizes, extensions and trailers.
///
/// `None` if `raw` is not exactly one well-formed chunked body. Limits do not apply.
#[must_use]
pub fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let fed = Chunked::default().feed(raw, &UNLIMITED, |data| content.extend_from_slice(data));
    (fed == Fed::End(raw.len())).then_some(content)
}

/// Removes sizes, extensions and trailers from a chunked body piece by piece, and keeps nothing.
///
/// For bodies that the [`Parser`](super::Parser) has reported: their framing is valid, so faults are not
/// noticed here.
#[derive(Debug, Default)]
pub struct Decoder(Chunked);

impl Decoder {
    /// Takes the next bytes of the body as they stood on the wire; `content` gets those of its
    /// content.
    pub fn feed(&mut self, raw: &[u8], content: impl FnMut(&[u8])) {
        self.0.feed(raw, &UNLIMITED, content);
    }

    /// Takes the next bytes up to the first that may belong to a trailer, or to the end behind them, and returns how many
    /// they are.
    pub(crate) fn before_trailers(&mut self, raw: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = raw.get(at) {
            if self.0.in_trailers() {
                break;
            }
            let data = usize::try_from(self.0.size).unwrap_or(usize::MAX);
            if self.0.place == At::Data {
                let len = data.min(raw.len() - at);
                self.0.skip(len as u64);
                at += len;
                continue;
            }
            self.step(*byte);
            at += 1;
        }
        at
    }

    /// Takes one byte of the trailers, and returns what it is.
    pub(crate) fn step(&mut self, byte: u8) -> TrailerByte {
        if let Ok(next) = self.0.next(byte, &UNLIMITED) {
            let before = std::mem::replace(&mut self.0.place, next);
            match (before, next) {
                (_, At::TrailerName) => return TrailerByte::Name,
                (At::TrailerName, _) => return TrailerByte::Colon,
                (At::TrailerValue, At::TrailerValue) => return TrailerByte::Value,
                _ => {}
            }
        }
        TrailerByte::End
    }
}

/// What a byte of the trailers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrailerByte {
    /// Of a field name.
    Name,
    /// The colon behind a name.
    Colon,
    /// Of a field value, or white space around it.
    Value,
    /// Of the end of a line, or of all.
    End,
}

#[cfg(test)]
mod tests;
