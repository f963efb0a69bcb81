//! Field lists to header blocks that any connection can carry (RFC 7541).
//!
//! Nothing of a block depends on what was sent before: it refers to the static table only, inserts nothing, and says
//! nothing of table sizes. Strings are not Huffman-coded: that saves a third of their bytes, and costs more than they do.

use bytes::BytesMut;

use super::{super::Field, static_table::STATIC};

/// Bytes that a field takes at most beside its name and value.
pub const OVERHEAD: usize = 1 + 5 + 5;

/// Appends a field to a header block.
pub fn encode(field: Field<'_>, out: &mut BytesMut) {
    let index = static_name(field.name);
    if !field.never_indexed
        && let Some(index) = index.and_then(|first| static_field(first, field))
    {
        // Section 6.1: an indexed field.
        return integer(0x80, 7, index, out);
    }
    // Sections 6.2.3 (never indexed) and 6.2.2 (without indexing).
    let kind = if field.never_indexed { 0x10 } else { 0 };
    let named = index.unwrap_or_default();
    let short = |len: usize| u8::try_from(len).ok().filter(|len| *len < 0x7f);
    match (index, short(field.name.len()), short(field.value.len())) {
        // As most are: nothing is longer than its prefix.
        (None, Some(name), Some(value)) => {
            out.extend_from_slice(&[kind, name]);
            out.extend_from_slice(field.name);
            out.extend_from_slice(&[value]);
            out.extend_from_slice(field.value);
        }
        (Some(index), _, Some(value)) if index < 0x0f => {
            out.extend_from_slice(&[kind | u8::try_from(index).unwrap_or_default(), value]);
            out.extend_from_slice(field.value);
        }
        _ => {
            integer(kind, 4, named, out);
            if index.is_none() {
                string(field.name, out);
            }
            string(field.value, out);
        }
    }
}

/// The index of the static entry with this value, where `first` is the first one with its name.
fn static_field(first: usize, field: Field<'_>) -> Option<usize> {
    // Of the fields of requests, only these have values there.
    if !matches!(first, 2 | 4 | 6 | 16) {
        return None;
    }
    let entries = STATIC.get(first - 1..)?.iter();
    let mut named = entries.take_while(|(name, _)| name.as_bytes() == field.name);
    let at = named.position(|(_, value)| value.as_bytes() == field.value)?;
    Some(first + at)
}

/// The index of the first static entry with this name, of those that requests have.
const fn static_name(name: &[u8]) -> Option<usize> {
    Some(match name {
        b":authority" => 1,
        b":method" => 2,
        b":path" => 4,
        b":scheme" => 6,
        b"accept-charset" => 15,
        b"accept-encoding" => 16,
        b"accept-language" => 17,
        b"accept" => 19,
        b"authorization" => 23,
        b"cache-control" => 24,
        b"content-encoding" => 26,
        b"content-length" => 28,
        b"content-type" => 31,
        b"cookie" => 32,
        b"date" => 33,
        b"expect" => 35,
        b"from" => 37,
        b"host" => 38,
        b"if-match" => 39,
        b"if-modified-since" => 40,
        b"if-none-match" => 41,
        b"if-range" => 42,
        b"if-unmodified-since" => 43,
        b"link" => 45,
        b"max-forwards" => 47,
        b"proxy-authorization" => 49,
        b"range" => 50,
        b"referer" => 51,
        b"user-agent" => 58,
        b"via" => 60,
        _ => return None,
    })
}

/// Writes a string literal (RFC 7541 section 5.2).
fn string(text: &[u8], out: &mut BytesMut) {
    integer(0, 7, text.len(), out);
    out.extend_from_slice(text);
}

/// Section 5.1: an integer with a prefix of `bits` bits, in a byte that begins with `first`.
fn integer(first: u8, bits: u32, value: usize, out: &mut BytesMut) {
    let low = |value: usize| u8::try_from(value & 0x7f).unwrap_or_default();
    let most = (1_usize << bits) - 1;
    if value < most {
        return out.extend_from_slice(&[first | low(value)]);
    }
    out.extend_from_slice(&[first | low(most)]);
    let mut left = value - most;
    while left > 0x7f {
        out.extend_from_slice(&[0x80 | low(left)]);
        left >>= 7;
    }
    out.extend_from_slice(&[low(left)]);
}

#[cfg(test)]
mod tests {
    use super::{super::Decoder, *};
    use crate::{budget::Budget, http::h2::FieldList, random::Random};

    #[test]
    fn the_names_are_those_of_the_table() {
        for (place, (name, value)) in STATIC.iter().enumerate() {
            let first = STATIC.iter().position(|(other, _)| other == name).unwrap();
            let found = static_name(name.as_bytes());
            assert!(found.is_none_or(|found| found == first + 1), "{name}");
            // Replies' own names, and what no client has reason to send.
            assert!(found.is_some() || place > 6, "{name}");
            let first = matches!(first + 1, 2 | 4 | 6 | 8 | 16);
            assert!(first || value.is_empty(), "{name}");
        }
    }

    fn text(random: &mut Random, known: &str) -> Vec<u8> {
        let lens = [1, 126, 127, 128, 254, 255, 20_000];
        match random.below(3) {
            0 => known.as_bytes().to_vec(),
            1 => vec![b'x'; random.below(8)],
            _ => vec![u8::try_from(random.below(256)).unwrap(); lens[random.below(lens.len())]],
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_list_on_any_connection() {
        let mut random = Random::new(11);
        let mut decoder = Decoder::new(&Budget::new(0));
        let mut list = FieldList::new(1 << 20);
        for _ in 0..2_000 {
            let (mut block, mut most) = (BytesMut::new(), 0);
            let mut sent = Vec::new();
            for _ in 0..random.below(12) {
                let (name, value) = STATIC[random.below(STATIC.len())];
                let name = text(&mut random, name);
                let value = text(&mut random, value);
                let never_indexed = random.one_in(4);
                let field = Field {
                    name: &name,
                    value: &value,
                    never_indexed,
                };
                encode(field, &mut block);
                most += name.len() + value.len() + OVERHEAD;
                sent.push((name, value, never_indexed));
            }
            assert!(block.len() <= most);
            decoder.decode(&block, &mut list).unwrap();
            let found = list.iter().map(|field| {
                let (name, value) = (field.name.to_vec(), field.value.to_vec());
                (name, value, field.never_indexed)
            });
            assert!(found.eq(sent));
            assert_eq!(decoder.table_size(), 0, "nothing is inserted");
        }
    }
}
