//! What of a request matters to a comparison: how it is called, and which others are the same.

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hasher},
};

use mirror_core::{
    budget::Budget,
    http::h2::{FieldList, hpack::Decoder, request_line},
    pipeline::{MirrorCopy, Rest, Wire},
};

/// Fields by which requests may differ and yet be the same: who asks, and ids of requests and traces.
const IGNORED: [&str; 16] = [
    "b3",
    "correlation-id",
    "forwarded",
    "request-id",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-amzn-trace-id",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-correlation-id",
    "x-forwarded-for",
    "x-real-ip",
    "x-request-id",
];

/// Bytes of a header block's fields that are looked at, by the measure of RFC 9113 section 6.5.2.
const FIELDS: usize = 64 << 10;

/// The method and the target of a copy, behind which more may follow.
pub(super) fn line(copy: &MirrorCopy) -> Cow<'_, [u8]> {
    let head = copy.pieces.first().map_or(&[][..], |piece| piece);
    match copy.wire {
        Wire::Http1 => Cow::Borrowed(head),
        Wire::Http2 { .. } => Cow::Owned(request_line(head)),
    }
}

/// The same number for the same requests: method, target, fields but those [`IGNORED`], body. `None` for one that is not
/// whole.
pub(super) fn same(copy: &MirrorCopy, random: &impl BuildHasher) -> Option<u64> {
    if copy.rest != Rest::Complete {
        return None;
    }
    let (head, body) = copy.pieces.split_first()?;
    let mut hash = random.build_hasher();
    let is_ignored = |name: &[u8]| {
        let mut ignored = IGNORED.iter();
        ignored.any(|it| name.eq_ignore_ascii_case(it.as_bytes()))
    };
    match &copy.wire {
        Wire::Http1 => {
            let end = memchr::memmem::find(head, b"\r\n\r\n")? + 4;
            let (lines, rest) = head.split_at_checked(end)?;
            for line in lines.split(|byte| *byte == b'\n') {
                let name = line.split(|byte| *byte == b':').next();
                if !is_ignored(name.unwrap_or_default()) {
                    write(&mut hash, line);
                }
            }
            hash.write(rest);
        }
        Wire::Http2 { .. } => {
            let mut fields = FieldList::new(FIELDS);
            let decoded = Decoder::new(&Budget::new(0)).decode(head, &mut fields);
            decoded.ok().filter(|()| !fields.is_too_large())?;
            for field in fields.iter().filter(|field| !is_ignored(field.name)) {
                write(&mut hash, field.name);
                write(&mut hash, field.value);
            }
        }
    }
    for piece in body {
        hash.write(piece);
    }
    Some(hash.finish())
}

fn write(hash: &mut impl Hasher, bytes: &[u8]) {
    hash.write_usize(bytes.len());
    hash.write(bytes);
}
