//! Heads for the tests of this crate and of those above it: of HTTP/1, taken apart by httparse alone, and of HTTP/2.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only tests are built with it"
)]

mod http2;

use std::net::SocketAddr;

pub use http2::{block, data, fields, frame, headers, opening, with_http2_head};

use crate::{
    http::{Field, Framing, Head, Span, Upgrade, Version},
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

/// The connection of this client to a server at 10.0.0.2:80.
pub fn flow_of(client: &str) -> FlowId {
    FlowId {
        client: client.parse::<SocketAddr>().unwrap().into(),
        server: Endpoint::from(SocketAddr::from(([10, 0, 0, 2], 80))),
        attachment: 0,
    }
}
