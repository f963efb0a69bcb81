mod second_reader;

use super::*;
use ReplyBody::{Chunked, Length, None as NoBody, Unknown, UntilClose};

fn head(text: &str) -> ReplyHead {
    parse(text.as_bytes()).unwrap().unwrap()
}

#[test]
fn how_long_to_wait_is_read_in_seconds_and_not_as_a_date() {
    for (said, seconds) in [
        ("120", Some(120)),
        ("0", Some(0)),
        (" 7 ", Some(7)),
        ("-1", None),
        ("+1", None),
        ("99999999999", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ("", None),
    ] {
        let text = format!("HTTP/1.1 503 Busy\r\nRetry-After: {said}\r\n\r\n");
        assert_eq!(head(&text).retry_after, seconds, "{said}");
    }
    assert_eq!(head("HTTP/1.1 503 Busy\r\n\r\n").retry_after, None);
}

#[test]
fn a_complete_head_says_how_the_reply_ends() {
    for (text, status, body, closes) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            200,
            Length(5),
            false,
        ),
        (
            "HTTP/1.1 200\r\ncontent-length:5, 5\r\n\r\n",
            200,
            Length(5),
            false,
        ),
        (
            "HTTP/1.1 200 OK\nContent-Length: 0\nConnection: Close\n\n",
            200,
            Length(0),
            true,
        ),
        (
            "\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding : gzip, Chunked\r\n\r\n",
            404,
            Chunked,
            false,
        ),
        (
            "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            200,
            Chunked,
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, x\r\n\r\n",
            200,
            UntilClose,
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
            200,
            UntilClose,
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            200,
            Unknown,
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            200,
            Unknown,
            false,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, NoBody, false),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            304,
            NoBody,
            false,
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n", 100, NoBody, false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
            200,
            Length(5),
            true,
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
            200,
            Length(5),
            false,
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nConnection: x,\r\n close\r\nContent-Length: 0\r\n\r\n",
            400,
            Length(0),
            true,
        ),
    ] {
        let said = head(text);
        assert_eq!(
            (said.status, said.body, said.closes),
            (status, body, Some(closes)),
            "{text:?}"
        );
        assert_eq!(said.len, Some(text.len()), "{text:?}");
        let followed = format!("{text}HTTP/1.1 500 x\r\nConnection: close\r\n\r\n");
        assert_eq!(
            head(&followed),
            said,
            "what follows does not matter: {text:?}"
        );
    }
}

#[test]
fn a_reply_that_ends_with_its_connection_is_the_last() {
    let endless = head("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(endless.ends_connection(false), Some(true));
    assert_eq!(
        endless.ends_connection(true),
        Some(false),
        "a reply to HEAD has no body"
    );
    let close = head("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(close.ends_connection(true), Some(true));
}

#[test]
fn interim_replies_and_upgrades_are_told_apart() {
    assert!(head("HTTP/1.1 100 Continue\r\n\r\n").is_interim());
    assert!(head("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n").is_interim());
    let switched = head("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n");
    assert!(!switched.is_interim() && switched.upgrade);
    let offered = head("HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n");
    assert!(offered.upgrade && offered.status == 200);
}

/// A cut head never says anything that the whole one takes back.
#[test]
fn a_cut_head_says_what_its_whole_lines_say() {
    let text = "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
    let whole = head(text);
    for cut in 0..text.len() {
        let said = parse(&text.as_bytes()[..cut]).unwrap();
        let Some(said) = said else {
            assert!(cut < "HTTP/1.1 200".len(), "cut at {cut}");
            continue;
        };
        assert_eq!(
            (said.status, said.len, said.body),
            (200, None, Unknown),
            "cut at {cut}"
        );
        assert!(
            said.closes.is_none() || said.closes == whole.closes,
            "cut at {cut}"
        );
        assert_eq!(
            said.closes.is_some(),
            cut >= text.find("Content-").unwrap(),
            "cut at {cut}"
        );
    }
    let no_content = parse(b"HTTP/1.1 204").unwrap().unwrap();
    assert_eq!((no_content.body, no_content.closes), (NoBody, None));
}

#[test]
fn other_bytes_are_no_reply() {
    for text in [
        "GET / HTTP/1.1\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.x 200\r\n\r\n",
        "HTTP/1.1 099 x\r\n",
        "HTTP/1.1 20x",
        "HTTP/1.1 2000\r\n",
        "HTTP/1.1\t200 OK",
        "\u{16}\u{3}\u{1}",
        "hTTP/1.1 200 OK",
    ] {
        assert_eq!(parse(text.as_bytes()), Err(NotAReply), "{text:?}");
    }
    for text in ["", "\r\n", "H", "HTTP/1.", "HTTP/1.1", "HTTP/1.1 20"] {
        assert_eq!(parse(text.as_bytes()), Ok(None), "{text:?}");
    }
}
