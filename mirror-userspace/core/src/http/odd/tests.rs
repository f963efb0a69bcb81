use super::*;
use crate::http::{Framing, framing::After};

fn extent(raw: &str) -> framing::Extent {
    let bytes: Vec<u8> = raw
        .chars()
        .map(|byte| u8::try_from(byte).unwrap())
        .collect();
    judge(&bytes, Lost::Malformed).extent
}

const GO_ON: After = After::IfTaken { counted: true };

#[test]
fn an_oddity_that_frames_nothing_leaves_the_framing_certain() {
    for (lines, framing, after) in [
        ("X: a\u{1}b\r\nHost: a\r\n", Framing::None, GO_ON),
        ("X : y\r\nContent-Length: 5\r\n", Framing::Length(5), GO_ON),
        (
            "no colon\r\n: no name\r\ncontent-length: \t7 \r\n",
            Framing::Length(7),
            GO_ON,
        ),
        (
            "\u{e9}: y\r\nTransfer-Encoding: gzip, chunked\r\n",
            Framing::Chunked,
            GO_ON,
        ),
        (
            "(): y\r\nConnection: close\r\n",
            Framing::None,
            After::Close,
        ),
    ] {
        let raw = format!("POST / HTTP/1.1\r\n{lines}\r\n");
        assert_eq!(
            extent(&raw),
            framing::Extent::Certain(framing, after),
            "{raw:?}"
        );
    }
    for line in [
        "GET /a b HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "GET  / HTTP/1.1 ",
        "GET / HTTP/1.7",
    ] {
        let raw = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(
            extent(&raw),
            framing::Extent::Certain(Framing::None, GO_ON),
            "{raw:?}"
        );
    }
}

#[test]
fn whatever_may_frame_the_body_or_split_the_lines_is_doubtful() {
    let doubtful = |length, chunked| {
        framing::Extent::Doubtful(Readings {
            length,
            chunked,
            last: false,
        })
    };
    for (lines, length, chunked) in [
        ("A: b\nHost: a\r\n", 0, false),
        ("A: b\r\n Content-Length: 12\r\n", 12, false),
        ("A: b\rContent-Length: 12\r\n", 12, false),
        ("Content-Length : 12\r\n", 12, false),
        ("Content-Length\u{85}: 12\r\n", 12, false),
        ("Content_Length: 12\r\nX\0: y\r\n", 12, false),
        ("Content-Length 12\r\n", 0xce12, false),
        ("Content-Length:\r\n 12\r\n", 0x12, false),
        ("Content-Length: \u{b}12\r\n", 0x12, false),
        ("Transfer-Encoding : chunked\r\n", 0, true),
        ("Transfer-Encoding: \u{b}chunked\r\n", 0, true),
        (
            "Transfer-Encoding\0: chunked\r\nContent-Length: 4\r\n",
            4,
            true,
        ),
        ("Host: a\r\n\tTransfer-Encoding: chunked\r\n", 0, true),
    ] {
        let raw = format!("POST / HTTP/1.1\r\n{lines}\r\n");
        let framing::Extent::Doubtful(readings) = extent(&raw) else {
            panic!("{raw:?}")
        };
        assert!(readings.length >= length, "{raw:?}: {readings:?}");
        assert_eq!(readings.chunked, chunked, "{raw:?}");
    }
    for line in [
        "GET /",
        "GET / HTTP/2.0",
        "GET / HTTP/1.10",
        "GET /\r HTTP/1.1",
        "GET / HTTP/1.1\n",
    ] {
        assert_eq!(
            extent(&format!("{line}\r\n\r\n")),
            doubtful(0, false),
            "{line:?}"
        );
    }
    let endless = "POST / HTTP/1.1\r\nContent-Length : ffffffffffffffffff\r\n\r\n";
    assert_eq!(extent(endless), doubtful(u64::MAX, false));
}
