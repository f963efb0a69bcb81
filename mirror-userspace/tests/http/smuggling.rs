//! The tricks of `docs/SMUGGLING.md`, one for one: what the table says is what happens.

use std::collections::BTreeMap;

use mirror_core::http::{Lost, Protocol};

use crate::feed::{every_way, lost, protocols, short};

const TABLE: &str = include_str!("../../../docs/SMUGGLING.md");

/// What every trick wants to have taken for a request of its own.
const EVIL: &str = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";

/// A POST with these field lines.
fn post(fields: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

/// A POST with a chunked body, and the trick behind or in it.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A GET with these field lines, the trick behind it.
fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\n{fields}\r\n{EVIL}")
}

/// Each trick under the name that the table has for it.
fn tricks() -> BTreeMap<&'static str, String> {
    let body_of = |head: &str| format!("{head}\r\n0\r\n\r\n{EVIL}");
    let many = |line: &str, count: usize| line.repeat(count);
    BTreeMap::from([
        (
            "cl-te",
            post(
                "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
                &format!("0\r\n\r\nG{EVIL}"),
            ),
        ),
        (
            "te-cl",
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                &format!("1e\r\n{EVIL}\r\n0\r\n\r\n"),
            ),
        ),
        (
            "cl-te-identity",
            post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", EVIL),
        ),
        (
            "te-http10",
            format!("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{EVIL}"),
        ),
        ("te-xchunked", post("Transfer-Encoding: xchunked\r\n", EVIL)),
        (
            "te-quoted",
            post("Transfer-Encoding: \"chunked\"\r\n", EVIL),
        ),
        (
            "te-parameter",
            post("Transfer-Encoding: chunked;a=b\r\n", EVIL),
        ),
        (
            "te-empty-element",
            body_of(&post("Transfer-Encoding: ,chunked\r\n", "")),
        ),
        (
            "te-not-last",
            post("Transfer-Encoding: chunked, gzip\r\n", EVIL),
        ),
        (
            "te-twice",
            body_of(&post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "",
            )),
        ),
        (
            "te-two-lines",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n",
                EVIL,
            ),
        ),
        (
            "te-vertical-tab",
            post("Transfer-Encoding: \x0bchunked\r\n", EVIL),
        ),
        (
            "te-high-byte",
            post("Transfer-Encoding: \u{a0}chunked\r\n", EVIL),
        ),
        (
            "te-name-space",
            post("Transfer-Encoding : chunked\r\n", EVIL),
        ),
        (
            "te-name-underscore",
            post("Transfer_Encoding: chunked\r\n", EVIL),
        ),
        (
            "te-after-fold",
            post("X: y\r\n Transfer-Encoding: chunked\r\n", EVIL),
        ),
        (
            "te-after-bare-lf",
            post("X: y\nTransfer-Encoding: chunked\r\n", EVIL),
        ),
        (
            "te-after-bare-cr",
            post("X: y\rTransfer-Encoding: chunked\r\n", EVIL),
        ),
        (
            "cl-twice-differing",
            post("Content-Length: 0\r\nContent-Length: 31\r\n", EVIL),
        ),
        (
            "cl-twice-equal",
            post("Content-Length: 0\r\nContent-Length: 0\r\n", EVIL),
        ),
        ("cl-list", post("Content-Length: 0, 31\r\n", EVIL)),
        ("cl-empty", post("Content-Length:\r\n", EVIL)),
        ("cl-plus", post("Content-Length: +31\r\n", EVIL)),
        ("cl-minus", post("Content-Length: -1\r\n", EVIL)),
        ("cl-hexadecimal", post("Content-Length: 0x1f\r\n", EVIL)),
        ("cl-suffix", post("Content-Length: 31a\r\n", EVIL)),
        (
            "cl-overflow",
            post("Content-Length: 18446744073709551616\r\n", EVIL),
        ),
        (
            "cl-negative-in-64-bits",
            post("Content-Length: 9223372036854775808\r\n", EVIL),
        ),
        (
            "cl-leading-zeros",
            post("Content-Length: 010\r\n", "0123456789"),
        ),
        ("cl-name-space", post("Content-Length : 31\r\n", EVIL)),
        (
            "cl-name-high-byte",
            post("Content-Length\u{85}: 31\r\n", EVIL),
        ),
        ("cl-name-underscore", post("Content_Length: 31\r\n", EVIL)),
        (
            "get-with-body",
            format!(
                "GET /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{EVIL}",
                EVIL.len()
            ),
        ),
        (
            "chunk-hexadecimal-prefix",
            chunked(&format!("0x1\r\na\r\n0\r\n\r\n{EVIL}")),
        ),
        (
            "chunk-sign",
            chunked(&format!("+1\r\na\r\n0\r\n\r\n{EVIL}")),
        ),
        ("chunk-underscore", chunked(&format!("0_2e\r\n\r\n{EVIL}"))),
        (
            "chunk-space",
            chunked(&format!("1 \r\na\r\n0\r\n\r\n{EVIL}")),
        ),
        (
            "chunk-overflow",
            chunked(&format!("10000000000000001\r\na\r\n0\r\n\r\n{EVIL}")),
        ),
        (
            "chunk-bare-lf",
            chunked(&format!("1\na\r\n0\r\n\r\n{EVIL}")),
        ),
        (
            "chunk-bare-cr",
            chunked(&format!("2\r\r;a\r\n02\r\n41\r\n0\r\n\r\n{EVIL}")),
        ),
        (
            "chunk-extension-lf",
            chunked(&format!("1;a\nb\r\na\r\n0\r\n\r\n{EVIL}")),
        ),
        (
            "chunk-extension-quoted-crlf",
            chunked(&format!("1;a=\"\r\n{EVIL}")),
        ),
        (
            "chunk-extension-empty",
            chunked(&format!("1;\r\na\r\n0\r\n\r\n{EVIL}")),
        ),
        (
            "chunk-extension-endless",
            chunked(&format!("1;{}", many("a", 5000))),
        ),
        (
            "chunk-data-too-long",
            chunked(&format!("1\r\nab\r\n0\r\n\r\n{EVIL}")),
        ),
        ("chunk-data-end", chunked(&format!("1\r\na0\r\n\r\n{EVIL}"))),
        (
            "chunk-last-spilled",
            chunked(&format!("17\r\n0\r\n\r\n{EVIL}")),
        ),
        ("chunk-no-final-crlf", chunked(&format!("0\r\n{EVIL}"))),
        (
            "trailer-framing",
            chunked("0\r\nContent-Length: 31\r\n\r\n"),
        ),
        (
            "trailer-bare-lf",
            chunked(&format!("0\r\na: b\n\r\n{EVIL}")),
        ),
        (
            "line-bare-lf",
            format!("GET /a HTTP/1.1\nHost: a\n\n{EVIL}"),
        ),
        ("line-spaces", format!("GET  /a HTTP/1.1\r\n\r\n{EVIL}")),
        (
            "line-target-space",
            format!("GET /a HTTP/1.1 HTTP/1.1\r\n\r\n{EVIL}"),
        ),
        (
            "line-target-high-byte",
            format!("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n{EVIL}"),
        ),
        ("line-version", format!("GET /a HTTP/1.32\r\n\r\n{EVIL}")),
        ("line-no-version", format!("GET /a\r\n\r\n{EVIL}")),
        ("field-fold", get("X: y\r\n z\r\n")),
        ("field-first-fold", get(" X: y\r\n")),
        ("field-nul", get("X: y\0z\r\n")),
        (
            "field-high-bytes",
            "GET /a HTTP/1.1\r\nUser: \u{85}admin\u{a0}\r\n\r\n".to_owned(),
        ),
        ("field-name-nul", get("X\0: y\r\n")),
        ("field-no-colon", get("X\r\n")),
        ("field-empty-name", get(": y\r\n")),
        (
            "head-end-bare-cr",
            format!("GET /a HTTP/1.1\r\nHost: a\r\n\rX{EVIL}"),
        ),
        (
            "head-endless",
            format!("GET /a HTTP/1.1\r\n{}", many("a:\r\n", 1_001)),
        ),
        ("host-twice", get("Host: a\r\nHost: b\r\n")),
        (
            "host-absolute-form",
            "GET http://b/a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ),
        (
            "expect-continue",
            post("Expect: 100-continue\r\nContent-Length: 31\r\n", EVIL),
        ),
        (
            "upgrade-then-http",
            get("Connection: upgrade\r\nUpgrade: websocket\r\n"),
        ),
        (
            "upgrade-h2c",
            get(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            ),
        ),
        ("upgrade-unasked", get("Host: a\r\nUpgrade: websocket\r\n")),
        (
            "connect-then-http",
            format!("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n{EVIL}"),
        ),
        (
            "connect-with-body",
            format!("CONNECT a:443 HTTP/1.1\r\nContent-Length: 31\r\n\r\n{EVIL}"),
        ),
        ("close-then-http", get("Connection: close\r\n")),
        (
            "http10-then-http",
            format!("GET /a HTTP/1.0\r\nHost: a\r\n\r\n{EVIL}"),
        ),
        ("no-host-then-http", get("")),
        (
            "bare-lf-between",
            format!("{}\n{EVIL}", post("Content-Length: 1\r\n", "x")),
        ),
        (
            "http2-preface",
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{EVIL}"),
        ),
    ])
}

/// The rows of the table: the name of the trick, and what podmirror does.
fn rows() -> BTreeMap<&'static str, &'static str> {
    TABLE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next().unwrap().trim_matches('`');
            (name, cells.nth(1).unwrap())
        })
        .collect()
}

/// What happened to a trick, in the words of the table.
fn outcome(stream: &str) -> String {
    // A trick's characters are bytes.
    let bytes = stream.chars().map(|byte| u8::try_from(byte).unwrap());
    let said = every_way(&bytes.collect::<Vec<_>>());
    let requests = short(&said);
    let first = requests
        .iter()
        .filter(|request| !request.ends_with("/evil"))
        .count();
    let evil = requests.len() - first;
    match (first, evil, &lost(&said)[..], protocols(&said).last()) {
        (0, 0, [Lost::Ambiguous], _) => "refused: ambiguous".into(),
        (0, 0, [Lost::Malformed], _) => "refused: malformed".into(),
        (0, 0, [Lost::TooLarge], _) => "refused: too large".into(),
        (0, 0, [Lost::Truncated], _) => "one unfinished request".into(),
        (0, 0, [], Some(Protocol::Http2)) => "not HTTP/1".into(),
        (1, 0, [Lost::RefusedByV1], _) => "first mirrored, second refused: not taken by v1".into(),
        (1, 0, [Lost::Malformed], _) => "first mirrored, second refused: malformed".into(),
        (1, 0, [], Some(Protocol::Upgraded)) => "first mirrored, rest not parsed".into(),
        (1, 0, [], Some(Protocol::Http1)) => "mirrored as one request".into(),
        (1, 1, [], Some(Protocol::Http1)) => "mirrored as two requests".into(),
        _ => format!("{said:?}"),
    }
}

#[test]
fn every_trick_ends_as_the_table_says() {
    let (tricks, rows) = (tricks(), rows());
    let names = |map: &BTreeMap<&'static str, _>| map.keys().copied().collect::<Vec<_>>();
    let tried: Vec<_> = tricks.keys().copied().collect();
    assert_eq!(tried, names(&rows), "a test a row, a row a test");
    let wrong: Vec<_> = tricks
        .iter()
        .map(|(name, stream)| (name, outcome(stream)))
        .filter(|(name, outcome)| rows[*name] != outcome)
        .map(|(name, outcome)| format!("{name}: {outcome}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
