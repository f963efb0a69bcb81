//! The kinds of odd requests in `docs/VERDICTS.md`: what its last column but one says is what happens.
//!
//! The page is the table of this test: its rows have the bytes, and its other columns what servers made
//! of them, by which the rows are judged, too.

use mirror_core::http::{Lost, Protocol};

use crate::feed::{Connection, every_way, lost, protocols, short};

const PAGE: &str = include_str!("../../../docs/VERDICTS.md");

/// A row: some bytes in the template of their section, and what becomes of them.
struct Kind<'a> {
    section: &'a str,
    shown: &'a str,
    stream: Vec<u8>,
    servers: [&'a str; 3],
    ours: &'a str,
    why: &'a str,
}

/// The rows of the page, in order.
fn kinds() -> Vec<Kind<'static>> {
    let sections = PAGE.split("\n## ").skip(1);
    sections
        .flat_map(|section| {
            let title = section.lines().next().unwrap();
            let template = section.split("```").nth(1);
            let template = template.unwrap_or_else(|| panic!("{title}: no template"));
            let template = template.trim_start_matches("text").trim();
            let rows = section.lines().filter(|line| line.starts_with("| `"));
            rows.map(move |row| kind(title, template, row))
        })
        .collect()
}

fn kind<'a>(section: &'a str, template: &str, row: &'a str) -> Kind<'a> {
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    let [_, shown, nginx, go, node, ours, why, _] = cells[..] else {
        panic!("{section}: {row}")
    };
    let shown = shown.trim_matches('`');
    Kind {
        section,
        shown,
        stream: unescape(&template.replace("{}", shown)),
        servers: [nginx, go, node],
        ours,
        why,
    }
}

/// Bytes as the page writes them: `\r`, `\n`, `\t`, `\\`, `\xHH`, and ASCII.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("{}: {text}", char::from(other)),
            },
            byte => byte,
        });
    }
    bytes
}

/// What became of a stream, in the words of the page.
fn outcome(stream: &[u8]) -> String {
    let said = every_way(stream);
    let requests = short(&said);
    let after = |request: &&String| request.starts_with("GET /after");
    let taken = match (requests.len(), requests.iter().filter(after).count()) {
        (2, 1) => "both",
        (1, 0) => "first",
        (1, 1) => "second",
        (0, 0) => "neither",
        _ => return format!("{said:?}"),
    };
    let why = match (&lost(&said)[..], protocols(&said).last()) {
        ([], Some(Protocol::Http1)) => return taken.into(),
        ([], Some(Protocol::Upgraded)) => "not read on",
        ([], Some(_) | None) => "not HTTP/1",
        ([Lost::Ambiguous], _) => "ambiguous",
        ([Lost::Malformed], _) => "malformed",
        ([Lost::TooLarge], _) => "too large",
        ([Lost::Truncated], _) => "unfinished",
        ([Lost::RefusedByV1], _) => "not taken by v1",
        _ => return format!("{said:?}"),
    };
    format!("{taken}: {why}")
}

#[test]
fn every_kind_ends_as_the_page_says() {
    let kinds = kinds();
    let wrong: Vec<_> = kinds
        .iter()
        .map(|kind| (kind, outcome(&kind.stream)))
        .filter(|(kind, outcome)| kind.ours != outcome)
        .map(|(kind, outcome)| format!("{}: {}: {outcome}", kind.section, kind.shown))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(kinds.len(), 263, "a kind that is tried no more");
}

/// Whether a request is taken, in a word of the page: the first one, and the one behind it.
fn taken(word: &str) -> (bool, bool) {
    match word.split(':').next().unwrap() {
        "both" => (true, true),
        "first" => (true, false),
        "second" => (false, true),
        "neither" | "waits" => (false, false),
        other => panic!("{other}"),
    }
}

/// v2 gets no request that no server finds there, and whatever all of them take, or a rule says why not.
#[test]
fn every_kind_is_judged_by_what_servers_make_of_it() {
    for kind in kinds() {
        let place = format!("{}: {}", kind.section, kind.shown);
        let servers = kind.servers.map(taken);
        let ours = taken(kind.ours);
        let behind = servers.iter().any(|(_, second)| *second);
        assert!(!ours.1 || behind, "{place}: no server finds the second one");
        let less =
            |taken: fn((bool, bool)) -> bool| !taken(ours) && servers.iter().any(|one| taken(*one));
        let differs = kind.servers.iter().any(|one| *one != kind.servers[0]);
        let rule = kind.why.contains(|c: char| c.is_ascii_digit()) || kind.why.contains("as sent");
        let told = rule || !(differs || less(|one| one.0) || less(|one| one.1));
        assert!(told, "{place}: no rule is named");
    }
}

/// A byte more anywhere in a field that frames: no reader may find a request in the body that it frames.
#[test]
fn no_byte_anywhere_in_a_framing_field_makes_a_request_of_a_body() {
    let hidden = "GET /after HTTP/1.1\r\nHost: a\r\n\r\n";
    let body = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    let length = format!("Content-Length: {}", body.len());
    for field in ["Transfer-Encoding: chunked", &length] {
        for (at, byte) in (0..=field.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte)))
        {
            let mut line = field.as_bytes().to_vec();
            line.insert(at, byte);
            let head = b"POST /m HTTP/1.1\r\nHost: a\r\nX: y\r\n";
            let stream = [&head[..], &line, b"\r\n\r\n", body.as_bytes()].concat();
            let said = Connection::from_start().segment(&stream, 1).close();
            let taken = short(&said);
            let place = format!("{byte:#x} at {at} of {field}: {said:?}");
            let expected = match reading(field, at, byte) {
                Reading::Same => taken.len() == 1 && taken[0].starts_with("POST /m 20"),
                Reading::OtherName => taken == ["POST /m"],
                Reading::Doubt => taken.is_empty(),
            };
            assert!(expected, "{place}");
        }
    }
}

enum Reading {
    /// White space around the value, or a leading zero: the body is framed as before.
    Same,
    /// The field has another name to all readers, and there is no body.
    OtherName,
    Doubt,
}

fn reading(field: &str, at: usize, byte: u8) -> Reading {
    let colon = field.find(':').unwrap();
    let value = colon + 2;
    let around = at == colon + 1 || at == value || at == field.len();
    let zero = byte == b'0' && at == value && field.starts_with("Content-Length");
    let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if matches!(byte, b' ' | b'\t') && around || zero {
        Reading::Same
    } else if at <= colon && token || (1..colon).contains(&at) && byte == b':' {
        Reading::OtherName
    } else {
        Reading::Doubt
    }
}
