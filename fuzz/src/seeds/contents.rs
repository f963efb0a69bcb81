//! Pairs of replies.

/// Bodies that are of the types and encodings of `contents`.
const BODIES: [&[u8]; 14] = [
    b"",
    b"plain text",
    br#"{"a":1,"b":[1,2,{"a":null}],"c":{"a":"x"}}"#,
    br#"{"c":{"a":"y"},"b":[2,1,{"a":true}],"a":1.05}"#,
    br#"{"a":1,"a":2,"":1e400,"\u0000":-0.0}"#,
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    // {} in gzip, a stored block; and its beginning.
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x02\0\xfd\xff{}C\xbf\xa6\xa3\x02\0\0\0",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x02\0",
    // A block as it is, of brotli (RFC 7932 section 9.2) and of zstd.
    b"\x8b\x01\x80{\"a\"\x03",
    b"\x28\xb5\x2f\xfd\x20\x04\x21\0\0[12]",
    // A window of 3.75 TiB.
    b"\x28\xb5\x2f\xfd\0\xff\x01\0\0",
    // Messages of gRPC, one that ends early, one that is compressed.
    b"\0\0\0\0\x03one\0\0\0\0\0\0\0\0\0\x03two",
    b"\0\0\0\0\x03one\0\xff\xff\xff\xff",
    b"\x01\0\0\0\x19\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x02\0\xfd\xff{}C\xbf\xa6\xa3\x02\0\0\0",
];

/// Each body beside the next ones, with each head.
pub(super) fn pairs() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (place, first) in BODIES.iter().enumerate() {
        for head in 0..12_u8 {
            let second = BODIES[(place + 1 + usize::from(head) % 3) % BODIES.len()];
            let mut seed = vec![head * 3, head << 4 | head, 1 + head];
            for body in [first, second] {
                seed.extend(u16::try_from(body.len()).unwrap_or(0).to_be_bytes());
                seed.extend_from_slice(body);
            }
            seed.extend_from_slice(b"x-a: 1\r\n x\r\nvary\r\n");
            seeds.push(seed);
        }
    }
    seeds
}
