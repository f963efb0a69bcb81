//! The request line of a copy, for people.

use crate::{
    budget::Budget,
    http::h2::{FieldList, hpack::Decoder},
    pipeline::Wire,
};

/// Longest line that is kept, in bytes.
const LONGEST: usize = 256;

/// Bytes of a header block's fields that are looked at, by the measure of RFC 9113 section 6.5.2.
const LOOKED_AT: usize = 4096;

/// How version 2 of the PROXY protocol begins.
const PROXY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// How version 1 of it begins. Its first word alone may be a request's method.
const VERSION_1: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];

/// The request line in the first bytes of a copy, at most 256 bytes of it: its method, path and version. In HTTP/2
/// they are put together from the header block, as far as that is there. What is no printable ASCII becomes `?`.
#[must_use]
pub fn request_line(wire: &Wire, head: &[u8]) -> Option<Box<str>> {
    let line = match wire {
        Wire::Http1 => {
            let head = behind_proxy(head);
            let end = head.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            head.get(..end.unwrap_or(head.len()))?.to_vec()
        }
        Wire::Http2 { .. } => of_block(head)?,
    };
    let line = line.get(..LONGEST).unwrap_or(&line);
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    (!line.is_empty()).then(|| line.iter().map(shown).collect::<String>().into())
}

/// What follows the header of the PROXY protocol, if there is one.
fn behind_proxy(head: &[u8]) -> &[u8] {
    if VERSION_1.iter().any(|begins| head.starts_with(begins)) {
        let end = head.iter().position(|byte| *byte == b'\n');
        return end.and_then(|end| head.get(end + 1..)).unwrap_or_default();
    }
    match head.strip_prefix(PROXY) {
        Some([_, _, high, low, rest @ ..]) => {
            let len = u16::from_be_bytes([*high, *low]);
            rest.get(usize::from(len)..).unwrap_or_default()
        }
        _ => head,
    }
}

/// A block may have been cut: its pseudo-fields are the first (RFC 9113 section 8.3).
fn of_block(block: &[u8]) -> Option<Vec<u8>> {
    let mut list = FieldList::new(LOOKED_AT);
    let _cut = Decoder::new(&Budget::new(0)).decode(block, &mut list);
    let value = |name: &[u8]| {
        let field = list.iter().find(|field| field.name == name);
        field.map(|field| field.value)
    };
    let path = value(b":path").or_else(|| value(b":authority"))?;
    Some([value(b":method")?, b" ", path, b" HTTP/2"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(head: &[u8]) -> Option<String> {
        request_line(&Wire::Http1, head).map(Into::into)
    }

    #[test]
    fn it_is_the_first_line_without_what_a_terminal_would_obey() {
        assert_eq!(
            line(b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n").unwrap(),
            "GET /a HTTP/1.1"
        );
        assert_eq!(
            line(b"GET /\x1b[2J\xff HTTP/1.1\r\n").unwrap(),
            "GET /?[2J? HTTP/1.1"
        );
        assert_eq!(line(b"").as_deref(), None);
        assert_eq!(line(&[b'a'; 1000]).unwrap().len(), LONGEST);
    }

    #[test]
    fn a_proxy_header_is_no_part_of_it() {
        assert_eq!(
            line(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.0\r\n").unwrap(),
            "GET / HTTP/1.0"
        );
        let v2 = [PROXY, &[0x21, 0x11, 0, 3, 1, 2, 3], b"GET /b HTTP/1.1\r\n"].concat();
        assert_eq!(line(&v2).unwrap(), "GET /b HTTP/1.1");
        assert_eq!(line(b"PROXY TCP6 ::1").as_deref(), None);
        assert_eq!(
            line(b"PROXY UNKNOWN\r\nGET /c HTTP/1.1\r\n").unwrap(),
            "GET /c HTTP/1.1"
        );
        assert_eq!(
            line(b"PROXY /d HTTP/1.1\r\nAuthorization: secret\r\n").unwrap(),
            "PROXY /d HTTP/1.1",
            "a method"
        );
    }

    #[test]
    fn a_block_of_http2_says_it_even_if_its_end_is_cut_off() {
        let wire = Wire::Http2 { trailers: None };
        // POST, http, a literal path, and a literal field that is cut.
        let block = b"\x83\x86\x04\x02/a\x00\x05ab";
        assert_eq!(&*request_line(&wire, block).unwrap(), "POST /a HTTP/2");
        assert_eq!(request_line(&wire, &[0x82]), None, "no path");
        assert_eq!(request_line(&wire, &[0x80]), None);
    }
}
