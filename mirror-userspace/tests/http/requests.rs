//! Well-formed requests of every kind, alone and one behind the other.

use mirror_core::http::{Framing, Input, Lost, Protocol, Version};

use crate::feed::{Connection, Said, complete, every_way, lost, protocols, short};

/// All that a stream of good requests says: they, and nothing lost.
fn good(stream: &str) -> Vec<String> {
    let said = every_way(stream.as_bytes());
    assert_eq!(said.first(), Some(&Said::Protocol(Protocol::Http1)));
    assert_eq!(lost(&said), []);
    short(&said)
}

#[test]
fn a_request_is_head_body_end_byte_for_byte() {
    let head = "PoST /a?b=c#d HTTP/1.1\r\nhOST: h\r\nX:\r\nx: \t1 \r\nContent-Length: 3\r\n\r\n";
    let said = every_way(format!("{head}abc").as_bytes());
    let Said::Head(request) = &said[1] else {
        panic!("{said:?}")
    };
    assert_eq!(request.raw, head.as_bytes());
    assert_eq!((&*request.method, &*request.target), ("PoST", "/a?b=c#d"));
    assert_eq!(request.version, Version::Http11);
    assert_eq!(request.framing, Framing::Length(3));
    let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let fields = [
        field("hOST", "h"),
        field("X", ""),
        field("x", "1"),
        field("Content-Length", "3"),
    ];
    assert_eq!(request.fields, fields);
    assert_eq!(said[2..], [Said::Body(b"abc".to_vec()), Said::End]);
}

#[test]
fn every_method_and_every_target_form() {
    for line in [
        "GET /",
        "HEAD /a",
        "DELETE /%41?x=/../",
        "OPTIONS *",
        "PATCH http://other.example:81/a",
        "TRACE /",
        "PROPFIND /dav",
        "get /lower",
        "X!#$%&'*+-.^_`|~1 /any-token",
    ] {
        let stream = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(good(&stream), [line]);
    }
}

#[test]
fn pipelined_requests_come_out_one_by_one() {
    let stream = "GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nabPOST /3 HTTP/1.1\
        \r\nTransfer-Encoding: chunked\r\n\r\n1;x=\"y\"\r\nc\r\n0\r\nT: v\r\n\r\nHEAD /4 HTTP/1.0\r\n\r\n\
        PUT /5 HTTP/1.1\r\nContent-Length: 0\r\n\r\nDELETE /6 HTTP/1.1\r\nHost: a\r\n\r\n";
    let expected = [
        "GET /1",
        "POST /2 ab",
        r#"POST /3 1;x=\"y\"\r\nc\r\n0\r\nT: v\r\n\r\n"#,
        "HEAD /4",
        "PUT /5",
        "DELETE /6",
    ];
    assert_eq!(good(stream), expected);
}

#[test]
fn a_request_in_one_piece_is_borrowed() {
    let stream = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab".to_vec();
    let within = |part: &[u8]| stream.as_ptr_range().contains(&part.as_ptr());
    let mut parser = mirror_core::http::Parser::default();
    let budget = mirror_core::budget::Budget::new(0);
    let mut events = 0;
    let input = Input {
        bytes: &stream,
        starts_segment: true,
        ack: None,
    };
    parser.handle_data(input, &Default::default(), &budget, &mut |event| {
        events += 1;
        match event {
            mirror_core::http::HttpEvent::Head(head) => assert!(within(head.raw)),
            mirror_core::http::HttpEvent::Body(body) => assert!(within(body)),
            _ => {}
        }
    });
    assert_eq!(
        events, 4,
        "Protocol, Head, Body, End, without a byte of budget"
    );
}

#[test]
fn empty_lines_before_a_request_are_let_pass_up_to_a_bound() {
    let get = "GET / HTTP/1.1\r\n\r\n";
    assert_eq!(good(&format!("\r\n\r\n{get}\r\n{get}")), ["GET /", "GET /"]);
    assert_eq!(good(&format!("{get}\r\n")), ["GET /"]);
    let said = every_way(format!("{get}{}{get}", "\r\n".repeat(9)).as_bytes());
    assert_eq!(
        (short(&said).len(), lost(&said)),
        (1, vec![Lost::Malformed])
    );
    for bad in ["\n", "\r\r\n", "\rG"] {
        let said = every_way(format!("{get}{bad}{get}").as_bytes());
        assert_eq!(lost(&said), [Lost::Malformed], "{bad:?}");
        assert_eq!(short(&said), ["GET /"]);
    }
}

#[test]
fn expect_does_not_change_the_framing() {
    let head = "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(good(&format!("{head}ab")), ["PUT / ab"]);
    let mut waits = Connection::from_start();
    waits.segment(head, 1).segment("ab", 26);
    assert_eq!(short(&waits.close()), ["PUT / ab"]);
}

#[test]
fn old_http_keeps_or_drops_its_connection_as_it_likes() {
    let get = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(good(&get.repeat(3)).len(), 3);
    assert_eq!(good("GET / HTTP/1.0\r\n\r\n\r\n"), ["GET /"]);
}

#[test]
fn after_the_close_option_nothing_is_a_request() {
    let close = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(good(close), ["GET /"]);
    assert_eq!(good(&format!("{close}\r\n\r\n")), ["GET /"]);
    let said = every_way(close.repeat(2).as_bytes());
    assert_eq!(
        (short(&said).len(), lost(&said)),
        (1, vec![Lost::Malformed])
    );
    let mut gap = Connection::from_start();
    gap.segment(close, 1).gap(10).segment(close, 100);
    let said = gap.close();
    assert_eq!(
        (short(&said).len(), lost(&said)),
        (1, vec![Lost::Malformed])
    );
}

#[test]
fn an_upgraded_connection_is_not_parsed_on() {
    let next = "GET /smuggled HTTP/1.1\r\n\r\n";
    for (head, body) in [
        (
            "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "",
        ),
        (
            "POST / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n",
            "ab",
        ),
        (
            "POST / HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\nTransfer-Encoding: chunked\r\n\r\n",
            "0\r\n\r\n",
        ),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", ""),
        ("CONNECT a:443 HTTP/1.0\r\n\r\n", ""),
    ] {
        let said = every_way(format!("{head}{body}{next}").as_bytes());
        let requests = complete(&said);
        assert_eq!(requests.len(), 1, "{head:?}");
        assert!(requests[0].0.upgrade);
        assert_eq!(requests[0].1, body.as_bytes());
        assert_eq!(protocols(&said), [Protocol::Http1, Protocol::Upgraded]);
        assert_eq!(lost(&said), []);
    }
}

#[test]
fn an_unfinished_request_is_lost_for_the_reason_of_the_end() {
    for stream in [
        "GET ",
        "GET / HTTP/1.1\r\nA: b\r\n\r",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ] {
        let said = every_way(stream.as_bytes());
        assert_eq!(protocols(&said), [Protocol::Http1]);
        assert_eq!(lost(&said), [Lost::Truncated], "{stream:?}");
        assert_eq!(complete(&said), []);
    }
}
