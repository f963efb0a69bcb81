//! The frames that a recording of HTTP/2 consists of (RFC 9113 section 4.1).

use mirror_core::http::h2::{
    PREFACE,
    frame::{END_HEADERS, END_STREAM},
};

/// The longest payload that a client may send to a server that has not allowed more (RFC 9113 section 4.2).
const LONGEST: usize = 16 << 10;
/// CANCEL (RFC 9113 section 7).
const CANCEL: u32 = 8;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

/// Whether a request goes on behind a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Stream,
    Open,
}

impl End {
    const fn flag(self) -> u8 {
        match self {
            Self::Stream => END_STREAM,
            Self::Open => 0,
        }
    }
}

/// What a client says before all else: the preface, and settings that change nothing (RFC 9113 section 3.4).
pub(super) fn opening(out: &mut Vec<u8>) {
    out.extend_from_slice(PREFACE);
    frame(SETTINGS, 0, 0, &[], out);
}

/// A header block, in as many frames as it needs.
pub(super) fn headers(stream: u32, block: &[u8], end: End, out: &mut Vec<u8>) {
    let (mut kind, mut flags) = (HEADERS, end.flag());
    let mut rest = block;
    loop {
        let (piece, behind) = rest.split_at(rest.len().min(LONGEST));
        if behind.is_empty() {
            return frame(kind, flags | END_HEADERS, stream, piece, out);
        }
        frame(kind, flags, stream, piece, out);
        (kind, flags, rest) = (CONTINUATION, 0, behind);
    }
}

/// Bytes of a body; none if it only ends.
pub(super) fn data(stream: u32, bytes: &[u8], end: End, out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return frame(DATA, end.flag(), stream, &[], out);
    }
    let mut pieces = bytes.chunks(LONGEST).peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        frame(DATA, if last { end.flag() } else { 0 }, stream, piece, out);
    }
}

/// The client gives the request up.
pub(super) fn reset(stream: u32, out: &mut Vec<u8>) {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes(), out);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    // At most `LONGEST`.
    let [_, len @ ..] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    out.extend_from_slice(&len);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use mirror_core::http::h2::frame::{FrameHeader, HEADER, Kind};

    use super::*;

    fn read(mut bytes: &[u8]) -> Vec<(Kind, u8, u32)> {
        let mut frames = Vec::new();
        while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
            let header = FrameHeader::parse(*header);
            assert_eq!(header.check(), Ok(()));
            assert_eq!(header.stream, 7);
            frames.push((header.kind, header.flags, header.len));
            bytes = &rest[header.len as usize..];
        }
        assert!(bytes.is_empty());
        frames
    }

    #[test]
    fn a_header_block_is_cut_into_frames_and_ends_once() {
        for (len, expected) in [
            (0, vec![(Kind::Headers, END_STREAM | END_HEADERS, 0)]),
            (
                LONGEST,
                vec![(Kind::Headers, END_STREAM | END_HEADERS, 1 << 14)],
            ),
            (
                LONGEST * 2 + 1,
                vec![
                    (Kind::Headers, END_STREAM, 1 << 14),
                    (Kind::Continuation, 0, 1 << 14),
                    (Kind::Continuation, END_HEADERS, 1),
                ],
            ),
        ] {
            let mut out = Vec::new();
            headers(7, &vec![0; len], End::Stream, &mut out);
            assert_eq!(read(&out), expected, "{len}");
        }
    }

    #[test]
    fn a_body_is_cut_into_frames_of_which_the_last_may_end_it() {
        let mut out = Vec::new();
        data(7, &vec![0; LONGEST + 1], End::Open, &mut out);
        data(7, &[], End::Stream, &mut out);
        reset(7, &mut out);
        let expected = [
            (Kind::Data, 0, 1 << 14),
            (Kind::Data, 0, 1),
            (Kind::Data, END_STREAM, 0),
            (Kind::Reset, 0, 4),
        ];
        assert_eq!(read(&out), expected);
    }
}
