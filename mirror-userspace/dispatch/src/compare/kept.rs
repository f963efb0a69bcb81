//! A reply that is kept while it is read, to be compared.

use mirror_core::{budget::Reserved, fnv::Fnv, http::h2::FieldList};

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// More of the reply is to come.
    Going,
    /// All of it came.
    Complete,
    /// There was no memory for it.
    NoRoom,
    /// Its fields or its frames are none.
    Malformed,
    /// Not even its head was captured.
    NotCaptured,
    /// Its fields refer to others that were not captured.
    NotDecoded,
}

/// A reply that is kept while it is read: its head, and its body up to a limit.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Most bytes of the body.
    limit: usize,
    pub(super) status: u16,
    /// The lines of its fields, each with its end, as they came.
    pub(super) head: Vec<u8>,
    /// The same of those behind the body.
    pub(super) trailers: Vec<u8>,
    /// The first bytes of the body, without the framing of the connection.
    pub(super) body: Vec<u8>,
    /// How long the body is.
    pub(super) length: u64,
    /// Of what is not kept of the body.
    pub(super) rest: Fnv,
    /// Whether the rest of the body was not captured.
    pub(super) lacks_rest: bool,
    /// Whether what is behind the body was not captured, either.
    pub(super) lacks_end: bool,
    pub(super) fate: Fate,
    room: Reserved,
}

impl Kept {
    /// Keeps nothing yet. `room` is grown as memory is needed.
    pub(crate) const fn new(limit: usize, room: Reserved) -> Self {
        Self {
            limit,
            status: 0,
            head: Vec::new(),
            trailers: Vec::new(),
            body: Vec::new(),
            length: 0,
            rest: Fnv::new(),
            lacks_rest: false,
            lacks_end: false,
            fate: Fate::Going,
            room,
        }
    }

    /// The reply's own head came, no interim one: a line for each field, perhaps behind a status line.
    pub(crate) fn handle_head(&mut self, status: u16, lines: &[u8]) {
        self.status = status;
        if self.room.grow(lines.len()) {
            self.head = lines.to_vec();
        } else {
            self.give_up(Fate::NoRoom);
        }
    }

    /// The same, in HTTP/2.
    pub(crate) fn handle_fields(&mut self, status: u16, fields: &FieldList) {
        self.status = status;
        if let Some(lines) = self.lines(fields) {
            self.head = lines;
        }
    }

    /// The fields behind the body came, in HTTP/2.
    pub(crate) fn handle_trailers(&mut self, fields: &FieldList) {
        if let Some(lines) = self.lines(fields) {
            self.trailers = lines;
        }
    }

    /// A line for each field but the pseudo-headers.
    fn lines(&mut self, fields: &FieldList) -> Option<Vec<u8>> {
        if self.fate != Fate::Going {
            return None;
        }
        if !self.room.grow(fields.lines_len()) {
            self.give_up(Fate::NoRoom);
            return None;
        }
        let lines = fields.to_lines();
        if lines.is_none() {
            self.spoil();
        }
        lines
    }

    /// The lines of the fields behind the body came.
    pub(crate) fn handle_trailer_lines(&mut self, lines: &[u8]) {
        if self.fate != Fate::Going {
            return;
        }
        if self.room.grow(lines.len()) {
            self.trailers = lines.to_vec();
        } else {
            self.give_up(Fate::NoRoom);
        }
    }

    /// Something of its body was not captured.
    pub(crate) fn miss_body(&mut self) {
        self.lacks_rest = true;
        self.room.shrink(self.body.capacity());
        self.body = Vec::new();
    }

    /// The rest of it was not captured: of a body, only what came before is known; without the whole head, nothing is.
    pub(crate) fn miss_rest(&mut self) {
        if self.status == 0 {
            return self.give_up(Fate::NotCaptured);
        }
        self.miss_body();
        self.lacks_end = true;
        self.complete();
    }

    /// It is not known what it was.
    pub(crate) fn lose(&mut self, fate: Fate) {
        self.give_up(fate);
    }

    /// Whether its head is there.
    pub(crate) const fn has_head(&self) -> bool {
        self.status != 0
    }

    /// Bytes of memory that it takes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.head.len() + self.trailers.len() + self.body.capacity()
    }

    /// It breaks a rule of HTTP: what it says is not known.
    pub(crate) fn spoil(&mut self) {
        self.give_up(Fate::Malformed);
    }

    /// The next bytes of its body, without the framing of the connection.
    pub(crate) fn handle_body(&mut self, bytes: &[u8]) {
        if self.fate != Fate::Going || self.lacks_rest {
            return;
        }
        self.length += bytes.len() as u64;
        let wanted = self.limit.saturating_sub(self.body.len()).min(bytes.len());
        let (kept, rest) = bytes.split_at(wanted);
        self.rest.write(rest);
        let (needed, capacity) = (self.body.len() + kept.len(), self.body.capacity());
        if needed > capacity {
            let larger = needed.max((2 * capacity).min(self.limit));
            if !self.room.grow(larger - capacity) {
                return self.give_up(Fate::NoRoom);
            }
            self.body.reserve_exact(larger - self.body.len());
        }
        self.body.extend_from_slice(kept);
    }

    /// All of it came.
    pub(crate) fn complete(&mut self) {
        if self.fate == Fate::Going {
            self.fate = Fate::Complete;
        }
    }

    fn give_up(&mut self, fate: Fate) {
        self.fate = fate;
        self.head = Vec::new();
        self.trailers = Vec::new();
        self.body = Vec::new();
        self.room.release();
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::budget::Budget;

    use super::*;

    #[test]
    fn what_is_kept_does_not_depend_on_how_bytes_are_split() {
        let body: Vec<u8> = (0..200_u8).cycle().take(3_000).collect();
        let keep = |size: usize| {
            let mut kept = Kept::new(1_000, Budget::new(10_000).empty());
            kept.handle_head(200, b"a: b\r\n\r\n");
            body.chunks(size).for_each(|bytes| kept.handle_body(bytes));
            kept.complete();
            assert_eq!(kept.fate, Fate::Complete);
            (kept.body, kept.length, kept.rest)
        };
        let whole = keep(3_000);
        assert_eq!((whole.0.len(), whole.1), (1_000, 3_000));
        for size in [1, 7, 999, 1_000, 1_001] {
            assert_eq!(keep(size), whole, "{size}");
        }
    }

    #[test]
    fn all_that_is_kept_is_in_the_budget() {
        let budget = Budget::new(2_000);
        let mut kept = Kept::new(64 << 10, budget.empty());
        for _ in 0..100 {
            kept.handle_body(&[1; 100]);
            assert!(kept.body.capacity() <= budget.used());
        }
        assert_eq!((kept.fate, budget.used()), (Fate::NoRoom, 0));
        kept.complete();
        assert_eq!(kept.fate, Fate::NoRoom);
    }

    #[test]
    fn a_body_that_is_not_compared_takes_no_room() {
        let budget = Budget::new(10_000);
        let mut kept = Kept::new(1_000, budget.empty());
        let head = b"a: b\r\n\r\n";
        kept.handle_head(200, head);
        kept.handle_body(&[1; 700]);
        assert!(budget.used() >= head.len() + 700);
        kept.miss_body();
        kept.handle_body(&[1; 700]);
        kept.miss_body();
        assert_eq!(budget.used(), head.len());
        kept.complete();
        drop(kept);
        assert_eq!(budget.used(), 0);
    }
}
