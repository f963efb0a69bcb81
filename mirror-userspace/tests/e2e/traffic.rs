//! Requests for the tests to send.

use std::iter;

/// A GET of this target.
pub fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: v1.test\r\nUser-Agent: tests\r\naccept:  */*\r\n\r\n")
        .into_bytes()
}

/// A POST with a body of `len` bytes of [`noise`].
pub fn post(target: &str, len: usize) -> Vec<u8> {
    let mut bytes = format!(
        "POST {target} HTTP/1.1\r\nHost: v1.test\r\nContent-Length: {len}\r\nX-Case: KePt\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(noise(len));
    bytes
}

/// Bytes without pattern, always the same (xorshift64).
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let words = iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words
        .take(len.div_ceil(8))
        .flat_map(u64::to_le_bytes)
        .take(len)
        .collect()
}
