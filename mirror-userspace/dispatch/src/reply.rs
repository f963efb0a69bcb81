//! Finds the end of a reply, so that the connection can be used again; keeps nothing of it.
//!
//! Bytes go in as they are read, in any pieces. A head that is whole in the first piece is parsed
//! where it lies; only one that is split is gathered, up to the limit. Body bytes are counted off.
//! Framing follows RFC 9112 section 6.3. What v2 answers is of no interest beyond its status, so
//! folded lines and a space before the colon are let pass; what leaves the framing in doubt is not.

mod chunked;
mod head;
#[cfg(test)]
mod tests;

use mirror_core::pipeline::Expect;

use chunked::Chunked;
use head::{Parsed, parse};

/// How much of a reply is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all heads together, interim replies and empty lines before them included, at most;
    /// more is a [`BadReply`]. No more than this is held, either.
    pub head: usize,
    /// Bytes of body (as framed), at most; more is [`Step::Cut`].
    pub body: u64,
}

/// A reply, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code, three digits.
    pub status: u16,
    /// Whether the connection may carry another request.
    pub reusable: bool,
    /// Whether it says that the target closes the connection, and so takes no more requests on it
    /// (RFC 9112 section 9.6).
    pub closes: bool,
}

/// How far a reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes on; all bytes were used.
    More,
    /// It ended; so many bytes of the last piece belong to it.
    Complete(Reply, usize),
    /// Its body exceeds the limit: its connection is of no use any more.
    Cut(Reply),
}

/// What came is no HTTP/1 reply, or cannot be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadReply;

/// How a body is delimited.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Framing {
    /// Passes over the next bytes: how many belong to the body (all, unless it ends), and whether
    /// it ended.
    fn pass(&mut self, bytes: &[u8]) -> Result<(usize, bool), BadReply> {
        match self {
            Self::Length(left) => {
                let used = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= used as u64;
                Ok((used, *left == 0))
            }
            Self::Chunked(chunked) => chunked.handle_data(bytes),
            Self::UntilClose => Ok((bytes.len(), false)),
        }
    }
}

#[derive(Debug)]
enum State {
    Head,
    Body(Reply, Framing),
}

/// Reads one reply from a target's bytes, and tells where it ends.
#[derive(Debug)]
pub struct ReplyReader {
    expect: Expect,
    limits: Limits,
    state: State,
    /// The head as far as it is there, if it was split.
    partial: Vec<u8>,
}

impl ReplyReader {
    /// A reader of the reply to a request that lets one `expect` this.
    #[must_use]
    pub const fn new(expect: Expect, limits: Limits) -> Self {
        Self {
            expect,
            limits,
            state: State::Head,
            partial: Vec::new(),
        }
    }

    /// Takes the next bytes. To be called until it says anything but [`Step::More`].
    ///
    /// # Errors
    ///
    /// If this is no reply, its framing is in doubt, or its heads exceed [`Limits::head`]. The same
    /// however the bytes are cut, but a fault in a head may be noticed only once that is whole.
    pub fn handle_data(&mut self, bytes: &[u8]) -> Result<Step, BadReply> {
        let mut rest = bytes;
        loop {
            match &mut self.state {
                State::Head => {
                    let Some((parsed, used)) = self.take_head(rest)? else {
                        return Ok(Step::More);
                    };
                    rest = rest.get(used..).unwrap_or_default();
                    if let Parsed::Final(reply, framing) = parsed {
                        self.state = State::Body(reply, framing);
                    }
                }
                State::Body(reply, framing) => {
                    // What lies beyond the limit is not looked at, so that the cut does not matter.
                    let room = usize::try_from(self.limits.body).unwrap_or(usize::MAX);
                    let (used, ended) = framing.pass(rest.get(..room).unwrap_or(rest))?;
                    self.limits.body -= used as u64;
                    if ended {
                        return Ok(Step::Complete(*reply, bytes.len() - rest.len() + used));
                    }
                    if used < rest.len() {
                        reply.reusable = false;
                        return Ok(Step::Cut(*reply));
                    }
                    return Ok(Step::More);
                }
            }
        }
    }

    /// The target closed the connection: the reply, if this is how it ends.
    #[must_use]
    pub const fn handle_close(&self) -> Option<Reply> {
        match self.state {
            State::Body(reply, Framing::UntilClose) => Some(reply),
            _ => None,
        }
    }

    /// Bytes of memory held for a head that was split: at most [`Limits::head`].
    #[must_use]
    pub const fn held(&self) -> usize {
        self.partial.capacity()
    }

    /// The next head and how many of `bytes` belong to it, once it is whole.
    fn take_head(&mut self, bytes: &[u8]) -> Result<Option<(Parsed, usize)>, BadReply> {
        if self.partial.is_empty() {
            // RFC 9112 section 2.2 lets empty lines pass before a start line.
            let start = bytes
                .iter()
                .position(|byte| !matches!(byte, b'\r' | b'\n'))
                .unwrap_or(bytes.len());
            self.charge(start)?;
            let bytes = bytes.get(start..).unwrap_or_default();
            if let Some((parsed, used)) = parse(bytes, self.expect)? {
                self.charge(used)?;
                return Ok(Some((parsed, start + used)));
            }
            if bytes.len() > self.limits.head {
                return Err(BadReply);
            }
            self.keep(bytes);
            return Ok(None);
        }
        let before = self.partial.len();
        let room = self.limits.head.saturating_sub(before);
        self.keep(bytes.get(..room).unwrap_or(bytes));
        // The whole is looked at again only when its end is there, or while it is short.
        let end = head::end(&self.partial, before.saturating_sub(2));
        if end.is_some() || self.partial.len() <= SHORT {
            if let Some((parsed, used)) = parse(&self.partial, self.expect)? {
                self.charge(used)?;
                self.partial = Vec::new();
                return Ok(Some((parsed, used - before)));
            }
            if end.is_some() {
                return Err(BadReply);
            }
        }
        if bytes.len() > room {
            return Err(BadReply);
        }
        Ok(None)
    }

    /// Adds to the head that is split. It grows by doubling, but never past the limit.
    fn keep(&mut self, bytes: &[u8]) {
        let needed = self.partial.len() + bytes.len();
        if needed > self.partial.capacity() {
            let capacity = needed.max((2 * needed).min(self.limits.head));
            self.partial.reserve_exact(capacity - self.partial.len());
        }
        self.partial.extend_from_slice(bytes);
    }

    fn charge(&mut self, bytes: usize) -> Result<(), BadReply> {
        self.limits.head = self.limits.head.checked_sub(bytes).ok_or(BadReply)?;
        Ok(())
    }
}

/// A start of a head that is parsed for each piece, so that garbage is known for what it is soon.
const SHORT: usize = 64;
