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

use chunked::Chunked;
use head::{Parsed, parse};

use crate::pipeline::Expect;

/// How much of a reply is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of all heads together, at most; more is a [`BadReply`].
    pub(super) head: usize,
    /// Bytes of body (as framed), at most; more is [`Step::Cut`].
    pub(super) body: u64,
}

/// A reply, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Whether the connection may carry another request.
    pub(super) reusable: bool,
}

/// How far a reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on; all bytes were used.
    More,
    /// It ended; so many bytes of the last piece belong to it.
    Complete(Reply, usize),
    /// Its body exceeds the limit: its connection is of no use any more.
    Cut(Reply),
}

/// What came is no HTTP/1 reply, or cannot be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadReply;

/// How a body is delimited.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Reply, Framing),
}

/// Reads one reply.
#[derive(Debug)]
pub(super) struct ReplyReader {
    expect: Expect,
    limits: Limits,
    state: State,
    /// The head as far as it is there, if it was split.
    partial: Vec<u8>,
}

impl ReplyReader {
    pub(super) const fn new(expect: Expect, limits: Limits) -> Self {
        Self {
            expect,
            limits,
            state: State::Head,
            partial: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub(super) fn handle_data(&mut self, bytes: &[u8]) -> Result<Step, BadReply> {
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
                    let (used, ended) = match framing {
                        Framing::Length(left) => {
                            let used = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                            *left -= used as u64;
                            (used, *left == 0)
                        }
                        Framing::Chunked(chunked) => chunked.handle_data(rest)?,
                        Framing::UntilClose => (rest.len(), false),
                    };
                    if ended {
                        return Ok(Step::Complete(*reply, bytes.len() - rest.len() + used));
                    }
                    let Some(left) = self.limits.body.checked_sub(used as u64) else {
                        reply.reusable = false;
                        return Ok(Step::Cut(*reply));
                    };
                    self.limits.body = left;
                    return Ok(Step::More);
                }
            }
        }
    }

    /// The target closed the connection: the reply, if this is how it ends.
    pub(super) const fn handle_close(&self) -> Option<Reply> {
        match self.state {
            State::Body(reply, Framing::UntilClose) => Some(reply),
            _ => None,
        }
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
            self.partial.extend_from_slice(bytes);
            return Ok(None);
        }
        let before = self.partial.len();
        let room = self.limits.head.saturating_sub(before);
        self.partial
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
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

    fn charge(&mut self, bytes: usize) -> Result<(), BadReply> {
        self.limits.head = self.limits.head.checked_sub(bytes).ok_or(BadReply)?;
        Ok(())
    }
}

/// A start of a head that is parsed for each piece, so that garbage is known for what it is soon.
const SHORT: usize = 64;
