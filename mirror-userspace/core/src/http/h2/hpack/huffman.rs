//! Huffman-coded strings (RFC 7541 section 5.2).
//!
//! The code of appendix B is canonical: codes of one length are consecutive and in the order of their
//! symbols, and each length goes on where the one before it ended. So the lengths alone are the table.

use super::super::Refusal;

/// The number of symbols, EOS (256) included.
const SYMBOLS: usize = 257;
/// The longest code, in bits.
const LONGEST: usize = 30;
/// The symbol that may only be padding.
const EOS: u16 = 256;

/// How many bits the code of each symbol has (RFC 7541 appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11,
    10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8,
    15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5,
    6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
    23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21,
    23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26,
    28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The codes of one length.
#[derive(Clone, Copy)]
struct Row {
    bits: u32,
    /// The first code, left-aligned in 32 bits.
    first: u64,
    /// The first code after them, left-aligned; 2^32 for the longest.
    end: u64,
    /// Where their symbols stand in [`SORTED`].
    at: usize,
}

static ROWS: [Row; LONGEST + 1] = rows();
static SORTED: [u16; SYMBOLS] = sorted();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler"
)]
const fn sorted() -> [u16; SYMBOLS] {
    let mut sorted = [0; SYMBOLS];
    let (mut at, mut bits) = (0, 0);
    while bits <= LONGEST {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == bits {
                sorted[at] = symbol as u16;
                at += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    sorted
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler"
)]
const fn rows() -> [Row; LONGEST + 1] {
    let none = Row {
        bits: 0,
        first: 0,
        end: 0,
        at: 0,
    };
    let mut rows = [none; LONGEST + 1];
    let (mut next, mut at, mut bits) = (0_u64, 0, 1);
    while bits <= LONGEST {
        let (mut count, mut symbol) = (0, 0);
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == bits {
                count += 1;
            }
            symbol += 1;
        }
        let end = next + ((count as u64) << (32 - bits));
        rows[bits] = Row {
            bits: bits as u32,
            first: next,
            end,
            at,
        };
        next = end;
        at += count;
        bits += 1;
    }
    rows
}

/// Appends the decoded string to `out`: at most 8/5 as long as `coded`.
///
/// # Errors
/// [`Refusal::Compression`] for EOS in the string, and for padding of more than 7 bits or not of ones.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let (mut window, mut have) = (0_u64, 0_u32);
    let mut coded = coded.iter();
    loop {
        while have <= 32 {
            let Some(byte) = coded.next() else { break };
            window |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        let top = window >> 32;
        let row = ROWS.iter().find(|row| top < row.end);
        let Some(row) = row.filter(|row| row.bits <= have) else {
            // What is left is shorter than any code that it could begin: padding, all ones.
            let ones = have == 0 || window >> (64 - have) == (1 << have) - 1;
            let padding = have < 8 && ones;
            return padding.then_some(()).ok_or(Refusal::Compression);
        };
        let offset = usize::try_from((top - row.first) >> (32 - row.bits));
        let symbol = offset.ok().and_then(|offset| SORTED.get(row.at + offset));
        match symbol {
            Some(&symbol) if symbol != EOS => out.push(u8::try_from(symbol).unwrap_or_default()),
            _ => return Err(Refusal::Compression),
        }
        window <<= row.bits;
        have -= row.bits;
    }
}
