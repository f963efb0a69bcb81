//! Where the authority and the path stand in a request target (RFC 9112 section 3.2).

use std::ops::Range;

use crate::http::RequestHead;

/// The parts of a request target, as ranges of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetParts {
    /// `host[:port]` of an absolute-form target, without user information.
    pub(super) authority: Option<Range<usize>>,
    /// User information of an absolute-form target, without the `@` behind it.
    pub(super) user: Option<Range<usize>>,
    /// The path, without the query. Empty where there is none.
    pub(super) path: Range<usize>,
}

impl TargetParts {
    /// Takes a target apart. Nothing is decoded or normalised: bytes are compared as sent.
    ///
    /// The path of asterisk-form (`OPTIONS *`) is `*`. CONNECT's authority-form has no path, and
    /// its authority is not one that a mirror may change.
    pub(super) fn of(target: &[u8]) -> Self {
        if matches!(target.first(), Some(b'/' | b'*')) {
            return Self {
                authority: None,
                user: None,
                path: 0..end_of_path(target, 0),
            };
        }
        let Some(start) = authority_start(target) else {
            return Self {
                authority: None,
                user: None,
                path: target.len()..target.len(),
            };
        };
        let end = end_of_authority(target, start);
        let host = target
            .get(start..end)
            .and_then(|authority| memchr::memrchr(b'@', authority))
            .map_or(start, |at| start + at + 1);
        Self {
            user: (host > start).then(|| start..host - 1),
            authority: Some(host..end),
            path: end..end_of_path(target, end),
        }
    }

    /// The parts of a request's target. `:path` has no authority, whatever it looks like: RFC 9113 section 8.3.1 has
    /// it elsewhere.
    pub(super) fn of_head(head: RequestHead<'_>) -> Self {
        let target = head.target();
        match head {
            RequestHead::Http1(_) => Self::of(target),
            RequestHead::Http2(_) => Self {
                authority: None,
                user: None,
                path: 0..end_of_path(target, 0),
            },
        }
    }

    /// The path of a target as patterns see it: an absolute-form target without one means `/`
    /// (RFC 9112 section 3.2.1).
    pub(super) fn path<'a>(&self, target: &'a [u8]) -> &'a [u8] {
        match target.get(self.path.clone()).unwrap_or_default() {
            [] if self.authority.is_some() => b"/",
            path => path,
        }
    }
}

/// The authority of an absolute-form target (RFC 9112 section 3.2.2), without user information;
/// `None` if it has another form.
pub fn authority(target: &[u8]) -> Option<&[u8]> {
    target.get(TargetParts::of(target).authority?)
}

/// Where the authority starts, if this is a URI with one: after `scheme://` (RFC 3986 section 3).
fn authority_start(target: &[u8]) -> Option<usize> {
    let colon = target
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte))
        .filter(|colon| *colon > 0)?;
    target
        .get(colon..)?
        .starts_with(b"://")
        .then_some(colon + 3)
}

/// Where the query or the fragment begins at or after `from`, or the end.
fn end_of_path(target: &[u8], from: usize) -> usize {
    let rest = target.get(from..).unwrap_or_default();
    memchr::memchr2(b'?', b'#', rest).map_or(target.len(), |at| from + at)
}

/// Where the path, the query or the fragment begins at or after `from`, or the end.
fn end_of_authority(target: &[u8], from: usize) -> usize {
    let rest = target.get(from..).unwrap_or_default();
    memchr::memchr3(b'/', b'?', b'#', rest).map_or(target.len(), |at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_parts() {
        let cases: [(&str, Option<&str>, &str); 14] = [
            ("/", None, "/"),
            ("/a/b?c=/d#e", None, "/a/b"),
            ("/a#b?c", None, "/a"),
            ("/http://x/y", None, "/http://x/y"),
            ("//x/y", None, "//x/y"),
            ("*", None, "*"),
            ("http://h:80/a?b", Some("h:80"), "/a"),
            ("http://h?b", Some("h"), "/"),
            ("HTTP://[::1]:80", Some("[::1]:80"), "/"),
            ("http://user:p@ss@h/a@b", Some("h"), "/a@b"),
            ("web+x://h/a", Some("h"), "/a"),
            ("h:443", None, ""),
            ("mailto:x", None, ""),
            ("", None, ""),
        ];
        for (target, authority, path) in cases {
            let parts = TargetParts::of(target.as_bytes());
            let found = parts.authority.clone().map(|range| &target[range]);
            assert_eq!(found, authority, "{target}");
            assert_eq!(parts.path(target.as_bytes()), path.as_bytes(), "{target}");
        }
    }

    #[test]
    fn an_authority_is_found_only_in_an_absolute_target() {
        for (target, expected) in [
            ("http://example.com/x", Some("example.com")),
            ("https://user:secret@[::1]:8443?q", Some("[::1]:8443")),
            ("http://example.com", Some("example.com")),
            ("/x?next=http://example.com/", None),
            ("example.com:443", None),
            ("*", None),
            ("://x", None),
        ] {
            let found = authority(target.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{target}");
        }
    }
}
