//! The host of a mirrored request: `Host`, and the authority of a target in absolute form.

use std::{ops::Range, str::FromStr};

use super::splice::Splice;
use crate::value::{BadValue, Host, host_end, is_reg_name};

/// A suffix that is appended to the host, before its port: with `-shadow`, `web:80` becomes
/// `web-shadow:80`, as in Envoy. An IPv6 literal stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSuffix(String);

impl HostSuffix {
    /// The suffix, as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it goes in `host[:port]`, or `None` if it goes nowhere.
    fn place(authority: &[u8]) -> Option<usize> {
        let end = host_end(authority);
        (end > 0 && !authority.starts_with(b"[")).then_some(end)
    }
}

impl FromStr for HostSuffix {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if is_reg_name(text) {
            return Ok(Self(text.to_owned()));
        }
        let accepted = "letters, digits, dots and dashes, such as -shadow";
        Err(BadValue::new(text, "cannot be part of a host", accepted))
    }
}

/// How the host of mirrored requests is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostRewrite {
    /// The host stays as the client sent it.
    #[default]
    Keep,
    /// Every request gets this host.
    Set(Host),
    /// This suffix is appended to each request's host.
    Append(HostSuffix),
}

/// What happens to the host for one target.
pub(super) enum HostChange<'a> {
    Keep,
    Set(&'a str),
    Append(&'a str),
}

impl<'a> HostChange<'a> {
    pub(super) fn of(own: Option<&'a Host>, all: &'a HostRewrite) -> Self {
        match (own, all) {
            (Some(host), _) | (None, HostRewrite::Set(host)) => Self::Set(host.as_str()),
            (None, HostRewrite::Append(suffix)) => Self::Append(suffix.as_str()),
            (None, HostRewrite::Keep) => Self::Keep,
        }
    }

    /// Changes the `host[:port]` that stands at `range` of the head.
    pub(super) fn change_authority(
        &self,
        raw: &[u8],
        range: Range<usize>,
        splice: &mut Splice<'_, '_>,
    ) {
        match self {
            Self::Keep => {}
            Self::Set(host) => splice.replace(range, &[host.as_bytes()]),
            Self::Append(suffix) => {
                let authority = raw.get(range.clone()).unwrap_or_default();
                if let Some(place) = HostSuffix::place(authority) {
                    let place = range.start + place;
                    splice.replace(place..place, &[suffix.as_bytes()]);
                }
            }
        }
    }

    /// The new value of an authority that stands for itself, if it gets another one.
    pub(super) fn changed(&self, authority: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Keep => None,
            Self::Set(host) => Some(host.as_bytes().to_vec()),
            Self::Append(suffix) => {
                let place = HostSuffix::place(authority)?;
                let (host, port) = authority.split_at_checked(place)?;
                Some([host, suffix.as_bytes(), port].concat())
            }
        }
    }

    /// Both in `Host` and in the target.
    pub(super) fn growth(&self) -> usize {
        match self {
            Self::Keep => 0,
            Self::Set(text) | Self::Append(text) => 2 * (text.len() + b"host: \r\n".len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_goes_before_the_port() {
        for (host, place) in [
            ("web", Some(3)),
            ("web:80", Some(3)),
            ("10.0.0.1:80", Some(8)),
            ("[::1]:80", None),
            ("[::1]", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(HostSuffix::place(host.as_bytes()), place, "{host}");
        }
        for bad in ["", " ", ":80", "a b", "a\n", "/"] {
            assert!(bad.parse::<HostSuffix>().is_err(), "{bad:?}");
        }
        assert!("-shadow".parse::<HostSuffix>().is_ok());
    }
}
