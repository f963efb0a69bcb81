//! Which requests are well-formed (RFC 9113 section 8): the others are lost, and cost no other stream.

use super::{
    super::Loss,
    feed::{Said, said},
    wire::{DATA, END_HEADERS, END_STREAM, HEADERS, WHOLE, block, connection, frame, get, post},
};

/// What becomes of a request with these fields and no body, and that the next one is told.
fn lost(fields: &[(&str, &str)]) -> Option<Loss> {
    let request = frame(HEADERS, WHOLE, 1, &block(fields));
    let next = frame(HEADERS, WHOLE, 3, &get(&[]));
    let mut said = said(&connection(&[request, next]));
    let text = ":method=GET;:scheme=http;:path=/;:authority=a;";
    assert_eq!(said.pop(), Some(Said::End(3)));
    assert_eq!(said.pop(), Some(Said::Head(3, text.into())));
    match &said[..] {
        [Said::Head(1, _), Said::End(1)] => None,
        [Said::Lost(1, why)] => Some(*why),
        other => panic!("{other:?}"),
    }
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "a");

#[test]
fn a_request_is_told_in_the_clients_order() {
    let fields = [
        PATH,
        METHOD,
        AUTHORITY,
        SCHEME,
        ("cookie", "b"),
        ("a", ""),
        ("cookie", "c"),
        ("te", "trailers"),
    ];
    let request = frame(HEADERS, WHOLE, 1, &block(&fields));
    let text = ":path=/;:method=GET;:authority=a;:scheme=http;cookie=b;a=;cookie=c;te=trailers;";
    let told = [Said::Head(1, text.into()), Said::End(1)];
    assert_eq!(said(&connection(&[request])), told);
}

#[test]
fn only_grpc_has_binary_values() {
    let all = |more: &[(&'static str, &'static str)]| {
        lost(&[&[METHOD, SCHEME, PATH, AUTHORITY], more].concat())
    };
    let grpc = ("content-type", "application/grpc");
    let raw = ("a-bin", "\0\r\n\0 ");
    assert_eq!(all(&[raw, grpc]), None);
    assert_eq!(all(&[grpc, raw]), None);
    let malformed = Some(Loss::Malformed);
    for more in [
        &[raw][..],
        &[raw, ("content-type", "text/plain")],
        &[raw, ("content-type", "application/grpc-web")],
        &[grpc, ("a", "\0\r\n")],
        &[grpc, ("a-bin", "x\r\n")],
        &[grpc, ("A-bin", "\0")],
    ] {
        assert_eq!(all(more), malformed, "{more:?}");
    }
}

#[test]
fn well_formed_requests_are_told() {
    let options = (":method", "OPTIONS");
    for fields in [
        &[METHOD, SCHEME, PATH, ("host", "a")][..],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "A")],
        &[options, SCHEME, (":path", "*"), AUTHORITY],
        &[METHOD, (":scheme", "coap"), (":path", "x")],
        &[METHOD, (":scheme", "HTTPS"), PATH, AUTHORITY],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("content-length", "0")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("x", "a\tb c\u{e9}")],
    ] {
        assert_eq!(lost(fields), None, "{fields:?}");
    }
}

#[test]
fn malformed_requests_are_lost() {
    let with = |field| vec![METHOD, SCHEME, PATH, AUTHORITY, field];
    for fields in [
        vec![],
        vec![SCHEME, PATH, AUTHORITY],
        vec![METHOD, PATH, AUTHORITY],
        vec![METHOD, SCHEME, AUTHORITY],
        vec![METHOD, SCHEME, PATH],
        vec![METHOD, SCHEME, (":path", ""), AUTHORITY],
        vec![METHOD, SCHEME, (":path", "x"), AUTHORITY],
        vec![METHOD, SCHEME, (":path", "*"), AUTHORITY],
        vec![METHOD, SCHEME, (":path", "/ x"), AUTHORITY],
        vec![METHOD, (":scheme", "1"), PATH, AUTHORITY],
        vec![(":method", "G T"), SCHEME, PATH, AUTHORITY],
        vec![(":method", ""), SCHEME, PATH, AUTHORITY],
        vec![METHOD, SCHEME, PATH, (":authority", "")],
        vec![METHOD, SCHEME, PATH, (":authority", "u@a")],
        vec![METHOD, SCHEME, PATH, ("a", "b"), AUTHORITY],
        with(METHOD),
        with(PATH),
        with((":status", "200")),
        with((":unknown", "")),
        with((":protocol", "websocket")),
        with(("host", "b")),
        with(("", "x")),
        with(("Upper", "x")),
        with(("a b", "x")),
        with(("a:b", "x")),
        with(("a", " x")),
        with(("a", "x\t")),
        with(("a", "x\r\ny: z")),
        with(("a", "\0")),
        with(("connection", "close")),
        with(("proxy-connection", "close")),
        with(("keep-alive", "1")),
        with(("transfer-encoding", "chunked")),
        with(("upgrade", "h2c")),
        with(("te", "gzip")),
        with(("content-length", "")),
        with(("content-length", "+1")),
        with(("content-length", "1")),
        with(("content-length", "18446744073709551616")),
    ] {
        assert_eq!(lost(&fields), Some(Loss::Malformed), "{fields:?}");
    }
    let twice = ("content-length", "0");
    let fields = [METHOD, SCHEME, PATH, AUTHORITY, twice, twice];
    assert_eq!(lost(&fields), Some(Loss::Malformed));
    let fields = [METHOD, SCHEME, PATH, ("host", "a"), ("host", "a")];
    assert_eq!(lost(&fields), Some(Loss::Malformed));
}

#[test]
fn connect_is_lost_by_its_name() {
    let connect = (":method", "CONNECT");
    let websocket = (":protocol", "websocket");
    assert_eq!(lost(&[connect, AUTHORITY]), Some(Loss::Connect));
    let extended = [connect, websocket, SCHEME, PATH, AUTHORITY];
    assert_eq!(lost(&extended), Some(Loss::Connect));
    for fields in [
        &[connect][..],
        &[connect, AUTHORITY, PATH],
        &[connect, AUTHORITY, SCHEME],
        &[connect, websocket, AUTHORITY],
    ] {
        assert_eq!(lost(fields), Some(Loss::Malformed), "{fields:?}");
    }
}

/// A request with these fields, then frames of its stream.
fn with_body(fields: &[(&str, &str)], frames: &[(u8, u8, &[u8])]) -> Vec<Said> {
    let mut stream = vec![frame(HEADERS, END_HEADERS, 1, &post(fields))];
    for (kind, flags, payload) in frames {
        stream.push(frame(*kind, *flags, 1, payload));
    }
    let mut said = said(&connection(&stream));
    assert!(matches!(said.remove(0), Said::Head(1, _)));
    said
}

#[test]
fn a_body_is_as_long_as_stated() {
    let two = [("content-length", "2")];
    let body = |bytes: &[u8]| Said::Body(1, bytes.to_vec());
    let malformed = || Said::Lost(1, Loss::Malformed);
    let told = with_body(&two, &[(DATA, 0, b"a"), (DATA, END_STREAM, b"b")]);
    assert_eq!(told, [body(b"ab"), Said::End(1)]);
    let told = with_body(&two, &[(DATA, 0, b"ab"), (DATA, END_STREAM, b"")]);
    assert_eq!(told, [body(b"ab"), Said::End(1)]);
    let short = with_body(&two, &[(DATA, END_STREAM, b"a")]);
    assert_eq!(short, [body(b"a"), malformed()]);
    let long = with_body(&two, &[(DATA, 0, b"abc"), (DATA, END_STREAM, b"d")]);
    assert_eq!(long, [body(b"ab"), malformed()]);
    let trailers = block(&[("t", "1")]);
    let short = with_body(&two, &[(DATA, 0, b"a"), (HEADERS, WHOLE, &trailers)]);
    assert_eq!(short, [body(b"a"), malformed()]);
}

#[test]
fn trailers_end_a_request() {
    let body = || Said::Body(1, b"ab".to_vec());
    let with = |flags, trailers: &[u8]| {
        let last = (DATA, END_STREAM, &b"left alone"[..]);
        let frames = [(DATA, 0, &b"ab"[..]), (HEADERS, flags, trailers), last];
        with_body(&[], &frames[..2 + usize::from(flags == END_HEADERS)])
    };
    let trailers = Said::Trailers(1, "t=1;".into());
    let told = with(WHOLE, &block(&[("t", "1")]));
    assert_eq!(told, [body(), trailers, Said::End(1)]);
    let malformed = [body(), Said::Lost(1, Loss::Malformed)];
    assert_eq!(with(WHOLE, &block(&[(":path", "/")])), malformed);
    assert_eq!(with(WHOLE, &block(&[("connection", "t")])), malformed);
    // A second block that does not end the stream.
    assert_eq!(with(END_HEADERS, &block(&[("t", "1")])), malformed);
}
