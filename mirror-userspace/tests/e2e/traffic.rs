//! Requests for the tests to send.

use std::iter;

use mirror_core::random::Random;

/// A GET of this target.
pub(crate) fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: v1.test\r\nUser-Agent: tests\r\naccept:  */*\r\n\r\n")
        .into_bytes()
}

/// A POST with a body of `len` bytes of [`noise`].
pub(crate) fn post(target: &str, len: usize) -> Vec<u8> {
    let mut bytes = format!(
        "POST {target} HTTP/1.1\r\nHost: v1.test\r\nContent-Length: {len}\r\nX-Case: KePt\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(noise(len));
    bytes
}

/// Bytes without pattern, always the same.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    let words = iter::repeat_with(move || random.bits());
    words
        .take(len.div_ceil(8))
        .flat_map(u64::to_le_bytes)
        .take(len)
        .collect()
}
