//! Streams that are no HTTP/1, and heads that break its grammar.

use mirror_core::http::{Lost, Protocol};

use crate::feed::{Said, complete, every_way, lost, protocols, text};

#[test]
fn other_protocols_are_named_once_and_then_ignored() {
    let mut tls = vec![0x16, 0x03, 0x01, 0x00, 0x05];
    tls.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
    for (stream, protocol) in [
        (&tls[..], Protocol::Tls),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            Protocol::Http2,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Protocol::NotHttp,
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Protocol::NotHttp),
        (
            b"EHLO mail.example\r\nGET / HTTP/1.1\r\n\r\n",
            Protocol::NotHttp,
        ),
        (b"*1\r\n$4\r\nPING\r\n", Protocol::NotHttp),
        (b"SOURCE /a ICE/1.0\r\n\r\n", Protocol::NotHttp),
        (b"OPTION rtsp://a RTSP/1.0\r\n\r\n", Protocol::NotHttp),
        (b"\0\0\0\x17\0\x03\0\0user\0", Protocol::NotHttp),
        (b"\r\rGET / HTTP/1.1\r\n\r\n", Protocol::NotHttp),
        (b"GET\t/ HTTP/1.1\r\n\r\n", Protocol::NotHttp),
        (b"", Protocol::Undecided),
        (b"\r\n", Protocol::Undecided),
        (b"\x16", Protocol::Undecided),
        (b"PRI * HTT", Protocol::Undecided),
        (b"GE", Protocol::Undecided),
        (b"EHLO mail.example", Protocol::Undecided),
    ] {
        let said = every_way(stream);
        assert_eq!(protocols(&said), [protocol], "{:?}", text(stream));
        assert_eq!(said.len(), 1, "{said:?}");
    }
}

#[test]
fn an_unknown_method_is_http_once_its_line_says_so() {
    for (line, why) in [
        ("FOO / HTTP/1.1\r\n", Lost::Truncated),
        ("FOO / HTTP/", Lost::Truncated),
        ("FOO / HTTP/5.6\r\n\r\n", Lost::Malformed),
    ] {
        let said = every_way(line.as_bytes());
        assert_eq!(protocols(&said), [Protocol::Http1], "{line:?}");
        assert_eq!(lost(&said), [why], "{line:?}");
    }
}

#[test]
fn a_broken_head_is_malformed_and_nothing_behind_it_is_a_request() {
    for head in [
        "GET  / HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET /\r\n",
        "GET / HTTP/0.9\r\n",
        "GET / HTTP/1.2\r\n",
        "GET / HTTP/1.10\r\n",
        "GET / HTTP/2.0\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/11\r\n",
        "GET /\0 HTTP/1.1\r\n",
        "GET /\x7f HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\r\n Host: a\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c: d\r\n",
        "GET / HTTP/1.1\r\nA: b\nC: d\r\n",
        "GET / HTTP/1.1\r\nA: b\rC: d\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\n",
        "GET / HTTP/1.1\r\nA : b\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n",
        "GET / HTTP/1.1\r\nA: \0\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
    ] {
        let stream = format!("{head}\r\nGET /next HTTP/1.1\r\n\r\n");
        let said = every_way(stream.as_bytes());
        assert_eq!(complete(&said), [], "{head:?}");
        assert_eq!(lost(&said), [Lost::Malformed], "{head:?}");
        assert_eq!(protocols(&said), [Protocol::Http1], "{head:?}");
    }
}

#[test]
fn what_exceeds_a_limit_is_too_large() {
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    let fields = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1001));
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = format!("{chunked}1;{}\r\na\r\n0\r\n\r\n", "e".repeat(5_000));
    let trailers = format!("{chunked}0\r\n{}\r\n", "a: b\r\n".repeat(1001));
    let trailer = format!("{chunked}0\r\na: {}\r\n\r\n", "b".repeat(17_000));
    for stream in [target, fields, extension, trailers, trailer] {
        for step in [1, 1000, stream.len()] {
            let mut connection = crate::feed::Connection::from_start();
            for piece in stream.as_bytes().chunks(step) {
                connection.segment(piece, 1);
            }
            let said = connection.close();
            assert_eq!(lost(&said), [Lost::TooLarge], "{}", &stream[..60]);
            assert_eq!(complete(&said), []);
        }
    }
}

#[test]
fn a_proxy_header_comes_before_everything_else() {
    let line = "PROXY TCP4 203.0.113.7 10.0.0.1 51324 80\r\n";
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let client = "203.0.113.7:51324".parse().ok();
    let said = every_way(format!("{line}{get}").as_bytes());
    assert_eq!(
        said[..2],
        [
            Said::Proxied(client, line.into()),
            Said::Protocol(Protocol::Http1)
        ]
    );
    assert_eq!(complete(&said).len(), 1);
    let said = every_way(format!("{line}\u{16}\u{3}\u{1}").as_bytes());
    let proxied = Said::Proxied(client, line.into());
    assert_eq!(said, [proxied, Said::Protocol(Protocol::Tls)]);
    // Only there, and only once.
    let said = every_way(format!("{line}{line}{get}").as_bytes());
    assert_eq!(protocols(&said), [Protocol::NotHttp]);
    let said = every_way(format!("{get}{line}{get}").as_bytes());
    assert_eq!(
        (complete(&said).len(), lost(&said)),
        (1, vec![Lost::Malformed])
    );
    for part in ["PROXY TCP4", "\r\n\r\n\0\r\nQU", "P"] {
        assert_eq!(
            every_way(part.as_bytes()),
            [Said::Protocol(Protocol::Undecided)]
        );
    }
}
