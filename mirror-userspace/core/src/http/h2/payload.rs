//! The payload of DATA, HEADERS and CONTINUATION, without padding and priority (RFC 9113 sections 6.1, 6.2 and 6.10).

use super::{
    Refusal,
    collect::take,
    frame::{FrameHeader, Kind},
};

/// PADDED, of DATA and HEADERS.
const PADDED: u8 = 0x8;
/// PRIORITY, of HEADERS.
const PRIORITY: u8 = 0x20;

/// What is still to come of a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    /// All bytes, padding included.
    left: u32,
    /// Whether the next byte says how much padding there is.
    pad_length: bool,
    /// Bytes of the priority fields of HEADERS.
    priority: u32,
    /// Bytes of padding at the frame's end.
    padding: u32,
}

impl Payload {
    /// The payload behind this header.
    ///
    /// # Errors
    /// [`Refusal::Framing`] if it is too short for what its flags announce.
    pub(super) fn new(header: &FrameHeader) -> Result<Self, Refusal> {
        let has = |flag: u8| header.flags & flag != 0;
        let pad_length = has(PADDED) && matches!(header.kind, Kind::Data | Kind::Headers);
        let priority = if has(PRIORITY) && header.kind == Kind::Headers {
            5
        } else {
            0
        };
        if header.len < u32::from(pad_length) + priority {
            return Err(Refusal::Framing);
        }
        Ok(Self {
            left: header.len,
            pad_length,
            priority,
            padding: 0,
        })
    }

    /// Bytes that are still to come, of any kind.
    pub(super) const fn left(&self) -> u32 {
        self.left
    }

    /// Takes what `from` has of it, and gives the content among that.
    ///
    /// # Errors
    /// [`Refusal::Framing`] if there is more padding than payload.
    pub(super) fn take<'a>(&mut self, from: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
        if self.pad_length {
            let Some((&padding, rest)) = from.split_first() else {
                return Ok(&[]);
            };
            *from = rest;
            self.pad_length = false;
            self.padding = u32::from(padding);
            self.left -= 1;
            if self.padding + self.priority > self.left {
                return Err(Refusal::Framing);
            }
        }
        let mut content = self.left - self.priority - self.padding;
        take(from, &mut self.priority);
        if self.priority > 0 {
            self.left = self.priority + content + self.padding;
            return Ok(&[]);
        }
        let taken = take(from, &mut content);
        self.left = content + self.padding;
        if content == 0 {
            take(from, &mut self.padding);
            self.left = self.padding;
        }
        Ok(taken)
    }

    /// Bytes of it are missing, at most [`left`](Self::left). Says whether content may be among them; what is left of
    /// the content is padding then.
    pub(super) fn skip(&mut self, missing: u32) -> bool {
        let content = self.pad_length || self.left > self.padding;
        self.left -= missing;
        self.pad_length = false;
        self.priority = 0;
        self.padding = self.left;
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is content, whole and byte by byte.
    fn content(kind: u8, flags: u8, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let len = u8::try_from(payload.len()).unwrap();
        let header = FrameHeader::parse([0, 0, len, kind, flags, 0, 0, 0, 1]);
        let mut found = Vec::new();
        for step in [payload.len().max(1), 1] {
            let mut left = Payload::new(&header)?;
            let mut content = Vec::new();
            for mut piece in payload.chunks(step) {
                content.extend_from_slice(left.take(&mut piece)?);
                assert!(piece.is_empty());
            }
            assert_eq!(left.left(), 0);
            found.push(content);
        }
        assert_eq!(found[0], found[1]);
        Ok(found.remove(0))
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let said = |kind, flags, payload| content(kind, flags, payload);
        assert_eq!(said(0, 0, b"abc"), Ok(b"abc".to_vec()));
        assert_eq!(said(0, 8, b"\x02abcPP"), Ok(b"abc".to_vec()));
        assert_eq!(said(0, 8, b"\x00"), Ok(vec![]));
        assert_eq!(said(0, 8, b"\x03PPP"), Ok(vec![]));
        assert_eq!(said(1, 0x28, b"\x01PRIORabcP"), Ok(b"abc".to_vec()));
        assert_eq!(said(1, 0x20, b"PRIORabc"), Ok(b"abc".to_vec()));
        assert_eq!(said(9, 0x28, b"\x01abc"), Ok(b"\x01abc".to_vec()));
        assert_eq!(said(0, 0x20, b"PRIOR"), Ok(b"PRIOR".to_vec()));
    }

    #[test]
    fn more_padding_than_payload_is_refused() {
        let refused = Err(Refusal::Framing);
        assert_eq!(content(0, 8, b""), refused);
        assert_eq!(content(0, 8, b"\x04PPP"), refused);
        assert_eq!(content(1, 0x28, b"\x00PRIO"), refused);
        assert_eq!(content(1, 0x28, b"\x01PRIOR"), refused);
        assert_eq!(content(1, 0x20, b"PRIO"), refused);
    }

    #[test]
    fn missing_padding_is_no_missing_content() {
        let header = FrameHeader::parse([0, 0, 6, 0, 8, 0, 0, 0, 1]);
        let mut payload = Payload::new(&header).unwrap();
        assert_eq!(payload.take(&mut &b"\x02abc"[..]), Ok(&b"abc"[..]));
        assert!(!payload.skip(1));
        assert_eq!(payload.left(), 1);
        let mut payload = Payload::new(&header).unwrap();
        assert_eq!(payload.take(&mut &b"\x02ab"[..]), Ok(&b"ab"[..]));
        assert!(payload.skip(1));
        assert_eq!(payload.take(&mut &b"PP"[..]), Ok(&b""[..]));
        assert_eq!(payload.left(), 0);
    }
}
