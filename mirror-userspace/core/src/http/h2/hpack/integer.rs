//! Integers with a prefix (RFC 7541 section 5.1).

use super::super::Refusal;

/// Reads an integer whose first byte is `first`, with a prefix of `bits` bits; what follows is taken off `bytes`.
///
/// # Errors
/// [`Refusal::Compression`] if it does not end within the bytes, takes more than five of them or exceeds 32 bits: no
/// length or index that is in use comes near.
pub(super) fn read(first: u8, bits: u32, bytes: &mut &[u8]) -> Result<usize, Refusal> {
    let mask = (1_u32 << bits) - 1;
    let mut value = u32::from(first) & mask;
    if value == mask {
        let mut shift = 0;
        loop {
            let (byte, rest) = bytes.split_first().ok_or(Refusal::Compression)?;
            *bytes = rest;
            let part = u64::from(byte & 0x7f) << shift;
            let sum = u64::from(value) + part;
            value = u32::try_from(sum).map_err(|_| Refusal::Compression)?;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return Err(Refusal::Compression);
            }
        }
    }
    usize::try_from(value).map_err(|_| Refusal::Compression)
}
