//! Skips a chunked body (RFC 9112 section 7.1) without keeping any of it.
//!
//! Unlike the core's reader, which must find the end that v1 finds, this one takes whatever clients take: a bare LF, any
//! extension. A target that ends its chunks otherwise than it says harms its own replies only.

use mirror_core::http;

use super::BadReply;

/// Most bytes between the data of two chunks (size, extensions), or after the last (trailers).
const OVERHEAD: usize = http::Limits::DEFAULT.trailers;

/// The position of the next byte in a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    at: At,
    overhead: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the size of a chunk.
    Size { size: u64, digits: Digits },
    /// After the size: in the extensions, up to the end of the line.
    SizeLine { size: u64 },
    /// In the data, of which this many bytes follow.
    Data { left: u64 },
    /// At the line end after the data.
    DataEnd,
    /// In a trailer line; an empty line is the last.
    Trailer { line: Line },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    None,
    Some,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Empty,
    Filled,
}

const NEXT_SIZE: At = At::Size {
    size: 0,
    digits: Digits::None,
};

impl Default for Chunked {
    fn default() -> Self {
        Self {
            at: NEXT_SIZE,
            overhead: 0,
        }
    }
}

impl Chunked {
    /// Takes the next bytes, and gives `data` those of the content. Returns how many belong to the body,
    /// and whether it has ended.
    pub(super) fn handle_data(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<(usize, bool), BadReply> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let At::Data { left } = self.at {
                let here = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                data(bytes.get(at..at + here).unwrap_or_default());
                self.discard(here as u64);
                at += here;
                continue;
            }
            at += 1;
            self.overhead += 1;
            if self.overhead > OVERHEAD {
                return Err(BadReply);
            }
            match self.next(byte)? {
                Some(place) => self.at = place,
                None => return Ok((at, true)),
            }
        }
        Ok((at, false))
    }

    /// How many of the next bytes are data of the chunk that is being read.
    pub(super) const fn data_left(&self) -> u64 {
        match self.at {
            At::Data { left } => left,
            _ => 0,
        }
    }

    /// Skips so many bytes of that data.
    pub(super) const fn discard(&mut self, bytes: u64) {
        let At::Data { left } = &mut self.at else {
            return;
        };
        *left = left.saturating_sub(bytes);
        if *left == 0 {
            self.at = At::DataEnd;
            self.overhead = 0;
        }
    }

    /// The position after a byte of overhead; `None` after the last byte.
    fn next(&self, byte: u8) -> Result<Option<At>, BadReply> {
        let place = match (self.at, byte) {
            (At::Size { size, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(BadReply)?;
                let size = size.checked_mul(16).ok_or(BadReply)? + u64::from(digit);
                At::Size {
                    size,
                    digits: Digits::Some,
                }
            }
            (
                At::Size {
                    size,
                    digits: Digits::Some,
                },
                b';' | b' ' | b'\t' | b'\r',
            ) => At::SizeLine { size },
            (
                At::SizeLine { size }
                | At::Size {
                    size,
                    digits: Digits::Some,
                },
                b'\n',
            ) => match size {
                0 => At::Trailer { line: Line::Empty },
                left => At::Data { left },
            },
            (At::SizeLine { size }, _) => At::SizeLine { size },
            (At::DataEnd, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => NEXT_SIZE,
            (At::Trailer { line: Line::Empty }, b'\n') => return Ok(None),
            (At::Trailer { .. }, b'\n') => At::Trailer { line: Line::Empty },
            (At::Trailer { line }, b'\r') => At::Trailer { line },
            (At::Trailer { .. }, _) => At::Trailer { line: Line::Filled },
            (At::Size { .. } | At::DataEnd | At::Data { .. }, _) => return Err(BadReply),
        };
        Ok(Some(place))
    }
}
