//! The PROXY protocol, versions 1 and 2: what a balancer says of the client before its first request.
//!
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>. It belongs to the connection, not to any request,
//! so it is taken off and its client's address told. Only the first bytes of a connection are looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Section 2.1: the longest line of version 1, its CRLF included.
pub(super) const LONGEST_LINE: usize = 107;

/// What a header of version 2 begins with (section 2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Too few to tell.
    More,
    /// Not a PROXY header.
    Other,
    /// A header of so many bytes, and the client that it names, if it names one.
    Header(usize, Option<SocketAddr>),
}

/// Looks at all bytes of a connection so far.
pub(super) fn read(first: &[u8]) -> Start {
    match first {
        [] => Start::More,
        [b'P', ..] => read_line(first),
        [b'\r', ..] => read_binary(first),
        _ => Start::Other,
    }
}

/// Version 1: a line of text.
fn read_line(first: &[u8]) -> Start {
    const BEGIN: &[u8] = b"PROXY ";
    if !begins_alike(first, BEGIN) {
        return Start::Other;
    }
    let line = first.get(..LONGEST_LINE).unwrap_or(first);
    let Some(len) = line.iter().position(|byte| *byte == b'\n') else {
        return if first.len() < LONGEST_LINE {
            Start::More
        } else {
            Start::Other
        };
    };
    let text = line
        .get(BEGIN.len()..len)
        .and_then(|line| line.strip_suffix(b"\r"))
        .and_then(|line| std::str::from_utf8(line).ok());
    match text.and_then(client_of) {
        Some(client) => Start::Header(len + 1, client),
        None => Start::Other,
    }
}

/// Of `TCP4 SOURCE DESTINATION PORT PORT` and the like; `None` if it is nothing of the kind.
fn client_of(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse().map(IpAddr::V4).ok(),
            "TCP6" => word.parse().map(IpAddr::V6).ok(),
            _ => None,
        }
    };
    let (source, _) = (address()?, address()?);
    let mut port = || words.next()?.parse::<u16>().ok();
    let (source_port, _) = (port()?, port()?);
    words
        .next()
        .is_none()
        .then(|| Some(SocketAddr::new(source, source_port)))
}

/// Version 2: a fixed head, addresses, and fields that are skipped.
fn read_binary(first: &[u8]) -> Start {
    if !begins_alike(first, SIGNATURE) {
        return Start::Other;
    }
    let Some([version, family, a, b, rest @ ..]) = first.get(SIGNATURE.len()..) else {
        return Start::More;
    };
    let len = usize::from(u16::from_be_bytes([*a, *b]));
    if !matches!(version, 0x20 | 0x21) {
        return Start::Other;
    }
    let Some(body) = rest.get(..len) else {
        return Start::More;
    };
    let client = match (version, family >> 4, body) {
        // LOCAL: the balancer's own, a probe.
        (0x20, ..) => None,
        (_, 1, [a, b, c, d, _, _, _, _, port, p, ..]) => Some(SocketAddr::new(
            Ipv4Addr::new(*a, *b, *c, *d).into(),
            u16::from_be_bytes([*port, *p]),
        )),
        (_, 2, [..]) => v6(body),
        // Unix sockets, and families to come.
        _ => None,
    };
    Start::Header(SIGNATURE.len() + 4 + len, client)
}

fn v6(body: &[u8]) -> Option<SocketAddr> {
    let (addresses, _) = body.split_first_chunk::<36>()?;
    let (source, rest) = addresses.split_first_chunk::<16>()?;
    let port = rest.get(16..)?.first_chunk::<2>()?;
    Some(SocketAddr::new(
        Ipv6Addr::from(*source).into(),
        u16::from_be_bytes(*port),
    ))
}

/// Whether `first` begins with `known`, as far as it goes.
fn begins_alike(first: &[u8], known: &[u8]) -> bool {
    first.iter().zip(known).all(|(byte, other)| byte == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(version: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[version, family], &len, body].concat()
    }

    fn header(bytes: &[u8]) -> Option<SocketAddr> {
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Start::More, "cut at {cut}");
        }
        let followed = [bytes, b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&followed), read(bytes));
        match read(bytes) {
            Start::Header(len, client) if len == bytes.len() => client,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_versions_name_the_client() {
        let client = "203.0.113.7:51324".parse().ok();
        let line = b"PROXY TCP4 203.0.113.7 10.0.0.1 51324 80\r\n";
        assert_eq!(header(line), client);
        let line = b"PROXY TCP6 2001:db8::7 fd00::1 51324 80\r\n";
        assert_eq!(header(line), "[2001:db8::7]:51324".parse().ok());
        let four = [203, 0, 113, 7, 10, 0, 0, 1, 0xc8, 0x7c, 0, 80];
        assert_eq!(header(&v2(0x21, 0x11, &four)), client);
        // With type-length-value fields behind the addresses.
        let more = [&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        assert_eq!(header(&v2(0x21, 0x11, &more)), client);
        let source: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let six = [&source.octets()[..], &[0; 16], &[0xc8, 0x7c, 0, 80]].concat();
        assert_eq!(
            header(&v2(0x21, 0x21, &six)),
            "[2001:db8::7]:51324".parse().ok()
        );
    }

    #[test]
    fn a_header_need_not_name_a_client() {
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:: ffff:: 1 2\r\n"] {
            assert_eq!(header(line.as_bytes()), None);
        }
        for (version, family, body) in [
            (0x20, 0x00, &b""[..]),
            (0x20, 0x11, &[0; 12]),
            (0x21, 0x31, &[0; 216]),
            (0x21, 0x11, &[0; 3]),
            (0x21, 0x21, &[0; 35]),
        ] {
            assert_eq!(header(&v2(version, family, body)), None);
        }
    }

    #[test]
    fn other_bytes_are_other() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(120));
        for bytes in [
            "GET / HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\n",
            "PROPFIND / HTTP/1.1\r\n",
            "PROXY / HTTP/1.1\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 51324 80\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 51324 80 9\r\n",
            "PROXY TCP4 2001:db8::7 fd00::1 51324 80\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 99999 80\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n",
            "\n",
            &long,
        ] {
            assert_eq!(read(bytes.as_bytes()), Start::Other, "{bytes:?}");
        }
        assert_eq!(read(&v2(0x31, 0x11, &[0; 12])), Start::Other);
    }
}
