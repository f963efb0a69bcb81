//! What the mirrored request says of its host: `Host` and the authority of an absolute-form target.

use std::{fmt, ops::Range, str::FromStr};

use super::{BadValue, splice::Splice};

/// Whether a byte may stand in a registered name (RFC 3986 section 3.2.2).
const fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

fn is_reg_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_reg_name_byte)
}

/// The end of a host in `host[:port]`: brackets hold an IPv6 literal's colons.
pub(super) fn host_end(authority: &[u8]) -> usize {
    let after_literal = memchr::memchr(b']', authority).unwrap_or(0);
    authority
        .get(after_literal..)
        .and_then(|rest| memchr::memchr(b':', rest))
        .map_or(authority.len(), |colon| after_literal + colon)
}

/// A value for `Host`: a name or an address, and maybe a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Host {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let accepted = "HOST or HOST:PORT, an IPv6 address in brackets";
        let refuse = |problem| BadValue::new(text, problem, accepted);
        let (host, port) = text
            .split_at_checked(host_end(text.as_bytes()))
            .unwrap_or((text, ""));
        let literal = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let valid = match literal {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_reg_name(host),
        };
        if !valid {
            return Err(refuse("is no host"));
        }
        match port.strip_prefix(':') {
            Some(port) if super::parse_port(port).is_none() => Err(refuse("has no valid port")),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// What is appended to the host, before its port: `web:80` becomes `web-shadow:80` with
/// `-shadow`, as Envoy does. An IPv6 literal stays, as nothing can be appended to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSuffix(String);

impl HostSuffix {
    /// The suffix.
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
    /// As the client sent it.
    #[default]
    Keep,
    /// To this one.
    Set(Host),
    /// By appending this.
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
    fn hosts_are_names_or_addresses_with_or_without_port() {
        for good in [
            "web",
            "web.default.svc:8080",
            "10.0.0.1:80",
            "[::1]",
            "[fd00::1]:443",
            "a_b",
        ] {
            assert_eq!(good.parse::<Host>().map(|host| host.0).as_deref(), Ok(good));
        }
        for bad in [
            "",
            " ",
            "a b",
            "web ",
            ":80",
            "web:",
            "web:0",
            "web:65536",
            "web:+1",
            "web:x",
            "a/b",
            "u@h",
            "::1",
            "[::1",
            "[::1]x",
            "[web]",
            "[]:1",
            "a\r\nX: y",
            "a\0",
            "bücher",
            "http://a",
        ] {
            assert!(bad.parse::<Host>().is_err(), "{bad:?}");
        }
    }

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
