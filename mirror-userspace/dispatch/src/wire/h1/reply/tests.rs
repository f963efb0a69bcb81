use super::*;

const LIMITS: Limits = Limits {
    head: 1000,
    fields: 128,
    body: 30_000,
};

/// What became of a reply and how many bytes it took.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Complete(u16, bool, usize),
    AtClose(u16),
    Unfinished,
    Cut(u16),
    Bad,
}

fn read(expect: Expect, pieces: &[&[u8]]) -> End {
    let mut reader = ReplyReader::new(expect, LIMITS);
    let mut before = 0;
    for piece in pieces {
        match reader.handle_data(piece) {
            Ok(Step::More) => before += piece.len(),
            Ok(Step::Complete(reply, used)) => {
                assert!(used <= piece.len());
                return End::Complete(reply.status, reply.reusable, before + used);
            }
            Ok(Step::Cut(reply)) => return End::Cut(reply.status),
            Err(BadReply) => return End::Bad,
        }
    }
    reader
        .handle_close()
        .map_or(End::Unfinished, |reply| End::AtClose(reply.status))
}

/// Reads it whole, split in two at every place, and byte by byte: all must agree.
fn check(expect: Expect, text: &str, end: &End) {
    let bytes = text.as_bytes();
    assert_eq!(&read(expect, &[bytes]), end, "whole: {text:?}");
    for at in 0..=bytes.len() {
        let (a, b) = bytes.split_at(at);
        assert_eq!(&read(expect, &[a, b]), end, "split at {at}: {text:?}");
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(&read(expect, &single), end, "byte by byte: {text:?}");
}

#[test]
fn bodies_end_as_rfc_9112_says() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", true),
        ("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", true),
        ("HTTP/1.1 200 OK\nContent-Length: 1\n\nx", true),
        (
            "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\ncontent-length: 2\r\n\r\nhi",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, Close\r\n\r\nx",
            false,
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\nA \r\n0123456789\r\n000;z\r\nT: v\r\nU: w\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 204 No\r\n\r\n", true),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
            true,
        ),
    ];
    for (text, reusable) in cases {
        let status = text.trim_start()[9..12].parse().unwrap();
        check(
            Expect::Body,
            text,
            &End::Complete(status, reusable, text.len()),
        );
        let more = format!("{text}HTTP/1.1 400 unasked\r\n\r\n");
        check(
            Expect::Body,
            &more,
            &End::Complete(status, reusable, text.len()),
        );
        let cut = &text[..text.len() - 1];
        check(Expect::Body, cut, &End::Unfinished);
    }
}

#[test]
fn some_bodies_end_with_the_connection() {
    for fields in ["", "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n"] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\nwhatever");
        check(Expect::Body, &text, &End::AtClose(200));
    }
}

#[test]
fn what_was_asked_decides() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n";
    check(Expect::NoBody, text, &End::Complete(200, true, text.len()));
    check(Expect::Tunnel, text, &End::Complete(200, false, text.len()));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(
        Expect::NoBody,
        chunked,
        &End::Complete(200, true, chunked.len()),
    );
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    for expect in [Expect::Tunnel, Expect::Body] {
        let more = format!("{switch}\u{1}frames");
        check(expect, &more, &End::Complete(101, false, switch.len()));
    }
}

#[test]
fn interim_replies_are_passed_over() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi";
    check(Expect::Body, text, &End::Complete(201, true, text.len()));
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    check(Expect::Body, &endless, &End::Bad);
}

#[test]
fn garbage_is_known_for_what_it_is() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2000));
    let fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X:\r\n".repeat(200));
    let blank = "\r\n".repeat(1000);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = [
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        "\u{15}\u{3}\u{3}\0\u{2}\u{2}F".to_owned(),
        "HTTP/2 200\r\n\r\n".to_owned(),
        "<html>".to_owned(),
        long,
        fields,
        blank,
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".to_owned(),
        format!("{head}x\r\n"),
        format!("{head}\r\n"),
        format!("{head};\r\n"),
        format!("{head}1\r\nxy\r\n"),
        format!("{head}10000000000000000\r\n"),
        format!("{head}1;{}", "x".repeat(20_000)),
        format!("{head}0\r\n{}", "T: v\r\n".repeat(4_000)),
    ];
    for text in cases {
        check_bad(&text);
    }
}

/// Like [`check`], in steps that keep long texts quick.
fn check_bad(text: &str) {
    for size in [1, 7, 500, usize::MAX] {
        let pieces: Vec<_> = text.as_bytes().chunks(size.min(text.len())).collect();
        assert_eq!(
            read(Expect::Body, &pieces),
            End::Bad,
            "{size}: {:?}",
            &text[..text.len().min(80)]
        );
    }
}

#[test]
fn a_body_past_the_limit_is_cut() {
    let body = "x".repeat(50_000);
    for fields in ["Content-Length: 50000\r\n", ""] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}");
        let pieces: Vec<_> = text.as_bytes().chunks(1000).collect();
        assert_eq!(read(Expect::Body, &pieces), End::Cut(200));
    }
    let text = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "1\r\nx\r\n".repeat(10_000)
    );
    let pieces: Vec<_> = text.as_bytes().chunks(1000).collect();
    assert_eq!(read(Expect::Body, &pieces), End::Cut(200));
}

#[test]
fn the_body_limit_holds_however_the_body_is_cut() {
    let body = "x".repeat(30_000);
    let fits = format!("HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n{body}");
    let over = format!("HTTP/1.1 200 OK\r\nContent-Length: 30001\r\n\r\n{body}y");
    // The fault stands beyond the limit.
    let bad = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n752a\r\n{body}bad");
    for size in [1, 7, 1000, usize::MAX] {
        let read = |text: &str| {
            let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
            read(Expect::Body, &pieces)
        };
        assert_eq!(read(&fits), End::Complete(200, true, fits.len()), "{size}");
        assert_eq!(read(&over), End::Cut(200), "{size}");
        assert_eq!(read(&bad), End::Cut(200), "{size}");
    }
}

/// Reads it with all discarded that may be, in portions of `most` at most; the rest in pieces of `size`.
fn read_discarding(text: &str, size: usize, most: u64) -> (End, u64) {
    let mut reader = ReplyReader::new(Expect::Body, LIMITS);
    let (mut at, mut unseen) = (0, 0);
    while at < text.len() {
        let left = text.len() - at;
        let discarded = reader.discardable().min(most).min(left as u64);
        let step = if discarded > 0 {
            unseen += discarded;
            let step = reader.handle_discarded(discarded);
            at += usize::try_from(discarded).unwrap();
            Ok(step)
        } else {
            let piece = &text.as_bytes()[at..at + size.min(left)];
            let step = reader.handle_data(piece);
            at += match step {
                Ok(Step::Complete(_, used)) => used,
                _ => piece.len(),
            };
            step
        };
        let end = match step {
            Ok(Step::More) => continue,
            Ok(Step::Complete(reply, _)) => End::Complete(reply.status, reply.reusable, at),
            Ok(Step::Cut(reply)) => End::Cut(reply.status),
            Err(BadReply) => End::Bad,
        };
        return (end, unseen);
    }
    let end = reader.handle_close();
    let end = end.map_or(End::Unfinished, |reply| End::AtClose(reply.status));
    (end, unseen)
}

#[test]
fn a_body_may_be_discarded_instead_of_read() {
    let body = "x".repeat(20_000);
    let long = "x".repeat(40_000);
    let next = "HTTP/1.1 200 OK\r\n\r\n";
    for text in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n{body}{next}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 20001\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n{long}{next}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n{body}{body}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n4e20\r\n{body}\r\n0\r\n\r\n{next}"
        ),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n{body}x\r\n0\r\n\r\n"
        ),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9c40\r\n{long}\r\n"),
        format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
    ] {
        let pieces: Vec<_> = text.as_bytes().chunks(1000).collect();
        let expected = read(Expect::Body, &pieces);
        for size in [7, 100, 1000] {
            for most in [1, 4096, u64::MAX] {
                let (end, unseen) = read_discarding(&text, size, most);
                assert_eq!(end, expected, "{size}, {most}: {:?}", &text[..80]);
                assert!(unseen > 15_000, "{unseen} discarded: {:?}", &text[..80]);
            }
        }
    }
}

#[test]
fn what_has_to_be_looked_at_is_not_discarded() {
    let mut reader = ReplyReader::new(Expect::Body, LIMITS);
    assert_eq!(reader.discardable(), 0, "a head");
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(reader.handle_data(head), Ok(Step::More));
    assert_eq!(reader.discardable(), 0, "the size of a chunk");
    assert_eq!(reader.handle_data(b"10\r\nabc"), Ok(Step::More));
    assert_eq!(reader.discardable(), 13);
    assert_eq!(reader.handle_discarded(13), Step::More);
    assert_eq!(reader.discardable(), 0, "the end of a chunk");

    let mut reader = ReplyReader::new(Expect::NoBody, LIMITS);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    assert!(matches!(reader.handle_data(head), Ok(Step::Complete(_, _))));
    assert_eq!(reader.discardable(), 0, "a reply without a body");
}

#[test]
fn a_split_head_is_held_within_its_limit() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2 * LIMITS.head));
    for size in [1, 7, 501, 600, 999] {
        let mut reader = ReplyReader::new(Expect::Body, LIMITS);
        let mut most = 0;
        for piece in head.as_bytes().chunks(size) {
            let step = reader.handle_data(piece);
            most = most.max(reader.held());
            if step.is_err() {
                break;
            }
        }
        assert!((size..=LIMITS.head).contains(&most), "{size}: {most}");
    }
}
