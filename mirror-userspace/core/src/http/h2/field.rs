//! The fields of a header block.

use std::{mem, slice};

use super::super::Span;

/// What a field counts beside its name and value (RFC 9113 section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE).
const OVERHEAD: usize = 32;
/// Bytes of a buffer that is kept for the next list.
const KEPT: usize = 8 * 1024;

/// A decoded field list: in the encoder's order, duplicates and pseudo-headers kept.
#[derive(Debug)]
pub struct FieldList {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    size: usize,
    limit: usize,
    /// Whether there are fields that the decoder does not know.
    lacks: bool,
    /// Where the decoder puts a literal; kept here since a list is reused for many connections.
    spare: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    name: Span,
    value: Span,
    never_indexed: bool,
}

/// One field, as it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name; pseudo-headers with their colon.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// Whether the client forbade to index it (RFC 7541 section 6.2.3): whoever sends it on has to forbid it too.
    pub never_indexed: bool,
}

/// The fields of a list, in order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    lines: slice::Iter<'a, Line>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let line = self.lines.next()?;
        let bytes = |span: Span| self.bytes.get(span.range()).unwrap_or_default();
        Some(Field {
            name: bytes(line.name),
            value: bytes(line.value),
            never_indexed: line.never_indexed,
        })
    }
}

impl<'a> IntoIterator for &'a FieldList {
    type Item = Field<'a>;
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

impl FieldList {
    /// An empty list for at most `limit` bytes, by the measure of RFC 9113 section 6.5.2: name, value and 32 a field.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            lines: Vec::new(),
            size: 0,
            limit,
            lacks: false,
            spare: Vec::new(),
        }
    }

    /// Bytes by the measure of RFC 9113 section 6.5.2; past the limit it is only the size at which that was noticed.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Its fields, in order.
    #[must_use]
    pub fn iter(&self) -> Fields<'_> {
        Fields {
            bytes: &self.bytes,
            lines: self.lines.iter(),
        }
    }

    /// The values of all fields of this name (ASCII case does not count), in order.
    #[inline]
    pub(in crate::http) fn values<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = |span: Span| self.bytes.get(span.range()).unwrap_or_default();
        // Most other names differ in length already.
        let is_named = move |line: &&Line| {
            line.name.len() == name.len() && bytes(line.name).eq_ignore_ascii_case(name.as_bytes())
        };
        let named = self.lines.iter().filter(is_named);
        named.map(move |line| bytes(line.value))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether fields are missing, since the list is past its limit.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.size > self.limit
    }

    /// Whether fields are missing that refer to others which were not captured: of [`Decoder::partial`] only.
    ///
    /// [`Decoder::partial`]: super::hpack::Decoder::partial
    #[must_use]
    pub const fn lacks_fields(&self) -> bool {
        self.lacks
    }

    pub(super) const fn note_unknown(&mut self) {
        self.lacks = true;
    }

    /// The lines of HTTP/1 that its fields but the pseudo-headers would be, each with its end; `None` if one of them can't
    /// be any (RFC 9113 section 8.2.1). They take [`lines_len`](Self::lines_len) bytes.
    #[must_use]
    pub fn to_lines(&self) -> Option<Vec<u8>> {
        let mut lines = Vec::with_capacity(self.lines_len());
        for field in self.iter().filter(|field| !field.name.starts_with(b":")) {
            let mut name = field.name.iter();
            let is_name = !name.any(|byte| b" :".contains(byte) || *byte < 0x20);
            if !is_name || field.value.iter().any(|byte| b"\0\r\n".contains(byte)) {
                return None;
            }
            for part in [field.name, b": ", field.value, b"\r\n"] {
                lines.extend_from_slice(part);
            }
        }
        Some(lines)
    }

    /// How many bytes those are.
    #[must_use]
    pub fn lines_len(&self) -> usize {
        let fields = self.iter().filter(|field| !field.name.starts_with(b":"));
        fields
            .map(|field| field.name.len() + field.value.len() + 4)
            .sum()
    }

    pub(super) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Empties the list; what one long list needed is not kept for ever.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.lines.clear();
        self.lines.shrink_to(KEPT / OVERHEAD);
        self.size = 0;
        self.lacks = false;
    }

    pub(super) fn take_spare(&mut self) -> Vec<u8> {
        mem::take(&mut self.spare)
    }

    pub(super) fn keep_spare(&mut self, mut spare: Vec<u8>) {
        spare.clear();
        spare.shrink_to(KEPT);
        self.spare = spare;
    }

    pub(super) fn push(&mut self, name: &[u8], value: &[u8], never_indexed: bool) {
        #[cfg(test)]
        crate::http::tests::work::done(1);
        if self.is_too_large() {
            return;
        }
        self.size += name.len() + value.len() + OVERHEAD;
        if self.is_too_large() {
            return;
        }
        #[cfg(test)]
        crate::http::tests::work::done(name.len() + value.len());
        let (name, value) = (self.append(name), self.append(value));
        self.lines.push(Line {
            name,
            value,
            never_indexed,
        });
    }

    fn append(&mut self, bytes: &[u8]) -> Span {
        let at = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let start = at(self.bytes.len());
        self.bytes.extend_from_slice(bytes);
        Span {
            start,
            end: at(self.bytes.len()),
        }
    }
}
