//! Finds the end of a reply, so that the connection can be used again; keeps nothing of it unless it is to be
//! compared.
//!
//! Bytes go in as they are read, in pieces of any size. A head that is complete in the first piece is
//! parsed in place, by the reader that v1's replies have, too ([`mirror_core::http::reply`]); only a split one is
//! collected, up to the limit. Body bytes are only counted. Framing follows RFC 9112 section 6.3; anything that leaves
//! it in doubt is refused.

mod chunked;
mod head;
#[cfg(test)]
mod tests;

use mirror_core::{http::reply::find_end, pipeline::Expect};

use chunked::Chunked;
use head::{Parsed, parse};

use crate::compare::Kept;

/// How much of a reply is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of all heads together, including interim replies and empty lines before them; more is a
    /// [`BadReply`]. It is also the most that is held in memory.
    pub head: usize,
    /// Most field lines of a head of HTTP/1, folded ones not counted; more is a [`BadReply`].
    pub fields: usize,
    /// Most bytes of body, framing included; more is [`Step::Cut`].
    pub body: u64,
}

/// What matters of a reply here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code, three digits.
    pub status: u16,
    /// Whether the connection may carry another request.
    pub reusable: bool,
    /// Whether the reply says `connection: close`: the target takes no more requests on the connection
    /// (RFC 9112 section 9.6).
    pub closes: bool,
    /// The seconds that its `Retry-After` states (RFC 9110 section 10.2.3).
    pub retry_after: Option<u32>,
}

/// How far a reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The reply goes on; all bytes were used.
    More,
    /// The reply has ended; this many bytes of the last piece belong to it.
    Complete(Reply, usize),
    /// The reply's body exceeds the limit: its connection is no longer usable.
    Cut(Reply),
}

/// The bytes are not an HTTP/1 reply, or its end cannot be told.
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
    /// Skips the next bytes of the body. Returns how many belong to it (all, unless it ends) and whether
    /// it has ended.
    fn pass(&mut self, bytes: &[u8], kept: Option<&mut Kept>) -> Result<(usize, bool), BadReply> {
        let (used, ended) = match self {
            Self::Length(left) => {
                let used = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= used as u64;
                (used, *left == 0)
            }
            Self::Chunked(chunked) => {
                return match kept {
                    Some(kept) => chunked.handle_data(bytes, |data| kept.handle_body(data)),
                    None => chunked.handle_data(bytes, |_| {}),
                };
            }
            Self::UntilClose => (bytes.len(), false),
        };
        if let Some(kept) = kept {
            kept.handle_body(bytes.get(..used).unwrap_or_default());
        }
        Ok((used, ended))
    }

    /// How many of the next bytes are content, whatever they are.
    const fn discardable(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(chunked) => chunked.data_left(),
            Self::UntilClose => u64::MAX,
        }
    }

    /// Skips so many of them. Whether the body has ended.
    const fn discard(&mut self, bytes: u64) -> bool {
        match self {
            Self::Length(left) => {
                *left = left.saturating_sub(bytes);
                *left == 0
            }
            Self::Chunked(chunked) => {
                chunked.discard(bytes);
                false
            }
            Self::UntilClose => false,
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
    /// What has arrived of a head that came in pieces.
    partial: Vec<u8>,
    /// What the reply is kept in, if it is to be compared.
    kept: Option<Box<Kept>>,
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
            kept: None,
        }
    }

    /// Keeps the reply from now on, to be compared.
    pub(crate) fn keep_in(&mut self, kept: Option<Box<Kept>>) {
        self.kept = kept;
    }

    /// Whether the reply is kept.
    pub(crate) const fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// What the reply was kept in.
    pub(crate) const fn take_kept(&mut self) -> Option<Box<Kept>> {
        self.kept.take()
    }

    /// Takes the next bytes. To be called until it returns anything but [`Step::More`].
    ///
    /// # Errors
    ///
    /// If this is not a reply, its framing is in doubt, or its heads exceed [`Limits::head`]. The result
    /// does not depend on how the bytes are split, but a fault in a head may be noticed only once the head
    /// is complete.
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
                    // What lies beyond the limit is not looked at, so that the split does not matter.
                    let room = usize::try_from(self.limits.body).unwrap_or(usize::MAX);
                    let (used, ended) =
                        framing.pass(rest.get(..room).unwrap_or(rest), self.kept.as_deref_mut())?;
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

    /// How many of the next bytes are certain to be of a body of which nothing is kept, so that nobody needs
    /// to look at them: they may be discarded, and told by [`handle_discarded`](Self::handle_discarded).
    #[must_use]
    #[inline]
    pub fn discardable(&self) -> u64 {
        match &self.state {
            State::Body(_, framing) if self.kept.is_none() => {
                framing.discardable().min(self.limits.body)
            }
            _ => 0,
        }
    }

    /// So many of the next bytes were discarded unseen; those beyond the
    /// [`discardable`](Self::discardable) ones are not reckoned with.
    pub fn handle_discarded(&mut self, bytes: u64) -> Step {
        let bytes = bytes.min(self.discardable());
        let State::Body(reply, framing) = &mut self.state else {
            return Step::More;
        };
        self.limits.body -= bytes;
        match framing.discard(bytes) {
            // Nothing of what follows belongs to it.
            true => Step::Complete(*reply, 0),
            false => Step::More,
        }
    }

    /// The target has closed the connection: returns the reply, if that is how it ends.
    #[must_use]
    pub const fn handle_close(&self) -> Option<Reply> {
        match self.state {
            State::Body(reply, Framing::UntilClose) => Some(reply),
            _ => None,
        }
    }

    /// The reply, once its head is whole; its body may go on.
    #[must_use]
    pub const fn head(&self) -> Option<Reply> {
        match self.state {
            State::Body(reply, _) => Some(reply),
            State::Head => None,
        }
    }

    /// Bytes of memory held for a head that came in pieces: at most [`Limits::head`].
    #[must_use]
    pub const fn held(&self) -> usize {
        self.partial.capacity()
    }

    /// The next head, once it is complete, and how many of `bytes` belong to it.
    fn take_head(&mut self, bytes: &[u8]) -> Result<Option<(Parsed, usize)>, BadReply> {
        if self.partial.is_empty() {
            // RFC 9112 section 2.2 allows empty lines before a start line.
            let start = bytes
                .iter()
                .position(|byte| !matches!(byte, b'\r' | b'\n'))
                .unwrap_or(bytes.len());
            self.charge(start)?;
            let bytes = bytes.get(start..).unwrap_or_default();
            if let Some((parsed, used)) = parse(bytes, self.limits.fields, self.expect)? {
                self.charge(used)?;
                keep_head(self.kept.as_deref_mut(), &parsed, bytes.get(..used));
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
        // The whole head is parsed again only when its end is there, or while it is short.
        let end = find_end(&self.partial, before.saturating_sub(2));
        if end.is_some() || self.partial.len() <= SHORT {
            if let Some((parsed, used)) = parse(&self.partial, self.limits.fields, self.expect)? {
                self.charge(used)?;
                keep_head(self.kept.as_deref_mut(), &parsed, self.partial.get(..used));
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

    /// Adds to the head that came in pieces. It grows by doubling, but never beyond the limit.
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

fn keep_head(kept: Option<&mut Kept>, parsed: &Parsed, head: Option<&[u8]>) {
    if let (Some(kept), Parsed::Final(reply, _)) = (kept, parsed) {
        kept.handle_head(reply.status, head.unwrap_or_default());
    }
}

/// The beginning of a head, in bytes, that is parsed with each piece, so that garbage is noticed soon.
const SHORT: usize = 64;
