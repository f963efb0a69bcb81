//! Conditions on the parts of a request.

use std::{borrow::Cow, cell::OnceCell, fmt};

use super::TextMatch;
use crate::{
    http::RequestHead,
    policy::{FieldName, request_target::TargetParts, spelling},
};

/// Conditions that a request has to meet, all of them. Without conditions: every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestMatch {
    /// Conditions that must all be met; without any, every request matches.
    pub conditions: Vec<Condition>,
}

/// One condition on one part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The part of the request that is compared.
    pub part: Part,
    /// What the part is compared with.
    pub text: TextMatch,
    /// Whether the comparison must hold or must not.
    pub expected: Expectation,
}

/// Whether a comparison has to hold or must not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expectation {
    /// The part is there, and the comparison holds.
    #[default]
    Holds,
    /// The part is not there, or the comparison does not hold.
    Fails,
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The path of the target, without the query.
    Path,
    /// The same, whether as sent or as a server may take it: with percent-encoding decoded, slashes merged and
    /// dot segments removed. For what must not be mirrored.
    PathHoweverSpelled,
    /// The method, letter by letter.
    Method,
    /// `host[:port]`: of an absolute-form target, or else of `Host` (RFC 9112 section 3.2.2); in HTTP/2 `:authority`, or
    /// else `host`.
    Authority,
    /// The field lines of this name, their values joined by commas (RFC 9110 section 5.3).
    Field(FieldName),
    /// The first parameter of this name in the query; one without `=` is empty.
    Query(String),
}

impl RequestMatch {
    /// Whether there is no request that it does not hold for.
    #[must_use]
    pub fn holds_for_all(&self) -> bool {
        self.conditions.iter().all(|condition| {
            // A path of origin-form starts with a slash; that of `OPTIONS *` is left aside.
            matches!(condition.part, Part::Path | Part::PathHoweverSpelled)
                && condition.expected == Expectation::Holds
                && match &condition.text {
                    TextMatch::Prefix(text, _) => matches!(text.as_str(), "" | "/"),
                    TextMatch::PathPrefix(text) => text.is_empty(),
                    _ => false,
                }
        })
    }

    pub(super) fn holds(&self, parts: &RequestParts<'_>) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.holds(parts))
    }
}

impl Condition {
    fn holds(&self, parts: &RequestParts<'_>) -> bool {
        let value = parts.get(&self.part);
        let mut matches = value.is_some_and(|value| self.text.is_match(&value));
        if self.part == Part::PathHoweverSpelled {
            let others = || parts.other_paths().iter();
            matches = matches || others().any(|path| self.text.is_match(path));
        }
        matches == (self.expected == Expectation::Holds)
    }
}

/// A request, taken apart once for all conditions.
pub(super) struct RequestParts<'a> {
    head: RequestHead<'a>,
    path: &'a [u8],
    other_paths: OnceCell<Vec<Vec<u8>>>,
    query: &'a [u8],
    pub(super) authority: Option<&'a [u8]>,
}

impl<'a> RequestParts<'a> {
    pub(super) fn of(head: RequestHead<'a>) -> Self {
        let target = head.target();
        let parts = TargetParts::of_head(head);
        let after_path = target.get(parts.path.end..).unwrap_or_default();
        let query = after_path.strip_prefix(b"?").unwrap_or_default();
        let end = memchr::memchr(b'#', query).unwrap_or(query.len());
        let authority = parts.authority.clone().and_then(|range| target.get(range));
        Self {
            head,
            path: parts.path(target),
            other_paths: OnceCell::new(),
            query: query.get(..end).unwrap_or_default(),
            authority: authority.or_else(|| head.values("host").next()),
        }
    }

    /// What servers may take the path for.
    fn other_paths(&self) -> &[Vec<u8>] {
        self.other_paths.get_or_init(|| spelling::others(self.path))
    }

    fn get(&self, part: &Part) -> Option<Cow<'a, [u8]>> {
        match part {
            Part::Path | Part::PathHoweverSpelled => Some(self.path.into()),
            Part::Method => Some(self.head.method().into()),
            Part::Authority => self.authority.map(Cow::from),
            Part::Field(name) => self.head.joined(name.as_str()),
            Part::Query(name) => self.query.split(|byte| *byte == b'&').find_map(|pair| {
                let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
                let (key, value) = pair.split_at_checked(end)?;
                (key == name.as_bytes()).then(|| value.get(1..).unwrap_or_default().into())
            }),
        }
    }
}

impl fmt::Display for RequestMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.holds_for_all() {
            return f.write_str("every request");
        }
        for (number, condition) in self.conditions.iter().enumerate() {
            if number > 0 {
                f.write_str(" and ")?;
            }
            condition.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected {
            Expectation::Holds => write!(f, "{} {}", self.part, self.text),
            Expectation::Fails => write!(f, "not ({} {})", self.part, self.text),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("the path"),
            Self::PathHoweverSpelled => f.write_str("the path, however it is spelled,"),
            Self::Method => f.write_str("the method"),
            Self::Authority => f.write_str("the host"),
            Self::Field(name) => write!(f, "the header {name}"),
            Self::Query(name) => write!(f, "the query parameter {}", name.escape_debug()),
        }
    }
}
