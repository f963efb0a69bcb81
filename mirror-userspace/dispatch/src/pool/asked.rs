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

/// Fields by which requests may differ and yet be the same: who asks, how long it waits, and ids of requests and traces.
const IGNORED: [&str; 17] = [
    "b3",
    "correlation-id",
    "forwarded",
    "grpc-timeout",
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

/// Bytes that are hashed at once.
const BLOCK: usize = 512;

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
    let mut hash = Blocks::new(random.build_hasher());
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
                    hash.write_one(line);
                }
            }
            hash.write(rest);
        }
        Wire::Http2 { .. } => {
            let mut fields = FieldList::new(FIELDS);
            let decoded = Decoder::new(&Budget::new(0)).decode(head, &mut fields);
            decoded.ok().filter(|()| !fields.is_too_large())?;
            for field in fields.iter().filter(|field| !is_ignored(field.name)) {
                hash.write_one(field.name);
                hash.write_one(field.value);
            }
        }
    }
    for piece in body {
        hash.write(piece);
    }
    Some(hash.finish())
}

/// A hasher that is given the same blocks however the bytes are cut: a [`Hasher`] need not care for that, and a body is
/// cut as its segments came.
struct Blocks<H> {
    hash: H,
    block: [u8; BLOCK],
    filled: usize,
}

impl<H: Hasher> Blocks<H> {
    const fn new(hash: H) -> Self {
        Self {
            hash,
            block: [0; BLOCK],
            filled: 0,
        }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.block.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            if let Some(room) = room.get_mut(..now.len()) {
                room.copy_from_slice(now);
            }
            self.filled += now.len();
            if self.filled == BLOCK {
                self.hash.write(&self.block);
                self.filled = 0;
            }
            bytes = later;
        }
    }

    /// With its length, so that what follows is not taken for a part of it.
    fn write_one(&mut self, bytes: &[u8]) {
        self.write(&bytes.len().to_ne_bytes());
        self.write(bytes);
    }

    fn finish(mut self) -> u64 {
        self.hash
            .write(self.block.get(..self.filled).unwrap_or_default());
        self.hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_does_not_depend_on_how_bytes_are_cut() {
        let random = foldhash::quality::RandomState::default();
        let body: Vec<u8> = (0..=250).cycle().take(5 * BLOCK / 2).collect();
        let number = |bytes: &[u8], size| {
            let mut hash = Blocks::new(random.build_hasher());
            hash.write_one(b"POST / HTTP/1.1");
            bytes.chunks(size).for_each(|piece| hash.write(piece));
            hash.finish()
        };
        let whole = number(&body, body.len());
        for size in [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK] {
            assert_eq!(number(&body, size), whole, "{size}");
        }
        for place in [0, BLOCK, body.len() - 1] {
            let mut other = body.clone();
            other[place] ^= 1;
            assert_ne!(number(&other, body.len()), whole, "{place}");
        }
        assert_ne!(number(&body[1..], body.len()), whole);
    }
}
