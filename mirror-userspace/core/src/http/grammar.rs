//! The character classes of RFC 9110 section 5 that httparse does not lend out.

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
#[inline]
pub(crate) fn is_tchar(byte: u8) -> bool {
    // The length of the table leaves nothing to check.
    TCHARS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The same, without capital letters (RFC 9113 section 8.2.1).
#[inline]
pub(super) fn is_lower_tchar(byte: u8) -> bool {
    LOWER_TCHARS
        .get(usize::from(byte))
        .copied()
        .unwrap_or_default()
}

const TCHARS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7f {
        let (_, rest) = table.split_at_mut(byte as usize);
        if let Some(place) = rest.first_mut() {
            *place = byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
        }
        byte += 1;
    }
    table
};

const LOWER_TCHARS: [bool; 256] = {
    let mut table = TCHARS;
    let (_, rest) = table.split_at_mut(b'A' as usize);
    let (capitals, _) = rest.split_at_mut(26);
    let mut rest = capitals;
    while let Some((capital, more)) = rest.split_first_mut() {
        *capital = false;
        rest = more;
    }
    table
};

/// Whether a byte may stand in a field value, white space and obs-text included
/// (RFC 9110 section 5.5).
#[inline]
pub(super) const fn is_value_byte(byte: u8) -> bool {
    (byte == b'\t') | (byte >= b' ') & (byte != 0x7f)
}

/// Whether all bytes may stand in a field value. Most values have no control bytes, which eight bytes at once tell.
pub(super) fn are_value_bytes(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    let (eights, rest) = bytes.as_chunks();
    let controls = eights
        .iter()
        .chain(bytes.last_chunk())
        .fold(0, |found, eight| {
            let eight = u64::from_ne_bytes(*eight);
            let below_space = eight.wrapping_sub(ONES * 0x20) & !eight;
            let delete = eight ^ (ONES * 0x7f);
            found | below_space | (delete.wrapping_sub(ONES) & !delete)
        });
    // What is left is looked at with the last bytes before it, if there are any.
    let rest = bytes.last_chunk().map_or(rest, |_: &[u8; 8]| &[]);
    if controls & (ONES * 0x80) == 0 {
        rest.iter().all(|byte| is_value_byte(*byte))
    } else {
        bytes.iter().all(|byte| is_value_byte(*byte))
    }
}

/// The elements of a comma-separated list, without the white space around them
/// (RFC 9110 section 5.6.1). Empty elements are kept: some callers refuse them.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// RFC 9110 section 8.6: digits and nothing else. At most `i64::MAX`, since servers that count
/// with a sign take more for a negative length.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let length = value.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })?;
    (length <= i64::MAX.cast_unsigned()).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_at_once_are_judged_as_each_is() {
        for len in 0..20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    for beside in [b'x', 0x80, 0xff, b' ', b'\t'] {
                        let mut bytes = vec![beside; len];
                        bytes[at] = byte;
                        assert_eq!(are_value_bytes(&bytes), is_value_byte(byte), "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn lower_case_is_all_but_capitals() {
        for byte in 0..=u8::MAX {
            let expected = is_tchar(byte) && !byte.is_ascii_uppercase();
            assert_eq!(is_lower_tchar(byte), expected, "{byte}");
        }
    }
}
