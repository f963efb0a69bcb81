//! What clients of HTTP/2 and v1 say, and what is in the copies of it.

use mirror_core::{
    budget::Budget,
    http::h2::{FieldList, PREFACE, hpack::Decoder},
};

/// Frames, as `what` chooses them, of the `number`-th stream.
pub(super) fn frames(what: u8, number: u8) -> Vec<u8> {
    let stream = 2 * u32::from(number) + 1;
    let post = b"\x83\x86\x84\x01\x01a\x40\x01t\x01v";
    let get = b"\x82\x86\x84\x01\x01a";
    match (what % 8, number % 8) {
        (0, _) => [&PREFACE[..], &frame(4, 0, 0, &[0, 3, 0, 0, 0, 9])].concat(),
        (1, _) => frame(1, 4, stream, post),
        (2, _) => frame(1, 5, stream, get),
        (3, _) => frame(0, 0, stream, b"0123456789"),
        (4, _) => frame(0, 9, stream, b"\x022345678PP"),
        (5, _) => frame(1, 5, stream, b"\x10\x01s\x01v"),
        (6, _) => frame(3, 0, stream, &[0, 0, 0, 8]),
        (_, 0) => frame(1, 1, stream, &get[..3]),
        (_, 1) => frame(9, 4, stream, &get[3..]),
        (_, 2) => frame(1, 5, stream, &[get, &b"\xbe"[..]].concat()),
        (_, 3) => frame(6, 0, 0, &[0; 8]),
        (_, 4) => frame(0, 0, stream, &[b'x'; 600]),
        (_, 5) => frame(1, 5, stream, &[get, &b"\x3f\xe1\x7f"[..]].concat()),
        (_, 6) => frame(7, 0, 0, &[0; 8]),
        _ => frame(8, 0, stream, &[0, 0, 0, number]),
    }
}

/// The same that v1 says.
pub(super) fn answers(what: u8, number: u8) -> Vec<u8> {
    let stream = 2 * u32::from(number) + 1;
    match what % 8 {
        0 => frame(4, 0, 0, &[0, 3, 0, 0, 0, 9]),
        1 => frame(1, 4, stream, b"\x88\x5f\x10application/grpc\x40\x01t\x01v"),
        2 => frame(1, 5, stream, b"\x88\xbe"),
        5 => frame(1, 5, stream, b"\x40\x0bgrpc-status\x010"),
        _ => frames(what, number),
    }
}

/// Whether a header block stands for itself, and ends with the mark of the mirror.
pub(super) fn is_guarded(block: &[u8]) -> bool {
    let mut list = FieldList::new(1 << 20);
    let decoded = Decoder::new(&Budget::new(0)).decode(block, &mut list);
    let last = list.iter().last();
    decoded.is_ok()
        && last.is_some_and(|last| last.name == b"x-mirrored-by" && last.value == b"podmirror")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, len @ ..] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    let stream = stream.to_be_bytes();
    [&len[..], &[kind, flags], &stream, payload].concat()
}
