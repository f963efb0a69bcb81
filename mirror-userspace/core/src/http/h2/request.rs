//! What a well-formed request is (RFC 9113 sections 8.2, 8.3 and 8.5).

use super::{Field, FieldList, Head, Loss, binary::is_binary};
use crate::http::grammar::{are_value_bytes, is_lower_tchar, is_tchar};

/// The fields that say how a request is to be read.
#[derive(Default)]
struct Control<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
}

/// Checks the list that opened a stream.
///
/// # Errors
/// [`Loss::Malformed`], and [`Loss::Connect`] for a well-formed CONNECT.
pub(super) fn check(stream: u32, ends: bool, fields: &FieldList) -> Result<Head<'_>, Loss> {
    let control = control(fields).ok_or(Loss::Malformed)?;
    let method = control.method.filter(|method| is_token(method));
    let method = method.ok_or(Loss::Malformed)?;
    if method == b"CONNECT" && control.protocol.is_none() {
        // Section 8.5: the authority only.
        let good = control.scheme.is_none()
            && control.path.is_none()
            && control.authority.is_some_and(is_authority);
        return Err(if good { Loss::Connect } else { Loss::Malformed });
    }
    let (Some(scheme), Some(path)) = (control.scheme, control.path) else {
        return Err(Loss::Malformed);
    };
    let length = control.length.map(decimal);
    let good = is_scheme(scheme)
        && is_path(path, scheme, method)
        && has_authority(&control, scheme)
        && length != Some(None);
    match (good, control.protocol) {
        (true, None) => {}
        // RFC 8441 section 4: extended CONNECT, and no other method.
        (true, Some(_)) if method == b"CONNECT" => return Err(Loss::Connect),
        _ => return Err(Loss::Malformed),
    }
    Ok(Head {
        stream,
        method,
        scheme,
        authority: control.authority,
        path,
        fields,
        ends,
        length: length.flatten(),
        is_grpc: control.kind.is_some_and(is_grpc),
    })
}

/// Whether the list may end a request: no pseudo-headers (section 8.1).
pub(super) fn are_trailers(fields: &FieldList) -> bool {
    fields
        .iter()
        .all(|field| is_regular(&field) && !field.name.starts_with(b":"))
}

/// The control data of a list whose fields are well-formed, each once at most, pseudo-headers first (section 8.3).
fn control(fields: &FieldList) -> Option<Control<'_>> {
    let mut control = Control::default();
    let (mut regular, mut binary) = (false, false);
    for field in fields.iter() {
        let place = if field.name.first() == Some(&b':') {
            match field.name {
                b":method" => &mut control.method,
                b":scheme" => &mut control.scheme,
                b":authority" => &mut control.authority,
                b":path" => &mut control.path,
                b":protocol" => &mut control.protocol,
                _ => return None,
            }
        } else {
            regular = true;
            let raw = is_binary(&field);
            binary |= raw;
            if !is_allowed(&field) || !(raw || is_value(field.value)) {
                return None;
            }
            // By their lengths first: most fields are none of these.
            match (field.name.len(), field.name) {
                (4, b"host") => &mut control.host,
                (14, b"content-length") => &mut control.length,
                (12, b"content-type") => {
                    control.kind = Some(field.value);
                    continue;
                }
                _ => continue,
            }
        };
        let misplaced = regular && field.name.starts_with(b":");
        if misplaced || !is_value(field.value) || place.replace(field.value).is_some() {
            return None;
        }
    }
    (!binary || control.kind.is_some_and(is_grpc)).then_some(control)
}

/// Whether what is of this media type is a call of gRPC, or the reply to one: `application/grpc`, perhaps with a suffix
/// as in `application/grpc+proto`, or with parameters (gRPC over HTTP/2, "Content-Type").
///
/// What else begins so is of another protocol: gRPC-Web has its status in the body.
#[must_use]
pub fn is_grpc(kind: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    kind.split_at_checked(GRPC.len())
        .is_some_and(|(name, rest)| {
            name.eq_ignore_ascii_case(GRPC)
                && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
        })
}

/// A field that is no pseudo-header (sections 8.2.1 and 8.2.2).
fn is_regular(field: &Field<'_>) -> bool {
    is_allowed(field) && is_value(field.value)
}

/// Whether a field may stand behind the pseudo-headers, as far as its name says.
fn is_allowed(field: &Field<'_>) -> bool {
    let named = !field.name.is_empty() && field.name.iter().all(|byte| is_lower_tchar(*byte));
    let allowed = match (field.name.len(), field.name) {
        (10, b"connection" | b"keep-alive")
        | (16, b"proxy-connection")
        | (17, b"transfer-encoding")
        | (7, b"upgrade") => false,
        (2, b"te") => field.value.eq_ignore_ascii_case(b"trailers"),
        _ => true,
    };
    named && allowed
}

/// Section 8.2.1, and the grammar of RFC 9110 section 5.5.
fn is_value(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !blank(value.first()) && !blank(value.last()) && are_value_bytes(value)
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_tchar(*byte))
}

/// RFC 3986 section 3.1.
fn is_scheme(scheme: &[u8]) -> bool {
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(rest)
}

/// Whether the scheme is one that section 8.3.1 has rules for.
const fn is_http(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
}

/// Section 8.3.1: not empty; of `http` and `https` it begins with a slash, or is the asterisk of OPTIONS.
fn is_path(path: &[u8], scheme: &[u8], method: &[u8]) -> bool {
    let absolute = path.starts_with(b"/") || (path == b"*" && method == b"OPTIONS");
    !path.is_empty() && !has_blanks(path) && (absolute || !is_http(scheme))
}

/// Section 8.3.1: `http` and `https` have one, in a field of its own or in `host`; the two don't differ.
fn has_authority(control: &Control<'_>, scheme: &[u8]) -> bool {
    match (control.authority, control.host) {
        (Some(authority), Some(host)) => {
            is_authority(authority) && authority.eq_ignore_ascii_case(host)
        }
        (Some(one), None) | (None, Some(one)) => is_authority(one),
        (None, None) => !is_http(scheme),
    }
}

/// Not empty, and without user information.
fn is_authority(text: &[u8]) -> bool {
    !text.is_empty() && !has_blanks(text) && !text.contains(&b'@')
}

fn has_blanks(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'))
}

/// A `content-length` of one number.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}
