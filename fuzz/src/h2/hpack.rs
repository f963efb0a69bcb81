//! Header blocks, read by our decoder and by one that was written for another implementation.
//!
//! Where the two differ by intent:
//! - A table size update behind a field is refused by ours (RFC 7541 section 4.2), and a block of nothing else by the
//!   other one.
//! - An integer of five bytes and more, padded with zeros, is refused by the other one.

use bytes::BytesMut;
use loona_hpack::decoder::DecoderError;
use mirror_core::{
    budget::Budget,
    http::h2::{
        FieldList, Refusal,
        hpack::{self, Decoder, MAX_TABLE},
    },
};

use crate::input::Input;

type List = Vec<(Vec<u8>, Vec<u8>)>;

/// Blocks of one connection, each behind its length in two bytes.
pub(super) fn compare(data: &[u8]) {
    let budget = Budget::new(1 << 20);
    let mut ours = Decoder::new(&budget);
    let mut theirs = loona_hpack::Decoder::new();
    theirs.set_max_allowed_table_size(MAX_TABLE);
    let mut list = FieldList::new(1 << 24);
    let mut input = Input(data);
    while let Some(len) = input.u16() {
        let block = input.take(len.into());
        match (ours.decode(block, &mut list), theirs.decode(block)) {
            (Ok(()), Ok(expected)) => {
                assert_eq!(read(&list), expected);
                encode(&list, &expected);
            }
            (Ok(()), Err(DecoderError::SizeUpdateAtEnd)) => {
                assert_eq!(read(&list), List::new());
            }
            (Ok(()), Err(DecoderError::IntegerDecodingError(_))) => return,
            (Ok(()), Err(error)) => panic!("{} is refused: {error:?}", block.escape_ascii()),
            (Err(_), Err(_)) => return,
            (Err(why), Ok(_)) => {
                assert_eq!(why, Refusal::Compression);
                assert!(has_late_update(block), "{}", block.escape_ascii());
                return;
            }
        }
        assert!(ours.table_size() <= MAX_TABLE && budget.used() <= 4 * MAX_TABLE);
    }
}

/// What our encoder makes of a list is the same list to both, on any connection.
fn encode(list: &FieldList, expected: &List) {
    let mut block = BytesMut::new();
    for field in list {
        hpack::encode(field, &mut block);
    }
    let theirs = loona_hpack::Decoder::new().decode(&block);
    assert_eq!(theirs.ok().as_ref(), Some(expected));
    let mut again = FieldList::new(1 << 24);
    let decoded = Decoder::new(&Budget::new(0)).decode(&block, &mut again);
    assert!(decoded.is_ok() && again.iter().eq(list.iter()));
}

fn read(list: &FieldList) -> List {
    list.iter()
        .map(|field| (field.name.to_vec(), field.value.to_vec()))
        .collect()
}

/// Whether a table size update comes behind a field, in a block that can be read.
fn has_late_update(block: &[u8]) -> bool {
    let mut input = Input(block);
    let mut fields = 0;
    while let Some(first) = input.byte() {
        let strings = match first.leading_zeros() {
            0 => integer(first, 7, &mut input).map(|_| 0),
            1 => integer(first, 6, &mut input).map(|index| 1 + usize::from(index == 0)),
            2 if fields > 0 => return true,
            2 => {
                integer(first, 5, &mut input);
                continue;
            }
            _ => integer(first, 4, &mut input).map(|index| 1 + usize::from(index == 0)),
        };
        for _ in 0..strings.unwrap_or_default() {
            let len = input.byte().and_then(|first| integer(first, 7, &mut input));
            input.take(len.unwrap_or_default());
        }
        fields += 1;
    }
    false
}

fn integer(first: u8, bits: u32, input: &mut Input<'_>) -> Option<usize> {
    let mask = (1 << bits) - 1;
    let mut value = usize::from(first) & mask;
    let mut shift = 0;
    while value >= mask {
        let byte = input.byte()?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    Some(value)
}
