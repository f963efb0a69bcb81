//! Where a URL leads: a scheme, a host and a port.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::ACCEPTED;
use crate::value::{BadValue, parse_port};

/// The URL of a target: a scheme and where to connect to. The path of a copy is its request's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetUrl {
    /// The protocol to speak with the target.
    pub scheme: Scheme,
    /// The host to connect to: a name or an address.
    pub host: TargetHost,
    /// Its port (default 80 for http, 443 for https).
    pub port: u16,
}

/// The protocols that copies are sent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plaintext HTTP/1 over TCP (`http`).
    Http,
    /// HTTP/1 over TLS (`https`).
    Https,
}

impl Scheme {
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The host part of a target's URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetHost {
    /// A name to resolve, in lower case.
    Name(String),
    /// An IP address, which needs no resolving.
    Ip(IpAddr),
}

impl FromStr for TargetUrl {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse = |problem| BadValue::new(text, problem, ACCEPTED);
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refuse("has no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(refuse("has a scheme that copies are not sent by")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(refuse(
                "has a path; a copy keeps its own, see --rewrite-path",
            ));
        }
        if authority.contains('@') {
            return Err(refuse(
                "has user information; see --set-header Authorization",
            ));
        }
        let (host, port) = split_port(authority);
        let host = parse_host(host).ok_or_else(|| refuse("has no valid host"))?;
        let port = match port {
            None => scheme.default_port(),
            Some(port) => parse_port(port).ok_or_else(|| refuse("has no valid port"))?,
        };
        Ok(Self { scheme, host, port })
    }
}

/// Splits at the colon after the host; those within brackets are the address's own.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Reads a name or an address, an IPv6 address in brackets.
fn parse_host(text: &str) -> Option<TargetHost> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(literal) = bracketed {
        let address: Ipv6Addr = literal.parse().ok()?;
        return Some(TargetHost::Ip(address.into()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(TargetHost::Ip(address.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    // Resolvers read a name that ends in a number as an odd spelling of an IPv4 address
    // (`10.1` is 10.0.0.1): a typing error would send copies to a stranger.
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let ends_in_number = name.rsplit('.').next().is_some_and(numeric);
    let valid = name.len() <= 253 && !ends_in_number && name.split('.').all(is_label);
    valid.then(|| TargetHost::Name(text.to_ascii_lowercase()))
}

/// RFC 1035 section 2.3.4 lengths, with underscores as names in the wild have them.
fn is_label(label: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    matches!(label.len(), 1..=63) && label.bytes().all(in_name)
}

impl fmt::Display for TargetUrl {
    /// The normal form: lower case, without the default port. It reads back as the same target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl fmt::Display for TargetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_scheme_a_host_and_a_port() {
        use Scheme::{Http, Https};
        for (text, scheme, host, port, shown) in [
            ("http://v2", Http, "v2", 80, "http://v2"),
            ("http://v2/", Http, "v2", 80, "http://v2"),
            ("https://v2", Https, "v2", 443, "https://v2"),
            (
                "HTTPS://V2.Default.SVC:8443",
                Https,
                "v2.default.svc",
                8443,
                "https://v2.default.svc:8443",
            ),
            ("http://v2.:80", Http, "v2.", 80, "http://v2."),
            (
                "http://a_b-1:8080",
                Http,
                "a_b-1",
                8080,
                "http://a_b-1:8080",
            ),
            (
                "http://10.0.0.2:65535",
                Http,
                "10.0.0.2",
                65535,
                "http://10.0.0.2:65535",
            ),
            (
                "http://[FD00::0:1]",
                Http,
                "[fd00::1]",
                80,
                "http://[fd00::1]",
            ),
            (
                "https://[::1]:444/",
                Https,
                "[::1]",
                444,
                "https://[::1]:444",
            ),
        ] {
            let url: TargetUrl = text.parse().unwrap();
            let parts = (url.scheme, url.host.to_string(), url.port);
            assert_eq!(parts, (scheme, host.to_owned(), port), "{text}");
            assert_eq!(url.to_string(), shown);
            assert_eq!(shown.parse(), Ok(url), "what is shown reads back");
        }
    }

    #[test]
    fn urls_that_lead_nowhere_are_refused() {
        let long = format!("http://{}", "a.".repeat(127) + "a");
        for (bad, problem) in [
            ("", "has no scheme"),
            ("v2:80", "has no scheme"),
            ("http:/v2", "has no scheme"),
            ("ftp://v2", "has a scheme"),
            ("://v2", "has a scheme"),
            (" http://v2", "has a scheme"),
            ("http://v2/api", "has a path"),
            ("http://v2//", "has a path"),
            ("http://v2?x", "has a path"),
            ("http://v2#x", "has a path"),
            ("http://u:p@v2", "has user information"),
            ("http://", "has no valid host"),
            ("http://:80", "has no valid host"),
            ("http://v 2", "has no valid host"),
            ("http://v2 ", "has no valid host"),
            ("http://.v2", "has no valid host"),
            ("http://v2..", "has no valid host"),
            ("http://bücher", "has no valid host"),
            ("http://::1", "has no valid host"),
            ("http://[::1", "has no valid host"),
            ("http://[v2]", "has no valid host"),
            ("http://[::1]x", "has no valid host"),
            ("http://10.0.0", "has no valid host"),
            ("http://10.0.0.256", "has no valid host"),
            (&long, "has no valid host"),
            ("http://v2:", "has no valid port"),
            ("http://v2:0", "has no valid port"),
            ("http://v2:65536", "has no valid port"),
            ("http://v2:+80", "has no valid port"),
            ("http://v2:http", "has no valid port"),
        ] {
            let error = bad.parse::<TargetUrl>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("\"{bad}\" {problem}")),
                "{error}"
            );
            assert!(
                error.contains("accepted: http://HOST[:PORT] or https://"),
                "{error}"
            );
        }
    }
}
