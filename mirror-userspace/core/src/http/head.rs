//! A complete head to its parts: httparse for the lines, [`super::framing`] for the body.

use std::mem::MaybeUninit;

use arrayvec::ArrayVec;

use super::{
    Field, Head, Lost, Span, Version,
    framing::{self, After, Decision, Refusal},
    limits::FIELDS_ON_STACK,
    odd,
};

/// Where the field lines of a head are listed: on the stack, unless there are many.
#[derive(Default)]
pub(super) struct Fields {
    few: ArrayVec<Field, FIELDS_ON_STACK>,
    many: Vec<Field>,
}

impl Fields {
    fn listed(&self) -> &[Field] {
        if self.many.is_empty() {
            &self.few
        } else {
            &self.many
        }
    }
}

/// Parses a head of `lines` field lines that [`Scan`](super::scan::Scan) found the end of, and nothing odd
/// in. `fields` is where its field lines are listed.
///
/// Malformed: what RFC 9112 sections 3 and 5 do not allow, httparse being the judge of it, and
/// more than one Host. Ambiguous: see [`framing::decide`].
pub(super) fn parse<'a>(
    raw: &'a [u8],
    lines: usize,
    fields: &'a mut Fields,
) -> Result<(Head<'a>, After), Refusal> {
    #[cfg(test)]
    super::tests::work::done(raw.len());
    let mut parts = take_apart(raw, lines, fields);
    let line = || raw.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if matches!(parts, Err(None)) && !line().is_ascii() {
        // httparse wants targets in UTF-8. Other bytes stand for themselves, wherever they stand.
        let mut legible = raw.to_vec();
        let line = legible.iter_mut().take(line().len());
        line.filter(|byte| !byte.is_ascii())
            .for_each(|byte| *byte = b'x');
        parts = take_apart(&legible, lines, fields);
    }
    let parts = parts.map_err(|refusal| {
        let malformed = || odd::judge(raw, Lost::Malformed);
        refusal.unwrap_or_else(malformed)
    })?;
    let head = Head {
        raw,
        method: parts.method,
        target: parts.target,
        version: parts.version,
        fields: fields.listed(),
        framing: parts.decision.framing,
        upgrade: match parts.decision.after {
            After::Offer(upgrade) => Some(upgrade),
            _ => None,
        },
        persistent: parts.decision.persistent,
    };
    Ok((head, parts.decision.after))
}

/// What a head consists of, beside its fields.
struct Parts {
    method: Span,
    target: Span,
    version: Version,
    decision: Decision,
}

/// Takes a head apart, and lists its fields. `Err(None)`: the grammar does not allow it.
fn take_apart(raw: &[u8], lines: usize, fields: &mut Fields) -> Result<Parts, Option<Refusal>> {
    let mut few = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
    let mut many = Vec::new();
    let headers = if lines <= FIELDS_ON_STACK {
        &mut few[..]
    } else {
        many.resize_with(lines, MaybeUninit::uninit);
        &mut many[..]
    };
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(raw, headers) {
        Ok(httparse::Status::Complete(end)) if end == raw.len() => {}
        _ => return Err(None),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(None);
    };
    if !is_target(method, target.as_bytes()) {
        return Err(None);
    }
    let version = match minor {
        0 => Version::Http10,
        _ => Version::Http11,
    };
    let decision = framing::decide(
        method.as_bytes(),
        version,
        request
            .headers
            .iter()
            .map(|header| (header.name.as_bytes(), header.value)),
    )?;
    list(raw, request.headers, fields).ok_or(None)?;
    Ok(Parts {
        method: span(raw, method.as_bytes()).ok_or(None)?,
        target: span(raw, target.as_bytes()).ok_or(None)?,
        version,
        decision,
    })
}

/// Whether a request target has one of the four forms of RFC 9112 section 3.2. What it says beyond
/// that is for the server to judge.
fn is_target(method: &str, target: &[u8]) -> bool {
    match target {
        [b'/', ..] | b"*" => true,
        // Authority form: a host and a port.
        _ if method == "CONNECT" => true,
        // Absolute form: a scheme (RFC 3986 section 3.1) before everything else.
        [first, rest @ ..] => {
            let scheme = rest.split(|byte| *byte == b':').next().unwrap_or_default();
            let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
            first.is_ascii_alphabetic() && scheme.len() < rest.len() && scheme.iter().all(is_scheme)
        }
        [] => false,
    }
}

/// Writes down where the field lines stand: each reaches to where the next begins, the last to
/// the empty line.
fn list(raw: &[u8], headers: &[httparse::Header<'_>], fields: &mut Fields) -> Option<()> {
    fields.few.clear();
    if headers.len() <= FIELDS_ON_STACK {
        each(raw, headers, |field| fields.few.try_push(field).ok())
    } else {
        each(raw, headers, |field| {
            fields.many.push(field);
            Some(())
        })
    }
}

fn each(
    raw: &[u8],
    headers: &[httparse::Header<'_>],
    mut push: impl FnMut(Field) -> Option<()>,
) -> Option<()> {
    let mut names = headers
        .iter()
        .map(|header| span(raw, header.name.as_bytes()))
        .skip(1);
    let end = u32::try_from(raw.len()).ok()?.checked_sub(2)?;
    for header in headers {
        let name = span(raw, header.name.as_bytes())?;
        let line_end = match names.next() {
            Some(next) => next?.start,
            None => end,
        };
        push(Field {
            name,
            value: span(raw, header.value)?,
            line: Span {
                start: name.start,
                end: line_end,
            },
        })?;
    }
    Some(())
}

/// Where a part of `raw` stands in it.
fn span(raw: &[u8], part: &[u8]) -> Option<Span> {
    let start = part.as_ptr().addr().checked_sub(raw.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= raw.len()).then_some(Span {
        start: u32::try_from(start).ok()?,
        end: u32::try_from(end).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Framing;

    #[test]
    fn a_target_has_one_of_the_four_forms() {
        for target in ["/", "//x", "/%zz?", "*", "http://h/x", "urn:x", "h+1-.:"] {
            assert!(is_target("GET", target.as_bytes()), "{target}");
        }
        for target in [
            "",
            "x",
            "**",
            ".servlets/mms",
            "://h/",
            "1a://h/",
            "h/x:y",
            "?q",
            "#f",
        ] {
            assert!(!is_target("GET", target.as_bytes()), "{target}");
        }
        assert!(is_target("CONNECT", b"[::1]:443"));
    }

    fn refused(raw: &str) -> Lost {
        parse(raw.as_bytes(), 5, &mut Fields::default())
            .unwrap_err()
            .why
    }

    #[test]
    fn every_part_is_a_span_of_the_raw_head() {
        let raw = b"POST /a?b HTTP/1.1\r\nHost:h\r\nX-Empty:\r\nx-Spaced: \t two words \t\r\n\
            Content-Length: 7\r\n\xc3: \r\n\r\n";
        assert_eq!(
            parse(raw, 5, &mut Fields::default()).unwrap_err().why,
            Lost::Malformed,
            "a name is a token"
        );
        let raw = b"POST /a?b HTTP/1.1\r\nHost:h\r\nX-Empty:\r\nx-Spaced: \t two \xff words \t\r\n\
            Content-Length: 7\r\n\r\n";
        let mut fields = Fields::default();
        let (head, after) = parse(raw, 9, &mut fields).unwrap();
        assert_eq!(after, After::Request);
        assert_eq!(head.method(), b"POST");
        assert_eq!(head.target(), b"/a?b");
        assert_eq!(head.framing, Framing::Length(7));
        assert_eq!(head.fields.len(), 4);
        let part = |index: usize| {
            let field = head.fields[index];
            (
                head.bytes(field.name),
                head.bytes(field.value),
                head.bytes(field.line),
            )
        };
        assert_eq!(part(0), (&b"Host"[..], &b"h"[..], &b"Host:h\r\n"[..]));
        assert_eq!(part(1), (&b"X-Empty"[..], &b""[..], &b"X-Empty:\r\n"[..]));
        assert_eq!(part(2).1, b"two \xff words");
        assert_eq!(part(2).2, b"x-Spaced: \t two \xff words \t\r\n");
        assert_eq!(part(3).2, b"Content-Length: 7\r\n");
        assert_eq!(head.values("CONTENT-LENGTH").collect::<Vec<_>>(), [b"7"]);
    }

    #[test]
    fn the_lines_themselves_cover_the_head() {
        let raw = b"GET / HTTP/1.0\r\na: 1\r\nb:2\r\n\r\n";
        let mut fields = Fields::default();
        let (head, _) = parse(raw, 9, &mut fields).unwrap();
        let lines: Vec<u8> = head
            .fields
            .iter()
            .flat_map(|f| head.bytes(f.line))
            .copied()
            .collect();
        assert_eq!([b"GET / HTTP/1.0\r\n", &lines[..], b"\r\n"].concat(), raw);
    }

    #[test]
    fn what_the_grammar_forbids_is_malformed() {
        for raw in [
            "GET / HTTP/1.1\r\nName : v\r\n\r\n",
            "GET / HTTP/1.1\r\nName\t: v\r\n\r\n",
            "GET / HTTP/1.1\r\n: v\r\n\r\n",
            "GET / HTTP/1.1\r\nName\r\n\r\n",
            "GET / HTTP/1.1\r\nName: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nName: a\x0bb\r\n\r\n",
            "GET / HTTP/1.1\r\nName: a\x7fb\r\n\r\n",
            "GET / HTTP/1.1\r\nName: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nName: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nmore",
            "GET / HTTP/1.1\r\nA: b\r\n",
        ] {
            assert_eq!(refused(raw), Lost::Malformed, "{raw:?}");
        }
    }
}
