//! Binary metadata of gRPC: fields whose names end with `-bin`.
//!
//! As a rule their values are base64. Where both ends have said that they like it (gRFC G1, setting 0xfe03), a value is a
//! byte of 0 and then the bytes themselves, which RFC 9113 section 8.2.1 calls malformed: so do all implementations on
//! the C core among each other. Whoever is to read a copy has said nothing, and gets base64.

use super::Field;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Whether a field's value stands for its bytes, if it is one of gRPC.
pub(super) fn is_binary(field: &Field<'_>) -> bool {
    field.value.first() == Some(&0) && field.name.ends_with(b"-bin")
}

impl Field<'_> {
    /// The value as base64 without padding, if it is binary metadata of gRPC as it is not sent to everybody.
    #[must_use]
    pub fn as_text(&self) -> Option<Vec<u8>> {
        let (_, bytes) = self.value.split_first().filter(|_| is_binary(self))?;
        let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
        for group in bytes.chunks(3) {
            let mut bits = 0_u32;
            for place in 0..3 {
                bits = bits << 8 | u32::from(group.get(place).copied().unwrap_or_default());
            }
            for place in 0..=group.len() {
                let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
                text.extend(DIGITS.get(digit));
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_are_base64_without_padding() {
        let text = |name: &str, value: &[u8]| {
            let field = Field {
                name: name.as_bytes(),
                value,
                never_indexed: false,
            };
            field.as_text().map(|text| String::from_utf8(text).unwrap())
        };
        // RFC 4648 section 10.
        for (value, expected) in [
            (&b"\0"[..], ""),
            (b"\0f", "Zg"),
            (b"\0fo", "Zm8"),
            (b"\0foo", "Zm9v"),
            (b"\0foob", "Zm9vYg"),
            (b"\0fooba", "Zm9vYmE"),
            (b"\0foobar", "Zm9vYmFy"),
            (b"\0\xff\xfe\0\r\n", "//4ADQo"),
        ] {
            assert_eq!(text("x-bin", value).as_deref(), Some(expected));
        }
        assert_eq!(text("x-bin", b"Zm9v"), None);
        assert_eq!(text("x-bi", b"\0"), None);
        assert_eq!(text("x-bin", b""), None);
    }
}
