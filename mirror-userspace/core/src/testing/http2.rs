//! What clients of HTTP/2 send, and what is in header blocks.

use bytes::BytesMut;

use crate::{
    budget::Budget,
    http::{
        Input,
        h2::{self, Event, PREFACE, Reader, Shared, hpack},
    },
};

/// A frame of this kind.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let stream = stream.to_be_bytes();
    [&len[1..], &[kind, flags], &stream, payload].concat()
}

/// The preface and empty settings.
pub fn opening() -> Vec<u8> {
    [&PREFACE[..], &frame(4, 0, 0, &[])].concat()
}

/// A HEADERS frame, which may end its stream; names as for [`block`].
pub fn headers(stream: u32, fields: &[(&str, &str)], ends: bool) -> Vec<u8> {
    frame(1, 4 | u8::from(ends), stream, &block(fields))
}

/// A DATA frame, which may end its stream.
pub fn data(stream: u32, bytes: impl AsRef<[u8]>, ends: bool) -> Vec<u8> {
    frame(0, u8::from(ends), stream, bytes.as_ref())
}

/// A header block of these fields; a name that begins with `!` stands for one that may never be indexed.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = BytesMut::new();
    for (name, value) in fields {
        let field = h2::Field {
            name: name.trim_start_matches('!').as_bytes(),
            value: value.as_bytes(),
            never_indexed: name.starts_with('!'),
        };
        hpack::encode(field, &mut block);
    }
    block.to_vec()
}

/// The fields of a header block that refers to no dynamic table, as for [`block`].
pub fn fields(block: &[u8]) -> Vec<(String, String)> {
    let mut list = h2::FieldList::new(1 << 20);
    let mut decoder = hpack::Decoder::new(&Budget::new(0));
    decoder.decode(block, &mut list).unwrap();
    assert!(!list.is_too_large());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let field = |field: h2::Field<'_>| {
        let mark = if field.never_indexed { "!" } else { "" };
        (format!("{mark}{}", text(field.name)), text(field.value))
    };
    list.iter().map(field).collect()
}

/// Calls `test` with the head of HTTP/2 that these fields are, without a body.
pub fn with_http2_head<T>(fields: &[(&str, &str)], test: impl FnOnce(&h2::Head<'_>) -> T) -> T {
    let stream = [opening(), headers(1, fields, true)].concat();
    let mut shared = Shared::new(h2::Limits::default(), Budget::new(1 << 20));
    let (mut test, mut result) = (Some(test), None);
    let input = Input {
        bytes: &stream,
        starts_segment: true,
        ack: None,
    };
    Reader::new(&shared.budget.clone()).handle_data(input, &mut shared, &mut |event| {
        if let Event::Head(head) = event {
            result = test.take().map(|test| test(&head));
        }
    });
    result.unwrap()
}
