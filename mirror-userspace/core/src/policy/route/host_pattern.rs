//! The hosts of a route: names, and names below a domain.

use std::{fmt, str::FromStr};

use crate::value::{BadValue, host_end};

/// A host name, or `*.` and a domain, which stands for all names below it; ASCII case and the port
/// do not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This name or address, in lower case.
    Exact(String),
    /// What ends so, in lower case, with the dot: `.example.com`.
    Below(String),
}

impl HostPattern {
    /// Whether `host[:port]` is meant.
    pub(super) fn is_match(&self, authority: &[u8]) -> bool {
        let host = authority.get(..host_end(authority)).unwrap_or(authority);
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()),
            Self::Below(suffix) => host
                .len()
                .checked_sub(suffix.len())
                .filter(|start| *start > 0)
                .and_then(|start| host.get(start..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes())),
        }
    }
}

impl FromStr for HostPattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let accepted = "a host name, or *. and a domain";
        let (below, name) = match text.strip_prefix('*') {
            Some(suffix) => (true, suffix.strip_prefix('.').unwrap_or("")),
            None => (false, text),
        };
        let is_label = |label: &str| {
            let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !label.is_empty() && label.bytes().all(in_name)
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            return Err(BadValue::new(text, "is no host name", accepted));
        }
        let name = name.to_ascii_lowercase();
        Ok(if below {
            Self::Below(format!(".{name}"))
        } else {
            Self::Exact(name)
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}
