//! Versions on loopback.

use std::net::TcpListener;

use crate::versions::{Answer, Wire, serve};

/// A version that answers each request target with what `answer` says, which may take its time.
/// Its URL.
pub(crate) fn version(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    version_of(Wire::Http1, answer)
}

/// The same over HTTP/2.
pub(crate) fn version_http2(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    version_of(Wire::Http2 { indexes: false }, answer)
}

pub(crate) fn version_of(
    wire: Wire,
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, wire, answer);
    format!("http://{address}")
}
