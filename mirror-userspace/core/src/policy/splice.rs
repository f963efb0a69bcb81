//! Copies a head with changes, in one pass: what is not changed is copied as it stands.

use std::ops::Range;

use bytes::BytesMut;

use crate::http::{Field, Head};

/// A head on its way into a buffer. Changes are made in the order of their places.
pub(super) struct Splice<'a, 'o> {
    head: Head<'a>,
    copied: usize,
    out: &'o mut BytesMut,
}

impl<'a, 'o> Splice<'a, 'o> {
    pub(super) fn new(head: &Head<'a>, out: &'o mut BytesMut) -> Self {
        Self {
            head: *head,
            copied: 0,
            out,
        }
    }

    /// Copies everything before `place`.
    fn copy_to(&mut self, place: usize) {
        let unchanged = self.head.raw.get(self.copied..place).unwrap_or_default();
        self.out.extend_from_slice(unchanged);
        self.copied = self.copied.max(place);
    }

    /// Copies everything before the range and writes these pieces instead of it.
    pub(super) fn replace(&mut self, range: Range<usize>, pieces: &[&[u8]]) {
        self.copy_to(range.start);
        for piece in pieces {
            self.out.extend_from_slice(piece);
        }
        self.copied = self.copied.max(range.end);
    }

    /// Leaves a field line out.
    pub(super) fn remove(&mut self, field: &Field) {
        self.replace(field.line.range(), &[]);
    }

    /// Gives a field line another value; the name stays as sent.
    pub(super) fn set_value(&mut self, field: &Field, value: &[&[u8]]) {
        self.replace(field.line.range(), &[self.head.bytes(field.name), b": "]);
        for piece in value {
            self.out.extend_from_slice(piece);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Copies all that is left before the empty line: lines may be added.
    pub(super) fn finish_lines(&mut self) {
        let end = if self.head.raw.ends_with(b"\r\n") {
            2
        } else {
            1
        };
        self.copy_to(self.head.raw.len().saturating_sub(end));
    }

    /// Adds a field line.
    pub(super) fn add_line(&mut self, name: &str, value: &[u8]) {
        for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.out.extend_from_slice(piece);
        }
    }

    /// Copies what is left.
    pub(super) fn finish(mut self) {
        self.copy_to(self.head.raw.len());
    }
}
