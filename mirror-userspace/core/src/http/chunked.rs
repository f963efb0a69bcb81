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
    pub(crate) fn step(&mut self, byte: u8) -> Place {
        if let Ok(next) = self.0.next(byte, &UNLIMITED) {
            let before = std::mem::replace(&mut self.0.place, next);
            match (before, next) {
                (_, At::TrailerName) => return Place::Name,
                (At::TrailerName, _) => return Place::Colon,
                (At::TrailerValue, At::TrailerValue) => return Place::Value,
                _ => {}
            }
        }
        Place::End
    }
}

/// What a byte of the trailers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of a field name.
    Name,
    /// Behind one.
    Colon,
    /// Of a field value, or white space around it.
    Value,
    /// Of the end of a line, or of all.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(raw: &str) -> Option<String> {
        decode(raw.as_bytes()).map(|content| String::from_utf8(content).unwrap())
    }

    #[test]
    fn sizes_extensions_and_trailers_are_taken_off() {
        for (raw, expected) in [
            ("0\r\n\r\n", ""),
            ("000\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            (
                "A\r\n0123456789\r\n00b\r\n0\r\n\r\nGET / \r\n0\r\n\r\n",
                "01234567890\r\n\r\nGET / ",
            ),
            ("1  \r\nx\r\n0\t;b\r\n\r\n", "x"),
            ("1;a\r\nx\r\n0;b=c;d=\"e;\\\"f\"\r\n\r\n", "x"),
            ("1\r\nx\r\n0\r\nTrailer: v\r\nEmpty:\r\n\r\n", "x"),
        ] {
            assert_eq!(content(raw).as_deref(), Some(expected), "{raw:?}");
        }
    }

    #[test]
    fn what_the_grammar_forbids_is_refused_at_its_byte() {
        use Lost::{Ambiguous, Malformed};
        for (raw, at, why) in [
            ("\r\n", 0, Malformed),
            ("x", 0, Malformed),
            ("0x1\r\n", 1, Malformed),
            ("+1\r\n", 0, Malformed),
            ("-1\r\n", 0, Malformed),
            (" 1\r\n", 0, Malformed),
            ("1 a\r\n", 2, Malformed),
            ("1 0\r\n", 2, Malformed),
            ("1_0\r\n", 1, Malformed),
            ("1,\r\n", 1, Malformed),
            ("1\na", 1, Malformed),
            ("1\ra", 2, Malformed),
            ("1\r\r\n", 2, Malformed),
            ("1;\r\n", 2, Malformed),
            ("1; a\r\n", 2, Malformed),
            ("1;a=\r\n", 4, Malformed),
            ("1;a\nb", 3, Malformed),
            ("1;a=\"b\nc\"", 6, Malformed),
            ("1;a=\"b\\\r\n\"", 7, Malformed),
            ("1;a=\"b\"c\r\n", 7, Malformed),
            ("1\r\nab\r\n", 4, Malformed),
            ("1\r\na\n", 4, Malformed),
            ("1\r\na\r0", 5, Malformed),
            ("1\r\na0\r\n", 4, Malformed),
            ("7fffffffffffffff0\r\n", 16, Ambiguous),
            ("8000000000000000\r\n", 15, Ambiguous),
            ("10000000000000001\r\n", 16, Ambiguous),
            ("0\r\n\n", 3, Malformed),
            ("0\r\n\rX", 4, Malformed),
            ("0\r\nGET / HTTP/1.1\r\n", 6, Malformed),
            ("0\r\n : a\r\n", 3, Malformed),
            ("0\r\na : b\r\n", 4, Malformed),
            ("0\r\na: b\0\r\n", 7, Malformed),
            ("0\r\na: b\nc: d\r\n", 7, Malformed),
            ("0\r\na: b\r\n c\r\n", 9, Malformed),
        ] {
            let fed = Chunked::default().feed(raw.as_bytes(), &Limits::default(), |_| {});
            assert_eq!(fed, Fed::Refused(at, why), "{raw:?}");
            assert_eq!(content(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn a_body_decodes_the_same_in_pieces() {
        let raw = "3;a=\"0\"\r\nabc\r\n00b\r\n0\r\n\r\nGET / \r\n0\r\nA: b\r\n\r\n";
        for len in 1..=raw.len() {
            let mut decoder = Decoder::default();
            let mut content = Vec::new();
            for piece in raw.as_bytes().chunks(len) {
                decoder.feed(piece, |bytes| content.extend_from_slice(bytes));
            }
            assert_eq!(content, decode(raw.as_bytes()).unwrap(), "pieces of {len}");
        }
    }

    #[test]
    fn decode_wants_exactly_one_body() {
        for raw in [
            "",
            "1",
            "1\r\n",
            "1\r\na\r\n",
            "0\r\n",
            "0\r\n\r",
            "0\r\n\r\n0",
        ] {
            assert_eq!(content(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn lines_and_trailers_end_at_their_limits() {
        let limits = Limits {
            chunk_line: 8,
            trailers: 12,
            ..Limits::default()
        };
        let feed = |raw: &str| Chunked::default().feed(raw.as_bytes(), &limits, |_| {});
        assert_eq!(feed("1;abcd\r\nx\r\n"), Fed::More, "exactly at the limit");
        assert_eq!(feed("1;abcde\r\n"), Fed::Refused(8, Lost::TooLarge));
        assert_eq!(feed("000000001\r\n"), Fed::Refused(8, Lost::TooLarge));
        assert_eq!(
            feed("0\r\na:12\r\nb:\r\n\r\n"),
            Fed::End(15),
            "exactly at the limit"
        );
        assert_eq!(
            feed("0\r\na:12345678\r\n\r\n"),
            Fed::Refused(15, Lost::TooLarge)
        );
        let fields = Limits {
            fields: 1,
            ..Limits::default()
        };
        let fed = Chunked::default().feed(b"0\r\na:\r\nb:\r\n", &fields, |_| {});
        assert_eq!(fed, Fed::Refused(7, Lost::TooLarge));
    }
}
