//! What a copy's header block asks for.

use super::{FieldList, hpack::Decoder};
use crate::budget::Budget;

/// Bytes of the block's fields that are looked at, by the measure of RFC 9113 section 6.5.2.
const LOOKED_AT: usize = 64 * 1024;

/// The method and the path of a header block that refers to no dynamic table, with a space between them, as an HTTP/1
/// request begins. Of a block that is none, or lacks one of them, the missing part is empty.
#[must_use]
pub fn request_line(block: &[u8]) -> Vec<u8> {
    let mut list = FieldList::new(LOOKED_AT);
    let decoded = Decoder::new(&Budget::new(0)).decode(block, &mut list);
    let value = |name: &[u8]| {
        let field = list.iter().find(|field| field.name == name);
        field.map_or(&[][..], |field| field.value)
    };
    match decoded {
        Ok(()) => [value(b":method"), b" ", value(b":path")].concat(),
        Err(_) => b" ".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_and_path_are_found_and_what_is_missing_is_empty() {
        // GET, scheme, /index.html of the static table; a literal path.
        assert_eq!(request_line(&[0x82, 0x86, 0x85]), b"GET /index.html");
        assert_eq!(request_line(b"\x83\x04\x02/a"), b"POST /a");
        assert_eq!(request_line(&[0x82]), b"GET ");
        assert_eq!(request_line(&[0x80]), b" ");
        assert_eq!(request_line(b""), b" ");
    }
}
