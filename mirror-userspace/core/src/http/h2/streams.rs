//! The streams of a connection, as far as the client's direction tells of them (RFC 9113 section 5.1).

use super::{ByStream, Limits, Loss, Refusal};
use crate::budget::{Budget, Reserved};

/// Bytes that an open stream reserves: its entry, in nodes that are half full.
const ENTRY: usize = 64;

/// The streams on which the client has more to say. One that has ended needs no memory: its number is not above the
/// highest, and that is all.
#[derive(Debug)]
pub(super) struct Streams {
    open: ByStream<Stream>,
    /// The highest number that was used; 0 if none was.
    highest: u32,
    /// Whether streams may be open that are not among `open`.
    untracked: bool,
    reserved: Reserved,
}

/// A request whose end has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// Whether it is told; otherwise it is lost already, and only its frames are known for what they are.
    pub(super) told: bool,
    /// What `content-length` says of the body that is still to come.
    pub(super) expected: Option<u64>,
}

/// What a header block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// It opens a stream.
    New,
    /// It is of an open stream: trailers.
    Known,
    /// It is of a stream that is no longer followed.
    Nobody,
}

impl Streams {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            open: ByStream::default(),
            highest: 0,
            untracked: false,
            reserved: budget.empty(),
        }
    }

    /// The highest number that was used; 0 if none was.
    pub(super) const fn highest(&self) -> u32 {
        self.highest
    }

    /// Whether the client has ended this stream, or has skipped its number: it has no more to say on it.
    pub(super) fn is_closed(&self, stream: u32) -> bool {
        !self.is_idle(stream) && !self.untracked && self.open.get(stream).is_none()
    }

    /// Whether the client has not used this number, nor one above it (idle).
    pub(super) const fn is_idle(&self, stream: u32) -> bool {
        stream > self.highest
    }

    /// Takes this number for used.
    pub(super) fn skip_to(&mut self, stream: u32) {
        self.highest = self.highest.max(stream);
    }

    /// A HEADERS frame has come on this stream.
    ///
    /// # Errors
    /// [`Refusal::Ambiguous`] if the stream is closed: its number is used up (section 5.1.1).
    pub(super) fn on_headers(&mut self, stream: u32) -> Result<Whose, Refusal> {
        if self.is_idle(stream) {
            self.highest = stream;
            Ok(Whose::New)
        } else if self.is_closed(stream) {
            Err(Refusal::Ambiguous)
        } else if self.open.get(stream).is_some() {
            Ok(Whose::Known)
        } else {
            Ok(Whose::Nobody)
        }
    }

    /// Remembers an open stream.
    ///
    /// # Errors
    /// The [`Loss`] of a stream for which there is no room.
    pub(super) fn insert(&mut self, id: u32, stream: Stream, limits: &Limits) -> Result<(), Loss> {
        let refused = if self.open.len() >= limits.streams {
            Loss::TooManyStreams
        } else if !self.reserved.grow(ENTRY) {
            Loss::Memory
        } else {
            self.open.insert(id, stream);
            return Ok(());
        };
        self.untracked = true;
        Err(refused)
    }

    pub(super) fn get_mut(&mut self, stream: u32) -> Option<&mut Stream> {
        self.open.get_mut(stream)
    }

    /// The client has no more to say on this stream.
    pub(super) fn close(&mut self, stream: u32) -> Option<Stream> {
        let closed = self.open.remove(stream)?;
        self.reserved.shrink(ENTRY);
        Some(closed)
    }

    /// The stream is of no more interest, whatever the client has still to say on it.
    pub(super) fn forget(&mut self, stream: u32) -> Option<Stream> {
        let closed = self.close(stream)?;
        self.untracked = true;
        Some(closed)
    }

    /// Closes all streams; gives those that were told, in the order of their numbers.
    pub(super) fn close_all(&mut self) -> impl Iterator<Item = u32> + use<> {
        self.reserved.release();
        let all = self.open.take();
        all.filter(|(_, stream)| stream.told).map(|(id, _)| id)
    }
}
