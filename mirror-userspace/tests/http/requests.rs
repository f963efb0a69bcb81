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
    let stream = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\
        POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=\"y\"\r\nc\r\n0\r\nT: v\r\n\r\n\
        HEAD /4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
        PUT /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nDELETE /6 HTTP/1.1\r\nHost: a\r\n\r\n";
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
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for empty in ["\r\n", "\n", "\r\n\n", "\n\r\n\n"] {
        let stream = format!("{empty}{get}{empty}{get}");
        assert_eq!(good(&stream), ["GET /", "GET /"], "{empty:?}");
    }
    assert_eq!(good(&format!("{get}\r\n")), ["GET /"]);
    let said = every_way(format!("{get}{}{get}", "\r\n".repeat(9)).as_bytes());
    assert_eq!(
        (short(&said).len(), lost(&said)),
        (1, vec![Lost::Malformed])
    );
    for bad in ["\r\r\n", "\rG", " ", "\n\r\r"] {
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

/// Each request is sent once the one before is answered.
fn in_turn(requests: &[&str]) -> Vec<Said> {
    let mut connection = Connection::from_start();
    for (request, ack) in requests.iter().zip(1..) {
        connection.segment(latin1(request), 100 * ack);
    }
    connection.close()
}

/// Each character is a byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|byte| u8::try_from(byte).unwrap())
        .collect()
}

#[test]
fn bytes_beyond_ascii_in_a_target_are_mirrored_as_sent() {
    for target in [
        "/\u{e9}",
        "/caf\u{c3}\u{a9}?q=\u{80}\u{ff}",
        "http://a/\u{fc}",
    ] {
        let get = format!("GET {target} HTTP/1.1\r\nHost: a\r\nX: \u{fe}\r\n\r\n");
        let said = every_way(&latin1(&get.repeat(2)));
        let requests = complete(&said);
        assert_eq!((requests.len(), lost(&said)), (2, vec![]), "{target:?}");
        assert_eq!(requests[0].0.raw, latin1(&get));
        assert_eq!(requests[0].0.target, target);
    }
}

#[test]
fn a_thousand_field_lines_are_mirrored_and_one_more_costs_its_request() {
    let head = |lines: usize| {
        let lines: String = (1..lines).map(|n| format!("x-{n}: {n}\r\n")).collect();
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n{lines}\r\n", lines.len())
    };
    for lines in [128, 129, 1000] {
        let said = every_way_in_pieces(&head(lines));
        let requests = complete(&said);
        assert_eq!(requests[0].0.fields.len(), lines);
        assert_eq!(
            requests[0].0.fields[lines - 1].1,
            (lines - 1).to_string().as_bytes()
        );
    }
    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    let said = in_turn(&[&head(1001), next]);
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /next".into()], vec![Lost::TooLarge])
    );
}

/// Like [`every_way`], for streams that are too long for it.
fn every_way_in_pieces(stream: &str) -> Vec<Said> {
    let whole = in_turn(&[stream]);
    for step in [1, 2, 1460] {
        let mut connection = Connection::from_start();
        for piece in stream.as_bytes().chunks(step) {
            connection.segment(piece, 1);
        }
        assert_eq!(connection.close(), whole, "pieces of {step}");
    }
    whole
}

/// What a request costs whose framing is certain, though no server need take it.
#[test]
fn an_odd_request_costs_itself_alone() {
    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    for (odd, why) in [
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            Lost::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\u{1}b\r\n\r\n",
            Lost::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n\u{e9}: y\r\n\r\n",
            Lost::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            Lost::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            Lost::Malformed,
        ),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Lost::Malformed),
        ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", Lost::Malformed),
        ("GET / HTTP/1.7\r\nHost: a\r\n\r\n", Lost::Malformed),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", Lost::Malformed),
        (
            "POST / HTTP/1.1\r\nX\0: y\r\nContent-Length: 32\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n",
            Lost::Malformed,
        ),
        (
            "POST / HTTP/1.1\r\nX Y: z\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Lost::Malformed,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n",
            Lost::Ambiguous,
        ),
    ] {
        let said = in_turn(&[next, odd, next, next]);
        assert_eq!((short(&said).len(), lost(&said)), (3, vec![why]), "{odd:?}");
        // Nothing shows that v1 read on: what stands behind it may never have been taken.
        let said = in_turn(&[&format!("{odd}{next}"), next]);
        assert_eq!((short(&said).len(), lost(&said)), (1, vec![why]), "{odd:?}");
    }
}

#[test]
fn what_stands_behind_a_request_without_host_needs_proof_that_v1_took_it() {
    let bare = "GET /bare HTTP/1.1\r\n\r\n";
    let said = every_way(bare.repeat(3).as_bytes());
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /bare".into()], vec![Lost::RefusedByV1])
    );
    assert_eq!(short(&in_turn(&[bare, bare, bare])).len(), 3);
}

/// A client that sends something of which nobody knows where it ends is believed again where every reading
/// of it has ended, once v1 has spoken.
#[test]
fn a_connection_in_doubt_comes_back_behind_all_readings() {
    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    let evil = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = |value: usize| format!("Content-Length: {value}\r\n");
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let twice = post(&format!("{0}{0}", length(2 * evil.len())));
    let both = post(&format!(
        "{}Transfer-Encoding: chunked\r\n",
        length(2 * evil.len())
    ));
    for (head, body) in [
        (&twice, &[evil, evil][..]),
        (&both, &["0\r\n\r\n", evil, evil]),
        (&both, &["1f\r\n", evil, "\r\n0\r\n\r\n"]),
        (&post("Content-Length : 64\r\n"), &[evil, evil]),
        (
            &post("Content-Length: 64").replace("\r\n", "\n"),
            &["\n", evil, evil],
        ),
        (&post("X: y\r\n Content-Length: 64\r\n"), &[evil, evil]),
    ] {
        let why = lost(&in_turn(&[head]));
        let mut segments = vec![&**head];
        // v1 answers at once, and the client goes on with the body: each segment acknowledges more.
        segments.extend(body);
        segments.extend([next, next]);
        let said = in_turn(&segments);
        let found = short(&said);
        assert!(!found.contains(&"GET /evil".into()), "{head:?}");
        assert!(found.contains(&"GET /next".into()), "{head:?}: {said:?}");
        assert_eq!(lost(&said), why, "{head:?}");
    }
    // No reading of it can be followed: a chunked one that breaks, a length beyond all bounds, a head beyond the limit.
    let endless = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    for (head, body) in [
        (post("Transfer-Encoding: xchunked\r\n"), "x"),
        (post("Content-Length: -99999999999999999999\r\n"), ""),
        (endless, ""),
    ] {
        let said = in_turn(&[&head, body, next, next].map(|piece| piece));
        assert_eq!(short(&said), Vec::<String>::new());
    }
}

#[test]
fn old_http_keeps_or_drops_its_connection_as_it_likes() {
    let get = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(good(&get.repeat(3)).len(), 3);
    assert_eq!(good("GET / HTTP/1.0\r\n\r\n\r\n"), ["GET /"]);
    let plain = "GET / HTTP/1.0\r\n\r\n";
    let said = every_way(plain.repeat(3).as_bytes());
    assert_eq!(
        (short(&said).len(), lost(&said)),
        (1, vec![Lost::RefusedByV1])
    );
    assert_eq!(
        short(&in_turn(&[plain; 3])).len(),
        3,
        "v1 kept it all the same"
    );
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
    let next = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (head, body) in [
        (
            "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "",
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
        assert!(requests[0].0.upgrade.is_some());
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
