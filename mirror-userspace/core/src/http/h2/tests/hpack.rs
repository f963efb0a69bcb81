//! The examples of RFC 7541 appendix C, what is refused, and what an attack costs.

use super::super::{FieldList, Refusal, hpack::Decoder};
use crate::{budget::Budget, http::tests::work, random::Random};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn lines(list: &FieldList) -> Vec<String> {
    let text = |bytes| str::from_utf8(bytes).unwrap();
    let lines = list.iter();
    lines
        .map(|field| format!("{}: {}", text(field.name), text(field.value)))
        .collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, Refusal> {
    let mut list = FieldList::new(1 << 16);
    decoder.decode(block, &mut list)?;
    Ok(lines(&list))
}

fn refused(hex: &str) -> Option<Refusal> {
    let mut decoder = Decoder::new(&Budget::new(1 << 20));
    decode(&mut decoder, &bytes(hex)).err()
}

const REQUESTS: [&[&str]; 3] = [
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

#[test]
fn requests_of_appendix_c3_and_c4_decode() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for wire in [plain, huffman] {
        let budget = Budget::new(1 << 20);
        let mut decoder = Decoder::new(&budget);
        for (block, expected) in wire.iter().zip(REQUESTS) {
            assert_eq!(decode(&mut decoder, &bytes(block)).unwrap(), expected);
        }
        assert_eq!(decoder.table_size(), 164, "appendix C.3.3");
        drop(decoder);
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn never_indexed_is_told_and_not_inserted() {
    let budget = Budget::new(1 << 20);
    let mut decoder = Decoder::new(&budget);
    let mut list = FieldList::new(1 << 16);
    // Appendix C.2.3, and C.2.2, which is only not indexed.
    let block =
        bytes("1008 7061 7373 776f 7264 0673 6563 7265 74 040c 2f73 616d 706c 652f 7061 7468");
    decoder.decode(&block, &mut list).unwrap();
    assert_eq!(lines(&list), ["password: secret", ":path: /sample/path"]);
    let marks: Vec<bool> = list.iter().map(|field| field.never_indexed).collect();
    assert_eq!(marks, [true, false]);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_is_no_header_block_is_refused() {
    let compression = [
        "80",                 // Index 0.
        "be",                 // An index past both tables.
        "ff",                 // An integer without an end.
        "ff ffff ffff ff01",  // An integer past 32 bits.
        "40 05 61",           // A string that is cut.
        "00 81 00 00",        // Huffman: padding of zeros.
        "00 82 1fff 00",      // Huffman: padding of a byte and more.
        "00 84 ffff ffff 00", // Huffman: EOS.
        "82 20",              // A size update behind a field.
    ];
    for block in compression {
        assert_eq!(refused(block), Some(Refusal::Compression), "{block}");
    }
    // 64 KiB is 31 + 65505, one more is too much.
    assert_eq!(refused("3f e1ff 03"), None);
    assert_eq!(refused("3f e2ff 03"), Some(Refusal::TableSize));
}

#[test]
fn a_table_past_the_budget_is_refused() {
    let mut decoder = Decoder::new(&Budget::new(40));
    let refused = decode(&mut decoder, &bytes("40 05 6161 6161 61 05 6262 6262 62"));
    assert_eq!(refused, Err(Refusal::Memory));
}

#[test]
fn the_table_stays_within_its_size() {
    let budget = Budget::new(1 << 20);
    let mut decoder = Decoder::new(&budget);
    for _ in 0..1000 {
        decode(&mut decoder, &bytes("40 05 6161 6161 61 05 6262 6262 62")).unwrap();
    }
    assert!(decoder.table_size() <= 4096, "{}", decoder.table_size());
    // Entries of 42 bytes, and what their places take.
    assert!(budget.peak() <= 4 * 4096, "{}", budget.peak());
    decode(&mut decoder, &bytes("20")).unwrap();
    assert_eq!(budget.used(), 0, "a size of 0 empties it");
}

/// One entry of almost 4 KiB, then an index of one byte, 16 000 times: 64 MB if it were copied.
#[test]
fn a_bomb_costs_no_more_than_its_bytes_and_the_limit() {
    let budget = Budget::new(1 << 20);
    let mut decoder = Decoder::new(&budget);
    let mut block = bytes("40 01 61 7f a11e");
    block.extend_from_slice(&[b'b'; 4000]);
    block.extend_from_slice(&[0xbe; 16_000]);
    let mut list = FieldList::new(1 << 14);
    let done = work::of(|| decoder.decode(&block, &mut list).unwrap());
    assert!(list.is_too_large());
    assert!(done <= 2 * block.len() + (1 << 14), "{done}");
    // The table has followed: the next block can still be read.
    decoder.decode(&[0xbe], &mut list).unwrap();
    assert!(!list.is_too_large());
    assert_eq!(list.iter().next().unwrap().value.len(), 4000);
    assert!(budget.peak() <= 2 * 4096);
}

/// A name of almost 64 KiB, then literals of two or three bytes that name it, of all kinds: 16 000 copies of it would
/// be 1 GB.
#[test]
fn literals_that_name_a_large_entry_cost_no_more_than_their_bytes() {
    let value_of_none = [0x7e, 0x00];
    let kinds: [&[u8]; 3] = [&value_of_none, &[0x0f, 0x2f, 0x00], &[0x1f, 0x2f, 0x00]];
    for literal in kinds {
        let budget = Budget::new(1 << 20);
        let mut decoder = Decoder::new(&budget);
        // A table of 64 KiB; a name of 127 + 0x1f4 * 128 + 1 bytes.
        let mut block = bytes("3f e1ff 03 40 7f 81f4 03");
        let name = 127 + 1 + 0x74 * 128 + 3 * 128 * 128;
        block.resize(block.len() + name, b'n');
        block.push(0);
        let entry = block.len();
        for _ in 0..16_000 {
            block.extend_from_slice(literal);
        }
        let mut list = FieldList::new(1 << 16);
        let done = work::of(|| decoder.decode(&block, &mut list).unwrap());
        assert!(list.is_too_large());
        assert_eq!(decoder.table_size(), name + 32, "one entry has room");
        assert!(done <= 2 * entry + (1 << 16) + 3 * 16_000, "{done}");
        assert!(budget.peak() <= 1 << 17, "{}", budget.peak());
    }
}

#[test]
fn an_entry_as_large_as_the_table_stays_and_a_larger_one_empties_it() {
    let mut decoder = Decoder::new(&Budget::new(1 << 20));
    // A table of 31 + 4 bytes, an entry of 32 + 3, then one of 32 + 4.
    decode(&mut decoder, &bytes("3f04 40 01 61 02 6262")).unwrap();
    assert_eq!(decoder.table_size(), 35);
    decode(&mut decoder, &bytes("40 01 61 03 626262")).unwrap();
    assert_eq!(decoder.table_size(), 0);
    assert_eq!(
        decode(&mut decoder, &bytes("be")),
        Err(Refusal::Compression)
    );
}

/// The same over many blocks, each of which inserts an entry under a name that the insertion itself evicts.
#[test]
fn a_name_outlives_its_entry() {
    let budget = Budget::new(1 << 20);
    let mut decoder = Decoder::new(&budget);
    let mut block = bytes("40 7f a10f");
    block.resize(block.len() + 2080, b'n');
    block.push(0);
    let mut list = FieldList::new(1 << 12);
    decoder.decode(&block, &mut list).unwrap();
    for _ in 0..1000 {
        decoder.decode(&[0x7e, 0x01, b'v'], &mut list).unwrap();
        assert_eq!(list.iter().next().unwrap().name, [b'n'; 2080]);
        assert_eq!(decoder.table_size(), 2080 + 1 + 32);
    }
    assert!(budget.peak() <= 4096, "{}", budget.peak());
}

/// Entries as small as they can be: as many as a table of 64 KiB has room for, and the memory for them.
#[test]
fn the_smallest_entries_reserve_what_they_take() {
    let budget = Budget::new(1 << 20);
    let mut decoder = Decoder::new(&budget);
    let mut block = bytes("3f e1ff 03");
    for _ in 0..10_000 {
        block.extend_from_slice(&[0x40, 0, 0]);
    }
    let mut list = FieldList::new(1 << 12);
    decoder.decode(&block, &mut list).unwrap();
    assert_eq!(decoder.table_size(), 64 * 1024);
    assert_eq!(budget.peak(), 2048 * (32 + 96));
    decoder.decode(&[0x20], &mut list).unwrap();
    assert_eq!(budget.used(), 0);
}

/// Random blocks (seeded) are decoded or refused, and never cost more memory than the table may.
#[test]
fn random_blocks_do_not_panic() {
    let mut random = Random::new(7541);
    for _ in 0..20_000 {
        let budget = Budget::new(1 << 20);
        let mut decoder = Decoder::new(&budget);
        let mut list = FieldList::new(1 << 14);
        let len = random.below(64);
        let block: Vec<u8> = (0..len).map(|_| random.bits().to_le_bytes()[0]).collect();
        let _ = decoder.decode(&block, &mut list);
        assert!(budget.peak() <= 4 * 64 * 1024);
    }
}
