use super::*;

fn content(raw: &str) -> Option<String> {
    decode(raw.as_bytes()).map(|content| String::from_utf8(content).unwrap())
}

#[test]
fn sizes_extensions_and_trailers_are_taken_off() {
    for (raw, expected) in [
        ("0\r\n\r\n", ""),
        ("000\r\n\r\n", ""),
        ("3\r\nabc\r\n0\r\n\r\n", "abc"),
        (
            "A\r\n0123456789\r\n00b\r\n0\r\n\r\nGET / \r\n0\r\n\r\n",
            "01234567890\r\n\r\nGET / ",
        ),
        ("1  \r\nx\r\n0\t;b\r\n\r\n", "x"),
        ("1;a\r\nx\r\n0;b=c;d=\"e;\\\"f\"\r\n\r\n", "x"),
        ("1\r\nx\r\n0\r\nTrailer: v\r\nEmpty:\r\n\r\n", "x"),
    ] {
        assert_eq!(content(raw).as_deref(), Some(expected), "{raw:?}");
    }
}

#[test]
fn what_the_grammar_forbids_is_refused_at_its_byte() {
    use Lost::{Ambiguous, Malformed};
    for (raw, at, why) in [
        ("\r\n", 0, Malformed),
        ("x", 0, Malformed),
        ("0x1\r\n", 1, Malformed),
        ("+1\r\n", 0, Malformed),
        ("-1\r\n", 0, Malformed),
        (" 1\r\n", 0, Malformed),
        ("1 a\r\n", 2, Malformed),
        ("1 0\r\n", 2, Malformed),
        ("1_0\r\n", 1, Malformed),
        ("1,\r\n", 1, Malformed),
        ("1\na", 1, Malformed),
        ("1\ra", 2, Malformed),
        ("1\r\r\n", 2, Malformed),
        ("1;\r\n", 2, Malformed),
        ("1; a\r\n", 2, Malformed),
        ("1;a=\r\n", 4, Malformed),
        ("1;a\nb", 3, Malformed),
        ("1;a=\"b\nc\"", 6, Malformed),
        ("1;a=\"b\\\r\n\"", 7, Malformed),
        ("1;a=\"b\"c\r\n", 7, Malformed),
        ("1\r\nab\r\n", 4, Malformed),
        ("1\r\na\n", 4, Malformed),
        ("1\r\na\r0", 5, Malformed),
        ("1\r\na0\r\n", 4, Malformed),
        ("7fffffffffffffff0\r\n", 16, Ambiguous),
        ("8000000000000000\r\n", 15, Ambiguous),
        ("10000000000000001\r\n", 16, Ambiguous),
        ("0\r\n\n", 3, Malformed),
        ("0\r\n\rX", 4, Malformed),
        ("0\r\nGET / HTTP/1.1\r\n", 6, Malformed),
        ("0\r\n : a\r\n", 3, Malformed),
        ("0\r\na : b\r\n", 4, Malformed),
        ("0\r\na: b\0\r\n", 7, Malformed),
        ("0\r\na: b\nc: d\r\n", 7, Malformed),
        ("0\r\na: b\r\n c\r\n", 9, Malformed),
    ] {
        let fed = Chunked::default().feed(raw.as_bytes(), &Limits::default(), |_| {});
        assert_eq!(fed, Fed::Refused(at, why), "{raw:?}");
        assert_eq!(content(raw), None, "{raw:?}");
    }
}

#[test]
fn a_body_decodes_the_same_in_pieces() {
    let raw = "3;a=\"0\"\r\nabc\r\n00b\r\n0\r\n\r\nGET / \r\n0\r\nA: b\r\n\r\n";
    for len in 1..=raw.len() {
        let mut decoder = Decoder::default();
        let mut content = Vec::new();
        for piece in raw.as_bytes().chunks(len) {
            decoder.feed(piece, |bytes| content.extend_from_slice(bytes));
        }
        assert_eq!(content, decode(raw.as_bytes()).unwrap(), "pieces of {len}");
    }
}

#[test]
fn decode_wants_exactly_one_body() {
    for raw in [
        "",
        "1",
        "1\r\n",
        "1\r\na\r\n",
        "0\r\n",
        "0\r\n\r",
        "0\r\n\r\n0",
    ] {
        assert_eq!(content(raw), None, "{raw:?}");
    }
}

#[test]
fn lines_and_trailers_end_at_their_limits() {
    let limits = Limits {
        chunk_line: 8,
        trailers: 12,
        ..Limits::default()
    };
    let feed = |raw: &str| Chunked::default().feed(raw.as_bytes(), &limits, |_| {});
    assert_eq!(feed("1;abcd\r\nx\r\n"), Fed::More, "exactly at the limit");
    assert_eq!(feed("1;abcde\r\n"), Fed::Refused(8, Lost::TooLarge));
    assert_eq!(feed("000000001\r\n"), Fed::Refused(8, Lost::TooLarge));
    assert_eq!(
        feed("0\r\na:12\r\nb:\r\n\r\n"),
        Fed::End(15),
        "exactly at the limit"
    );
    assert_eq!(
        feed("0\r\na:12345678\r\n\r\n"),
        Fed::Refused(15, Lost::TooLarge)
    );
    let fields = Limits {
        fields: 1,
        ..Limits::default()
    };
    let fed = Chunked::default().feed(b"0\r\na:\r\nb:\r\n", &fields, |_| {});
    assert_eq!(fed, Fed::Refused(7, Lost::TooLarge));
}
