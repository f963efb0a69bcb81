//! Chunked bodies of v1's replies.

use crate::http::{
    Limits,
    chunked::{Chunked, Fed},
};

/// A chunked body of a reply, of which not every byte is captured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chunks(Chunked);

/// How far a chunked body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The body goes on behind what there was.
    All,
    /// It ended behind this many bytes.
    End(usize),
    /// Where it ends can't be told any more.
    Lost,
}

impl Chunks {
    /// Passes over the next bytes.
    pub fn pass(&mut self, bytes: &[u8]) -> Passed {
        match self.0.feed(bytes, &Limits::DEFAULT, |_| {}) {
            Fed::More => Passed::All,
            Fed::End(len) => Passed::End(len),
            Fed::Refused(..) => Passed::Lost,
        }
    }

    /// Passes over so many bytes that were not captured: they are known only within one chunk.
    pub const fn skip(&mut self, len: u64) -> Passed {
        if len == 0 || self.0.skip(len) {
            Passed::All
        } else {
            Passed::Lost
        }
    }
}
