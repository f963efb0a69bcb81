//! A host as `Host` has it: a name or an address, and maybe a port.

use std::{fmt, str::FromStr};

use super::{BadValue, parse_port};

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

/// Whether this is a registered name, and not an empty one.
pub(crate) fn is_reg_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_reg_name_byte)
}

/// The end of a host in `host[:port]`: brackets hold an IPv6 literal's colons.
pub(crate) fn host_end(authority: &[u8]) -> usize {
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
    /// The host with its port, as it was given.
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
            Some(port) if parse_port(port).is_none() => Err(refuse("has no valid port")),
            _ => Ok(Self(text.to_owned())),
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
}
