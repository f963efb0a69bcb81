//! Where a request's body ends: RFC 9112 section 6.3, in its order.
//!
//! The mirror stands beside v1 and cannot ask it how it read a head. Wherever the RFC leaves a
//! choice, or servers are known to differ, the request is refused as ambiguous: sending nothing is
//! safe, sending bytes that v1 took for a body as a request is not.

use super::{Framing, Lost, Version, grammar};

/// What follows a request on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another request may follow on the connection.
    Request,
    /// Nothing: the client sent the `close` option (RFC 9112 section 9.6).
    Close,
    /// Something that is not HTTP/1.
    Upgraded,
}

/// How a request is framed, and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) framing: Framing,
    pub(super) after: After,
    /// Whether the client wants to go on (RFC 9112 section 9.3).
    pub(super) persistent: bool,
}

/// The fields that framing depends on.
#[derive(Default)]
struct Relevant<'a> {
    transfer_encoding: Occurs<'a>,
    content_length: Occurs<'a>,
    hosts: usize,
    upgrade: bool,
    connection_close: bool,
    connection_keep_alive: bool,
    connection_upgrade: bool,
}

/// How often a field that may stand once does stand.
#[derive(Default)]
enum Occurs<'a> {
    #[default]
    Never,
    Once(&'a [u8]),
    Again,
}

impl<'a> Occurs<'a> {
    fn push(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Never => Self::Once(value),
            Self::Once(_) | Self::Again => Self::Again,
        };
    }
}

impl<'a> Relevant<'a> {
    fn of(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<Self, Lost> {
        let mut found = Self::default();
        for (name, value) in fields {
            match name.len() {
                4 if name.eq_ignore_ascii_case(b"host") => found.hosts += 1,
                7 if name.eq_ignore_ascii_case(b"upgrade") => found.upgrade = true,
                10 if name.eq_ignore_ascii_case(b"connection") => {
                    for option in grammar::list(value) {
                        found.connection_close |= option.eq_ignore_ascii_case(b"close");
                        found.connection_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                        found.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                    }
                }
                14 if name.eq_ignore_ascii_case(b"content-length") => {
                    found.content_length.push(value);
                }
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                    found.transfer_encoding.push(value);
                }
                // Gateways that pass fields on as environment variables take `_` for `-`.
                14 if name.eq_ignore_ascii_case(b"content_length") => return Err(Lost::Ambiguous),
                17 if name.eq_ignore_ascii_case(b"transfer_encoding") => {
                    return Err(Lost::Ambiguous);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Decides how a request with these fields is framed.
///
/// Ambiguous: whatever two readers could take differently. Malformed: more than one Host.
pub(super) fn decide<'a>(
    method: &[u8],
    version: Version,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Decision, Lost> {
    let found = Relevant::of(fields)?;
    // RFC 9112 section 3.2. A missing Host is v1's to refuse, and v2's in the same way.
    if found.hosts > 1 {
        return Err(Lost::Malformed);
    }
    let framing = match (found.transfer_encoding, found.content_length) {
        // 6.3 item 1 is about responses only.
        // 6.3 item 3: "ought to be handled as an error".
        (Occurs::Once(_) | Occurs::Again, Occurs::Once(_) | Occurs::Again) => {
            return Err(Lost::Ambiguous);
        }
        // 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing.
        (Occurs::Once(_) | Occurs::Again, Occurs::Never) if version == Version::Http10 => {
            return Err(Lost::Ambiguous);
        }
        // 6.3 item 4: chunked must come last; several lines are one list (RFC 9110 section 5.3),
        // but servers are known that look at the first or the last of them only.
        (Occurs::Once(codings), Occurs::Never) if ends_in_chunked(codings) => Framing::Chunked,
        (Occurs::Once(_) | Occurs::Again, Occurs::Never) => return Err(Lost::Ambiguous),
        // 6.3 item 5: an invalid length, or a list of them. Equal ones may be taken for one, but
        // need not be, so they are refused too.
        (Occurs::Never, Occurs::Again) => return Err(Lost::Ambiguous),
        // 6.3 item 6.
        (Occurs::Never, Occurs::Once(length)) => {
            Framing::Length(grammar::length(length).ok_or(Lost::Ambiguous)?)
        }
        // 6.3 item 7; item 8 is about responses only.
        (Occurs::Never, Occurs::Never) => Framing::None,
    };
    // 6.3 item 2: what follows CONNECT is a tunnel. RFC 9110 section 9.3.6: it has no content, so
    // that a length or a coding can only mislead.
    let connect = method == b"CONNECT";
    if connect && !matches!(framing, Framing::None | Framing::Length(0)) {
        return Err(Lost::Ambiguous);
    }
    // RFC 9110 section 7.8. In HTTP/1.0 it is to be ignored; not every server does.
    let after = if connect || (found.upgrade && found.connection_upgrade) {
        After::Upgraded
    } else if found.connection_close {
        After::Close
    } else {
        After::Request
    };
    let persistent =
        !found.connection_close && (version == Version::Http11 || found.connection_keep_alive);
    Ok(Decision {
        framing,
        after,
        persistent,
    })
}

/// Registered codings, then `chunked` without parameters, and nothing else.
fn ends_in_chunked(codings: &[u8]) -> bool {
    const COMPRESSIONS: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];
    let mut chunked = false;
    for coding in grammar::list(codings) {
        // Anything after chunked, another chunked included, is one too many.
        let known = COMPRESSIONS
            .iter()
            .any(|name| coding.eq_ignore_ascii_case(name));
        if chunked {
            return false;
        }
        chunked = coding.eq_ignore_ascii_case(b"chunked");
        if !(known || chunked) {
            return false;
        }
    }
    chunked
}

#[cfg(test)]
mod tests;
