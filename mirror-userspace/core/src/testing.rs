//! Heads for the tests of this crate and of those above it: of HTTP/1, taken apart by httparse alone, and of HTTP/2.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only tests are built with it"
)]

use std::net::SocketAddr;

use bytes::BytesMut;

use crate::{
    budget::Budget,
    http::{Field, Framing, Head, Span, Upgrade, Version},
    http::{
        Input,
        h2::{self, Event, PREFACE, Reader, Shared, hpack},
    },
    segment::{Endpoint, FlowId},
};

/// Calls `test` with the head that `raw` is.
pub fn with_head<T>(raw: &[u8], test: impl FnOnce(&Head<'_>) -> T) -> T {
    let span = |part: &[u8]| {
        let start = part.as_ptr() as usize - raw.as_ptr() as usize;
        Span {
            start: u32::try_from(start).unwrap(),
            end: u32::try_from(start + part.len()).unwrap(),
        }
    };
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(raw).unwrap();
    assert_eq!(
        parsed,
        httparse::Status::Complete(raw.len()),
        "one head, nothing after it"
    );

    let mut fields = Vec::new();
    for header in request.headers.iter() {
        let name = span(header.name.as_bytes());
        let rest = &raw[name.start as usize..];
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        fields.push(Field {
            name,
            // httparse gives an empty value no place.
            value: if header.value.is_empty() {
                Span::default()
            } else {
                span(header.value)
            },
            line: span(&rest[..end]),
        });
    }
    let upgrade = request.method == Some("CONNECT")
        || fields
            .iter()
            .any(|field| raw[field.name.range()].eq_ignore_ascii_case(b"upgrade"));
    let h2c = |field: &Field| raw[field.value.range()].eq_ignore_ascii_case(b"h2c");
    let kind = if fields.iter().any(h2c) {
        Upgrade::H2c
    } else {
        Upgrade::Other
    };
    let upgrade = upgrade.then_some(kind);
    test(&Head {
        raw,
        method: span(request.method.unwrap().as_bytes()),
        target: span(request.path.unwrap().as_bytes()),
        version: if request.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        },
        fields: &fields,
        framing: Framing::None,
        upgrade,
        persistent: true,
    })
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
    let block = block(fields);
    let len = u32::try_from(block.len()).unwrap().to_be_bytes();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers = [&len[1..], &[1, 5, 0, 0, 0, 1], &block].concat();
    let stream = [&PREFACE[..], &settings, &headers].concat();
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

/// The connection of this client to a server at 10.0.0.2:80.
pub fn flow_of(client: &str) -> FlowId {
    FlowId {
        client: client.parse::<SocketAddr>().unwrap().into(),
        server: Endpoint::from(SocketAddr::from(([10, 0, 0, 2], 80))),
        attachment: 0,
    }
}
