//! Another reader of whole heads, httparse with rules of its own, finds the same in them.

use httparse::{Header, ParserConfig, Response, Status};

use super::super::{ReplyBody, ReplyHead, StatedLength, parse, parse_whole};
use crate::{http::Version, random::Random};

const FIELDS: usize = 12;

const LINES: [&str; 24] = [
    "Content-Length: 5",
    "content-length:5,5 , 5",
    "Content-Length: 6",
    "Content-Length: 5 6",
    "Content-Length: -1",
    "Content-Length:",
    "Content-Length \t: 5",
    "Transfer-Encoding: chunked",
    "transfer-encoding: gzip, Chunked",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked, x",
    "Transfer-Encoding:",
    "Connection: close",
    "Connection: Keep-Alive, x",
    "Connection: x,Close",
    "Upgrade: h2c",
    "X-A:",
    "Server: \u{fc} v \t",
    " folded, 5",
    "\tchunked",
    " ,5",
    "  ",
    "no colon",
    ": no name",
];

/// What both readers find.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    status: u16,
    body: ReplyBody,
    length: StatedLength,
    close: bool,
    persistent: bool,
    len: usize,
}

impl From<ReplyHead> for Found {
    fn from(head: ReplyHead) -> Self {
        let doubtful = head.length == StatedLength::Doubtful;
        Self {
            status: head.status,
            // Nobody goes on behind a head whose lengths contradict each other.
            body: if doubtful {
                ReplyBody::Unknown
            } else {
                head.body
            },
            length: head.length,
            close: head.close,
            persistent: head.closes == Some(false),
            len: head.len.unwrap(),
        }
    }
}

/// `Err`: no reply; `Ok(None)`: not whole.
fn second(bytes: &[u8]) -> Result<Option<Found>, ()> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = Response::new(&mut fields);
    let parsed = ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response(&mut response, bytes);
    let Status::Complete(len) = parsed.map_err(|_| ())? else {
        return Ok(None);
    };
    let status = response.code.unwrap();
    if status < 100 {
        return Err(());
    }
    let of = |name: &'static str| members(response.headers, name);
    let lengths: Vec<_> = of("content-length").map(number).collect();
    let length = match lengths.as_slice() {
        [] => StatedLength::Unsaid,
        [Some(first), rest @ ..] if rest.iter().all(|length| *length == Some(*first)) => {
            StatedLength::Of(*first)
        }
        _ => StatedLength::Doubtful,
    };
    let coding = of("transfer-encoding").last();
    let body = match (length, coding) {
        (StatedLength::Doubtful, _) => ReplyBody::Unknown,
        _ if status < 200 || [204, 304].contains(&status) => ReplyBody::None,
        (_, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => ReplyBody::Chunked,
        (_, Some(_)) => ReplyBody::UntilClose,
        (StatedLength::Of(length), None) => ReplyBody::Length(length),
        (StatedLength::Unsaid, None) => ReplyBody::UntilClose,
    };
    let option = |wanted: &[u8]| of("connection").any(|option| option.eq_ignore_ascii_case(wanted));
    let close = option(b"close");
    Ok(Some(Found {
        status,
        body,
        length,
        close,
        persistent: !close && (response.version == Some(1) || option(b"keep-alive")),
        len,
    }))
}

fn members<'a>(headers: &'a [Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .flat_map(|header| header.value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    str::from_utf8(digits)
        .ok()?
        .parse::<i64>()
        .ok()?
        .try_into()
        .ok()
}

/// A head of a few lines, in which now and then a byte is another.
fn head(random: &mut Random) -> Vec<u8> {
    let status = random.pick(&[
        "200", "204", "304", "404", "100", "101", "199", "099", "999",
    ]);
    let (version, phrase) = (
        random.pick(&["1.0", "1.1"]),
        random.pick(&["", " ", " O K"]),
    );
    let mut text = format!("HTTP/{version} {status}{phrase}\r\n");
    for _ in 0..random.below(5) {
        text += random.pick(&LINES);
        text += random.pick(&["\r\n", "\r\n", "\r\n", "\n"]);
    }
    if random.one_in(50) {
        text += &"A: b\r\n".repeat(FIELDS - 2 + random.below(4));
    }
    text += random.pick(&["\r\n", "\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", ""]);
    let mut bytes = text.into_bytes();
    if random.one_in(3) {
        // Behind the version: later ones are none to the other reader.
        let at = 8 + random.below(bytes.len() - 8);
        bytes[at] = b" \t\r\n:,;5\0\x7f\xffaA"[random.below(13)];
    }
    bytes
}

/// The one difference: an option of `Connection` that is folded in its middle counts by its parts here.
fn folds_an_option(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let lines: Vec<_> = text.split('\n').collect();
    let mut option = false;
    lines.iter().any(|line| {
        let folded = line.starts_with([' ', '\t']);
        option = line.starts_with("connection") || option && folded;
        option && folded
    })
}

#[test]
fn two_readers_find_the_same_in_a_whole_head() {
    let seed = 20_261_129;
    let mut random = Random::new(seed);
    let (mut whole, mut refused) = (0, 0);
    for round in 0..20_000 {
        let bytes = head(&mut random);
        if folds_an_option(&bytes) {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        let ours = parse_whole(&bytes, FIELDS).map(|head| head.map(Found::from));
        let theirs = second(&bytes);
        match (&ours, &theirs) {
            (Ok(Some(_)), _) => whole += 1,
            (Err(_), _) => refused += 1,
            // A fault in a head may be noticed before it is whole, or only then.
            (Ok(None), Err(())) | (Ok(None), Ok(None)) => continue,
            (Ok(None), Ok(Some(_))) => {}
        }
        if ours.is_err() && theirs == Ok(None) {
            continue;
        }
        assert_eq!(
            ours.map_err(|_| ()),
            theirs,
            "seed {seed}, round {round}: {text:?}"
        );
    }
    assert!(whole > 2_000 && refused > 2_000, "{whole}, {refused}");
}

/// What is said of a cut head holds for the whole one, as far as it goes.
#[test]
fn a_cut_takes_nothing_back() {
    let seed = 20_261_130;
    let mut random = Random::new(seed);
    for round in 0..2_000 {
        let bytes = head(&mut random);
        let whole = parse(&bytes);
        for cut in 0..bytes.len() {
            let part = parse(bytes.get(..cut).unwrap());
            let (Ok(part), Ok(Some(whole))) = (part, whole) else {
                assert!(
                    whole.is_err() || part == Ok(None),
                    "round {round}, cut at {cut}"
                );
                continue;
            };
            let Some(part) = part else { continue };
            let context = format!("seed {seed}, round {round}, cut at {cut}: {part:?}, {whole:?}");
            assert_eq!(
                (part.status, part.version),
                (whole.status, whole.version),
                "{context}"
            );
            assert!(
                part.body == ReplyBody::Unknown || part.body == whole.body,
                "{context}"
            );
            assert!(
                part.closes.is_none() || part.closes == whole.closes,
                "{context}"
            );
            assert!(part.len.is_none() || part == whole, "{context}");
            assert!(
                whole.close >= part.close && whole.upgrade >= part.upgrade,
                "{context}"
            );
        }
    }
}

#[test]
fn a_later_minor_version_is_read_as_the_highest_known() {
    // RFC 9110 section 2.5.
    let head = parse_whole(b"HTTP/1.5 200 OK\r\n\r\n", FIELDS).unwrap();
    assert_eq!(head.unwrap().version, Version::Http11);
}
