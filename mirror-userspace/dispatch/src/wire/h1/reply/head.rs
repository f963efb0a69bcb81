//! A reply's head, and the framing that follows from it.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};
use memchr::memchr_iter;
use mirror_core::pipeline::Expect;

use super::{BadReply, Chunked, Framing, Reply};

/// Most field lines in a head.
const FIELDS: usize = 128;

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Another head follows (RFC 9110 section 15.2).
    Interim,
    /// This head is the reply's own.
    Final(Reply, Framing),
}

/// Parses the head that `bytes` start with; `None` if it is incomplete.
pub(super) fn parse(bytes: &[u8], expect: Expect) -> Result<Option<(Parsed, usize)>, BadReply> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let used = match parsed {
        Ok(Status::Complete(used)) => used,
        Ok(Status::Partial) => return Ok(None),
        Err(_) => return Err(BadReply),
    };
    let status = response.code.ok_or(BadReply)?;
    if (100..200).contains(&status) && status != 101 {
        return Ok(Some((Parsed::Interim, used)));
    }
    let http11 = response.version == Some(1);
    let (reply, framing) = judge(status, http11, response.headers, expect)?;
    Ok(Some((Parsed::Final(reply, framing), used)))
}

/// The framing (RFC 9112 section 6.3) and whether the connection persists (section 9.3).
fn judge(
    status: u16,
    http11: bool,
    fields: &[Header<'_>],
    expect: Expect,
) -> Result<(Reply, Framing), BadReply> {
    let mut close = false;
    let mut keep_alive = false;
    let mut length = None;
    let mut last_coding = None;
    for field in fields {
        let name = field.name;
        if name.eq_ignore_ascii_case("content-length") {
            for value in list(field.value) {
                let value = number(value)?;
                if length.replace(value).is_some_and(|before| before != value) {
                    return Err(BadReply);
                }
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            last_coding = list(field.value).last().or(last_coding);
        } else if name.eq_ignore_ascii_case("connection") {
            for option in list(field.value) {
                close |= option.eq_ignore_ascii_case(b"close");
                keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }
    let persistent = !close && (http11 || keep_alive);
    let reply = |reusable| Reply {
        status,
        reusable,
        closes: close,
    };
    // An upgrade or a CONNECT leaves HTTP with its reply, whatever that says.
    if expect == Expect::Tunnel || status == 101 {
        return Ok((reply(false), Framing::Length(0)));
    }
    // Rule 1.
    if expect == Expect::NoBody || matches!(status, 204 | 304) {
        return Ok((reply(persistent), Framing::Length(0)));
    }
    if let Some(coding) = last_coding {
        // Rules 3 and 4. Where a length or HTTP/1.0 casts doubt, the connection is not used again.
        return Ok(if coding.eq_ignore_ascii_case(b"chunked") {
            let doubted = length.is_some() || !http11;
            let framing = Framing::Chunked(Chunked::default());
            (reply(persistent && !doubted), framing)
        } else {
            (reply(false), Framing::UntilClose)
        });
    }
    // Rules 6 and 8.
    Ok(match length {
        Some(length) => (reply(persistent), Framing::Length(length)),
        None => (reply(false), Framing::UntilClose),
    })
}

/// The members of a comma-separated list, without the white space around them (RFC 9110 section 5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

fn number(digits: &[u8]) -> Result<u64, BadReply> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadReply);
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(BadReply)
}

/// The offset after the empty line that ends a head, if that line ends at or after `from`.
pub(super) fn end(head: &[u8], from: usize) -> Option<usize> {
    let searched = head.get(from..)?;
    memchr_iter(b'\n', searched).find_map(|at| {
        let after = searched.get(at + 1..)?;
        match after {
            [b'\n', ..] => Some(from + at + 2),
            [b'\r', b'\n', ..] => Some(from + at + 3),
            _ => None,
        }
    })
}
