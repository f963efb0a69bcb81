//! A request's head, whichever version of HTTP it came in.

use std::borrow::Cow;

use super::{Framing, Head, Upgrade, event, h2};

/// What a request says of itself, in either version. What is one version's own (raw bytes and framing, or
/// pseudo-headers and never-indexed marks) is in the variant.
#[derive(Clone, Copy, Debug)]
pub enum RequestHead<'a> {
    /// A head of HTTP/1 (RFC 9112).
    Http1(&'a Head<'a>),
    /// A head of HTTP/2 (RFC 9113).
    Http2(&'a h2::Head<'a>),
}

impl<'a> From<&'a Head<'_>> for RequestHead<'a> {
    fn from(head: &'a Head<'_>) -> Self {
        Self::Http1(head)
    }
}

impl<'a> From<&'a h2::Head<'_>> for RequestHead<'a> {
    fn from(head: &'a h2::Head<'_>) -> Self {
        Self::Http2(head)
    }
}

impl<'a> RequestHead<'a> {
    /// The request's method, as sent; methods are case-sensitive.
    #[must_use]
    #[inline]
    pub fn method(self) -> &'a [u8] {
        match self {
            Self::Http1(head) => head.method(),
            Self::Http2(head) => head.method,
        }
    }

    /// The request target (RFC 9112 section 3.2), or `:path`, which is a target in origin-form or `*`.
    #[must_use]
    #[inline]
    pub fn target(self) -> &'a [u8] {
        match self {
            Self::Http1(head) => head.target(),
            Self::Http2(head) => head.path,
        }
    }

    /// The values of all field lines of this name (ASCII case does not count), in order. In HTTP/2 `:authority` is
    /// the value of a `host` that is not there (RFC 9113 section 8.3.1), and a cookie may come in crumbs.
    #[inline]
    pub fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        match self {
            Self::Http1(head) => Values::Http1(head.lines_of(name)),
            Self::Http2(head) => Values::Http2(Named {
                fields: head.fields.iter(),
                name,
                otherwise: head.authority.filter(|_| name.eq_ignore_ascii_case("host")),
            }),
        }
    }

    /// Whether one of the values of this name is such a one. Each version has a loop of its own: over [`values`](Self::values)
    /// each field would cost a call.
    #[inline]
    pub fn any_value(self, name: &str, is: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Http1(head) => head.values(name).any(is),
            Self::Http2(head) if !name.eq_ignore_ascii_case("host") => {
                head.fields.values(name).any(is)
            }
            Self::Http2(_) => self.values(name).any(is),
        }
    }

    /// A cookie of HTTP/2 that came in crumbs, put together again (RFC 9113 section 8.2.3); `None` for any other name,
    /// and where there is nothing to put together.
    #[must_use]
    pub fn whole_cookie(self, name: &str) -> Option<Vec<u8>> {
        if !matches!(self, Self::Http2(_)) || !name.eq_ignore_ascii_case("cookie") {
            return None;
        }
        let mut crumbs = self.values(name);
        let mut whole = crumbs.next()?.to_vec();
        let alone = whole.len();
        for crumb in crumbs {
            whole.extend_from_slice(b"; ");
            whole.extend_from_slice(crumb);
        }
        (whole.len() > alone).then_some(whole)
    }

    /// The value of the first field line of this name; a cookie is whole.
    #[must_use]
    pub fn first_value(self, name: &str) -> Option<Cow<'a, [u8]>> {
        let whole = self.whole_cookie(name).map(Cow::Owned);
        whole.or_else(|| self.values(name).next().map(Cow::Borrowed))
    }

    /// The values of all field lines of this name as one (RFC 9110 section 5.3): with commas between them, or as a
    /// cookie.
    #[must_use]
    pub fn joined(self, name: &str) -> Option<Cow<'a, [u8]>> {
        if let Some(cookie) = self.whole_cookie(name) {
            return Some(cookie.into());
        }
        let mut values = self.values(name);
        let mut joined = Cow::from(values.next()?);
        for value in values {
            let joined = joined.to_mut();
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// What `Content-Length` says of the body, if that is what frames it.
    #[must_use]
    #[inline]
    pub const fn length(self) -> Option<u64> {
        match self {
            Self::Http1(head) => match head.framing {
                Framing::Length(length) => Some(length),
                Framing::None | Framing::Chunked => None,
            },
            Self::Http2(head) => head.length,
        }
    }

    /// What the request offers to leave its version for.
    #[must_use]
    #[inline]
    pub const fn upgrade(self) -> Option<Upgrade> {
        match self {
            Self::Http1(head) => head.upgrade,
            Self::Http2(_) => None,
        }
    }
}

/// What [`RequestHead::values`] gives.
enum Values<'a, 'n> {
    Http1(event::Values<'a, 'n>),
    Http2(Named<'a, 'n>),
}

struct Named<'a, 'n> {
    fields: h2::Fields<'a>,
    name: &'n str,
    /// The value if there is no such field.
    otherwise: Option<&'a [u8]>,
}

impl<'a> Iterator for Values<'a, '_> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Http1(values) => values.next(),
            Self::Http2(named) => {
                let name = named.name.as_bytes();
                let is_named = |field: &h2::Field<'_>| field.name.eq_ignore_ascii_case(name);
                let found = named.fields.find(is_named);
                let otherwise = named.otherwise.take();
                found.map(|field| field.value).or(otherwise)
            }
        }
    }
}
