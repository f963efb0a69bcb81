//! Frames as bytes (RFC 9113 sections 4.1 and 6).

use mirror_core::http::h2::{
    PREFACE,
    frame::{ACK, END_HEADERS, END_STREAM, HEADER},
};

/// Most bytes of a frame's payload, in both directions: every peer takes so many (section 4.2), and we announce
/// nothing else.
pub(super) const MAX_FRAME: usize = 16_384;
/// The largest window (section 6.9.1), and the largest stream number.
pub(super) const MAX_WINDOW: i64 = (1 << 31) - 1;
/// The windows that a connection begins with (section 6.9.2).
pub(super) const FIRST_WINDOW: i64 = 65_535;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Why a stream or a connection ends (section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(super) u32);

impl Code {
    pub(crate) const NO_ERROR: Self = Self(0);
    pub(crate) const PROTOCOL_ERROR: Self = Self(1);
    pub(crate) const FLOW_CONTROL_ERROR: Self = Self(3);
    pub(crate) const REFUSED_STREAM: Self = Self(7);
    pub(crate) const CANCEL: Self = Self(8);
    pub(crate) const HTTP_1_1_REQUIRED: Self = Self(13);
}

fn header(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    // No caller has more than MAX_FRAME.
    let [.., a, b, c] = u32::try_from(len).unwrap_or_default().to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

/// What a connection begins with: the preface, our settings, and a large window for the connection.
pub(super) fn greeting(out: &mut Vec<u8>, list: usize) {
    out.extend_from_slice(PREFACE);
    let list = u32::try_from(list).unwrap_or(u32::MAX);
    let window = u32::try_from(MAX_WINDOW).unwrap_or_default();
    // SETTINGS_HEADER_TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW_SIZE and MAX_HEADER_LIST_SIZE (section 6.5.2).
    let settings = [(1_u16, 0), (2, 0), (4, window), (6, list)];
    header(out, 6 * settings.len(), SETTINGS, 0, 0);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&u32::to_be_bytes(value));
    }
    window_update(out, MAX_WINDOW - FIRST_WINDOW);
}

/// The connection's window grows.
pub(super) fn window_update(out: &mut Vec<u8>, more: i64) {
    header(out, 4, WINDOW_UPDATE, 0, 0);
    out.extend_from_slice(&u32::try_from(more).unwrap_or_default().to_be_bytes());
}

pub(super) fn settings_ack(out: &mut Vec<u8>) {
    header(out, 0, SETTINGS, ACK, 0);
}

pub(super) fn ping_ack(out: &mut Vec<u8>, payload: &[u8]) {
    header(out, payload.len(), PING, ACK, 0);
    out.extend_from_slice(payload);
}

pub(super) fn reset(out: &mut Vec<u8>, stream: u32, Code(code): Code) {
    header(out, 4, RST_STREAM, 0, stream);
    out.extend_from_slice(&code.to_be_bytes());
}

/// The header of a DATA frame, whose payload is to follow.
pub(super) fn data(out: &mut Vec<u8>, stream: u32, len: usize, ends: bool) {
    header(out, len, DATA, if ends { END_STREAM } else { 0 }, stream);
}

/// The frames of a header block of `len` bytes; `take` puts so many of them behind what is there.
pub(super) fn block(
    out: &mut Vec<u8>,
    stream: u32,
    mut len: usize,
    ends: bool,
    mut take: impl FnMut(usize, &mut Vec<u8>),
) {
    let mut kind = HEADERS;
    loop {
        let some = len.min(MAX_FRAME);
        len -= some;
        let ends_stream = if ends && kind == HEADERS {
            END_STREAM
        } else {
            0
        };
        let ends_block = if len == 0 { END_HEADERS } else { 0 };
        header(out, some, kind, ends_stream | ends_block, stream);
        take(some, out);
        if len == 0 {
            return;
        }
        kind = CONTINUATION;
    }
}

/// Bytes of a frame's header.
pub(super) const FRAME_HEADER: usize = HEADER;
