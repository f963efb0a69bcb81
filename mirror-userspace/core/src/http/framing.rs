//! Where a request's body ends: RFC 9112 section 6.3, in its order.
//!
//! The mirror stands beside v1 and cannot ask it how it read a head. Wherever the RFC leaves a
//! choice, or servers are known to differ, the request is refused as ambiguous: sending nothing is
//! safe, sending bytes that v1 took for a body as a request is not. A refusal says where the refused
//! request ends, or where it ends at the latest, whoever reads it.

use super::{Framing, Lost, Upgrade, Version, grammar};

/// What follows a request on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another request may follow on the connection.
    Request,
    /// Another request may follow if v1 keeps the connection, which a server may (or must) close behind this
    /// one. `counted`: the loss of this one stands for what follows unproven, too.
    IfTaken { counted: bool },
    /// Nothing: the client sent the `close` option (RFC 9112 section 9.6).
    Close,
    /// What v1 makes of an offer to leave HTTP/1: another protocol, or another request.
    Offer(Upgrade),
}

impl After {
    /// The same, behind a request that v1 may not have taken.
    const fn if_taken(self) -> Self {
        match self {
            Self::Request | Self::IfTaken { .. } => Self::IfTaken { counted: true },
            Self::Close | Self::Offer(_) => self,
        }
    }
}

/// How a request is framed, and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) framing: Framing,
    pub(super) after: After,
    /// Whether the client wants to go on (RFC 9112 section 9.3).
    pub(super) persistent: bool,
}

/// A request that is not mirrored, and what is known of where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) why: Lost,
    pub(super) extent: Extent,
}

/// Where a refused request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// With the body that is framed like this, whoever reads it.
    Certain(Framing, After),
    /// Readers could differ: behind the ends of all these readings at the latest.
    Doubtful(Readings),
}

/// The ways in which a doubtful request may be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// The largest number that some reader may take for its length; `u64::MAX` if there is no telling.
    pub(super) length: u64,
    /// Whether some reader may take its body for chunked.
    pub(super) chunked: bool,
    /// Whether nothing follows it, however it is read.
    pub(super) last: bool,
}

impl Readings {
    /// Adds what may be read from a `Content-Length` with this value.
    pub(super) fn push_length(&mut self, value: &[u8]) {
        let length = grammar::length(value).unwrap_or_else(|| largest_number(value));
        self.length = self.length.max(length);
    }
}

/// A number no reader of these bytes can exceed: all digits in them, in hexadecimal.
fn largest_number(value: &[u8]) -> u64 {
    value
        .iter()
        .filter_map(|byte| char::from(*byte).to_digit(16))
        .try_fold(0_u64, |number, digit| {
            number.checked_mul(16)?.checked_add(u64::from(digit))
        })
        .unwrap_or(u64::MAX)
}

impl Refusal {
    /// The framing is certain, the request is unwanted.
    pub(super) const fn certain(why: Lost, decision: Decision) -> Self {
        let extent = Extent::Certain(decision.framing, decision.after.if_taken());
        Self { why, extent }
    }

    /// The framing is in doubt.
    pub(super) const fn doubtful(why: Lost, readings: Readings) -> Self {
        let extent = Extent::Doubtful(readings);
        Self { why, extent }
    }
}

/// The fields that framing depends on.
#[derive(Default)]
struct Relevant<'a> {
    transfer_encoding: Occurs<'a>,
    content_length: Occurs<'a>,
    upgrade: Occurs<'a>,
    hosts: usize,
    underscored: bool,
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
    fn of(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut found = Self::default();
        for (name, value) in fields {
            match name.len() {
                4 if name.eq_ignore_ascii_case(b"host") => found.hosts += 1,
                7 if name.eq_ignore_ascii_case(b"upgrade") => found.upgrade.push(value),
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
                14 if name.eq_ignore_ascii_case(b"content_length") => found.underscored = true,
                17 if name.eq_ignore_ascii_case(b"transfer_encoding") => found.underscored = true,
                _ => {}
            }
        }
        found
    }

    const fn is_persistent(&self, version: Version) -> bool {
        !self.connection_close && (matches!(version, Version::Http11) || self.connection_keep_alive)
    }

    /// What the request offers to go on with, if it does (RFC 9110 section 7.8). In HTTP/1.0 that is to be
    /// ignored; not every server does.
    fn offer(&self, method: &[u8]) -> Option<Upgrade> {
        if method == b"CONNECT" {
            return Some(Upgrade::Connect);
        }
        match self.upgrade {
            _ if !self.connection_upgrade => None,
            Occurs::Never => None,
            Occurs::Once(value) if value.eq_ignore_ascii_case(b"h2c") => Some(Upgrade::H2c),
            Occurs::Once(value) if value.eq_ignore_ascii_case(b"websocket") => {
                Some(Upgrade::WebSocket)
            }
            Occurs::Once(_) | Occurs::Again => Some(Upgrade::Other),
        }
    }
}

/// Decides how a request with these fields is framed.
///
/// Ambiguous: whatever two readers could take differently. Malformed: more than one Host.
pub(super) fn decide<'a>(
    method: &[u8],
    version: Version,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Result<Decision, Refusal> {
    let found = Relevant::of(fields.clone());
    let Some(framing) = body(method, version, &found) else {
        let mut readings = Readings {
            chunked: !matches!(found.transfer_encoding, Occurs::Never),
            last: method == b"CONNECT" || found.connection_close,
            length: 0,
        };
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"content-length") {
                readings.push_length(value);
            }
        }
        return Err(Refusal::doubtful(Lost::Ambiguous, readings));
    };
    let persistent = found.is_persistent(version);
    let after = match found.offer(method) {
        Some(offer) => After::Offer(offer),
        None if found.connection_close => After::Close,
        // RFC 9112 section 9.3: HTTP/1.0 without `keep-alive` does not persist; some servers let it.
        // Section 3.2: without Host the server must refuse it, and few read on then. v2 gets it as v1 does.
        None if !persistent || (found.hosts == 0 && version == Version::Http11) => {
            After::IfTaken { counted: false }
        }
        None => After::Request,
    };
    let decision = Decision {
        framing,
        after,
        persistent,
    };
    if found.hosts > 1 {
        // RFC 9112 section 3.2, as well.
        return Err(Refusal::certain(Lost::Malformed, decision));
    }
    if found.underscored {
        // Gateways that pass fields on as environment variables take `_` for `-`; they frame by the field
        // itself.
        return Err(Refusal::certain(Lost::Ambiguous, decision));
    }
    Ok(decision)
}

/// RFC 9112 section 6.3, or `None` where readers could differ.
fn body(method: &[u8], version: Version, found: &Relevant<'_>) -> Option<Framing> {
    let framing = match (&found.transfer_encoding, &found.content_length) {
        // Item 1 is about responses only.
        // Item 3: "ought to be handled as an error".
        (Occurs::Once(_) | Occurs::Again, Occurs::Once(_) | Occurs::Again) => return None,
        // 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing.
        (Occurs::Once(_) | Occurs::Again, Occurs::Never) if version == Version::Http10 => {
            return None;
        }
        // Item 4: chunked must come last; several lines are one list (RFC 9110 section 5.3),
        // but servers are known that look at the first or the last of them only.
        (Occurs::Once(codings), Occurs::Never) if ends_in_chunked(codings) => Framing::Chunked,
        (Occurs::Once(_) | Occurs::Again, Occurs::Never) => return None,
        // Item 5: an invalid length, or a list of them. Equal ones may be taken for one, but
        // need not be, so they are refused too.
        (Occurs::Never, Occurs::Again) => return None,
        // Item 6.
        (Occurs::Never, Occurs::Once(length)) => Framing::Length(grammar::length(length)?),
        // Item 7; item 8 is about responses only.
        (Occurs::Never, Occurs::Never) => Framing::None,
    };
    // Item 2: what follows CONNECT is a tunnel. RFC 9110 section 9.3.6: it has no content, so
    // that a length or a coding can only mislead.
    let misled = method == b"CONNECT" && !matches!(framing, Framing::None | Framing::Length(0));
    (!misled).then_some(framing)
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
