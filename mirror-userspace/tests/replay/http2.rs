//! `--print` of HTTP/2: what a line says of its stream and of gRPC.

use mirror_core::testing::{data, headers, opening};

use crate::{
    capture::Capture,
    program::{keys, replay},
};

const CALL: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/shop.cart.v1.Cart/Add"),
    (":authority", "shop:50051"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
];

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/page?q=1"),
    (":authority", "shop:50051"),
];

/// Two messages: one of three bytes, an empty one.
const MESSAGES: &[u8] = b"\0\0\0\0\x03abc\0\0\0\0\0";

fn conversation() -> Vec<u8> {
    let mut capture = Capture::new();
    let mut client = capture.connect(4001);
    capture.say(&mut client, opening());
    capture.say(&mut client, headers(1, &CALL, false));
    capture.say(&mut client, headers(3, &GET, true));
    capture.say(&mut client, data(1, MESSAGES, true));
    capture.finish(&client);
    capture.bytes()
}

#[test]
fn a_line_of_http2_has_its_stream_and_of_grpc_what_is_called() {
    let ended = replay(&conversation(), &["--print"]).balanced();
    let keys = keys(&ended.lines[1]);
    let documented = [
        "stream",
        "src",
        "dst",
        "ts",
        "method",
        "target",
        "version",
        "stream_id",
        "host",
        "headers",
        "body_len",
        "body_sha256",
        "grpc",
    ];
    assert_eq!(keys, documented);
    let page = serde_json::json!({
        "stream": 0, "src": "10.0.0.1:4001", "dst": "10.0.0.2:80",
        "ts": "2026-11-22T06:00:00.004000Z", "method": "GET", "target": "/page?q=1",
        "version": "2", "stream_id": 3, "host": "shop:50051", "headers": 4, "body_len": 0,
        "body_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    });
    assert_eq!(ended.lines[0], page);
    let call = &ended.lines[1];
    assert_eq!(
        (&call["stream_id"], &call["body_len"]),
        (&1.into(), &13.into())
    );
    let grpc = serde_json::json!({"service": "shop.cart.v1.Cart", "method": "Add", "messages": 2});
    assert_eq!(call["grpc"], grpc);
}
