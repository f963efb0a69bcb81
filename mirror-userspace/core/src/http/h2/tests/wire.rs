//! Frames, as a client would write them.

pub(super) use crate::testing::{frame, opening};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
/// A header block in one frame, of a request without a body.
pub(super) const WHOLE: u8 = END_STREAM | END_HEADERS;

/// A connection of these frames.
pub(super) fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
    [opening(), frames.concat()].concat()
}

/// A string literal without Huffman coding.
fn string(text: &[u8]) -> Vec<u8> {
    let mut left = text.len();
    let mut wire = Vec::new();
    if left < 127 {
        wire.push(u8::try_from(left).unwrap());
    } else {
        wire.push(127);
        left -= 127;
        while left >= 128 {
            wire.push(u8::try_from(left % 128).unwrap() | 128);
            left /= 128;
        }
        wire.push(u8::try_from(left).unwrap());
    }
    [wire, text.to_vec()].concat()
}

/// A literal without indexing.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], string(name.as_bytes()), string(value.as_bytes())].concat()
}

/// A literal that is inserted into the dynamic table.
pub(super) fn inserted(name: &str, value: &str) -> Vec<u8> {
    [
        vec![0x40],
        string(name.as_bytes()),
        string(value.as_bytes()),
    ]
    .concat()
}

pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, value)| field(name, value));
    fields.collect::<Vec<_>>().concat()
}

/// `GET /` over `http`, of `a`, and more fields.
pub(super) fn get(more: &[(&str, &str)]) -> Vec<u8> {
    [vec![0x82, 0x86, 0x84, 0x01, 1, b'a'], block(more)].concat()
}

/// `POST /` over `http`, of `a`, and more fields.
pub(super) fn post(more: &[(&str, &str)]) -> Vec<u8> {
    [vec![0x83, 0x86, 0x84, 0x01, 1, b'a'], block(more)].concat()
}
