//! The copies on one HTTP/1 connection, without the connection.
//!
//! ```text
//! push --copies--> [ turn, turn, turn ] --fill, advance--> bytes to the target
//!                     ^ front
//!                     +---- handle_data <-- bytes from the target
//! ```
//!
//! Writing and reading go on at the same time, since a target may answer before it has the whole
//! body. Copies are written straight from the pieces that they came in, as many at once as there
//! are. Replies come in the order of the requests (RFC 9112 section 9.3.2), so that only the
//! front's is being read, and only the front can be late.

use std::{collections::VecDeque, io::IoSlice};

use super::{
    reply::{BadReply, Limits, ReplyReader, Step},
    turn::{Turn, Writing},
};
use crate::{
    compare::Kept,
    copy::{Copies, Job, Source},
    meter::Stopwatch,
    outcome::{After, Failure},
};

/// How the front copy ended: the status of its reply and what becomes of the connection, or why
/// there is no reply. A copy has a reply as soon as the head of one is there, however its body ends.
pub(crate) type Ended = Result<(u16, After), Failure>;

/// What bytes that were read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Nothing that ends a copy. All bytes were used.
    More,
    /// The front ended; so many bytes were used.
    Ended(Ended, usize),
}

/// The copies on one connection, in the order of the requests.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// The reply of the front is next.
    turns: VecDeque<Turn>,
    /// So many of them are handed over.
    written: usize,
    /// So many of these may still be held back by a layer below.
    unflushed: usize,
    /// The target does not read any more.
    given_up: bool,
    /// The target said that it takes no more requests.
    closes: bool,
}

impl Exchange {
    /// How many copies there are.
    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Whether nothing is to be written or read.
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// The copies, in the order of the requests.
    pub(crate) fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter()
    }

    /// Puts a copy behind the others; its reply is kept, if there is something to keep it in.
    #[inline]
    pub(crate) fn push(&mut self, job: Job, limits: Limits, kept: Option<Box<Kept>>) {
        self.turns.push_back(Turn::new(job, limits, kept));
    }

    /// Takes out the front copy, which is over.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Turn> {
        let turn = self.turns.pop_front()?;
        self.written = self.written.saturating_sub(1);
        self.unflushed -= usize::from(is_unflushed(&turn));
        Some(turn)
    }

    /// Takes out the last copy, when the connection is over.
    pub(crate) fn pop_back(&mut self) -> Option<Turn> {
        let turn = self.turns.pop_back()?;
        self.written = self.written.min(self.turns.len());
        self.unflushed -= usize::from(is_unflushed(&turn));
        Some(turn)
    }

    /// Whether the target said that it takes no more requests than those it has answered
    /// (RFC 9112 section 9.6).
    pub(crate) const fn is_disclaimed(&self) -> bool {
        self.closes
    }

    /// What there is to write, behind what is handed over.
    #[inline]
    pub(crate) fn poll_source(&mut self, copies: &Copies) -> Source {
        while !self.given_up
            && let Some(turn) = self.turns.get_mut(self.written)
        {
            match copies.source(&turn.job) {
                Source::End => {
                    turn.writing = Writing::Flush;
                    self.written += 1;
                    self.unflushed += 1;
                }
                source => return source,
            }
        }
        Source::End
    }

    /// Puts what is to be written into `slices`, from the first copy that is not handed over on;
    /// how many.
    #[inline]
    pub(crate) fn fill<'a>(&'a self, copies: &'a Copies, slices: &mut [IoSlice<'a>]) -> usize {
        let mut to_write = self.turns.iter().skip(self.written);
        let first = to_write.next().and_then(|turn| copies.outgoing(&turn.job));
        let mut filled = first.map_or(0, |outgoing| outgoing.fill(slices));
        for outgoing in to_write.map_while(|turn| turn.job.whole()) {
            match slices.get_mut(filled..) {
                None | Some([]) => break,
                Some(rest) => filled += outgoing.fill(rest),
            }
        }
        filled
    }

    /// So many bytes of these were written. `begin` is told of each copy whose first byte was among
    /// them, and whether others on the connection are without a reply.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        copies: &mut Copies,
        bytes: usize,
        mut begin: impl FnMut(&mut Turn, bool),
    ) {
        let mut left = bytes;
        for (place, turn) in self.turns.iter_mut().enumerate().skip(self.written) {
            if left == 0 {
                break;
            }
            if !turn.is_begun() {
                begin(turn, place > 0);
            }
            left = copies.advance(&mut turn.job, left);
        }
    }

    /// Whether the front is still being written.
    pub(crate) const fn is_writing_front(&self) -> bool {
        self.written == 0
    }

    /// Whether something is handed over that a layer below may still hold.
    #[inline]
    pub(crate) const fn is_unflushed(&self) -> bool {
        self.unflushed > 0
    }

    /// What is handed over has left. Whether the front was among it.
    #[inline]
    pub(crate) fn handle_flushed(&mut self, copies: &mut Copies) -> bool {
        let front = self.turns.front().is_some_and(is_unflushed);
        for turn in self.turns.iter_mut().filter(|turn| is_unflushed(turn)) {
            turn.writing = Writing::Done;
            copies.set_written(&mut turn.job);
        }
        self.unflushed = 0;
        front
    }

    /// The target reads nothing any more.
    pub(crate) fn handle_unwritable(&mut self, copies: &mut Copies) {
        self.given_up = true;
        self.unflushed = 0;
        for turn in &mut self.turns {
            if turn.writing != Writing::Done {
                turn.writing = Writing::GivenUp;
                copies.set_written(&mut turn.job);
            }
        }
    }

    /// The status of the front's reply, the first time that its head is there and the copy needs nothing
    /// more than to be read: it is answered.
    #[inline]
    pub(crate) fn poll_answered(&mut self) -> Option<(u16, Option<Stopwatch>)> {
        let front = self.turns.front_mut()?;
        if front.is_answered() || !front.is_written() {
            return None;
        }
        let status = front.reader.head()?.status;
        front.answered = true;
        Some((status, front.stopwatch.take()))
    }

    /// Whether the front is answered, and the body of its reply goes on.
    #[inline]
    pub(crate) fn is_reading_body(&self) -> bool {
        self.turns.front().is_some_and(Turn::is_answered)
    }

    /// Whether the front is answered, and the body of its reply is kept while it comes.
    pub(crate) fn is_keeping(&self) -> bool {
        let front = self.turns.front();
        front.is_some_and(|front| front.is_answered() && front.keeps())
    }

    /// How the front ends without more bytes from the target, if it does. `stop`: it has to.
    #[inline]
    pub(crate) fn poll_ended(&self, copies: &Copies, stop: Option<Failure>) -> Option<Ended> {
        let front = self.turns.front()?;
        // Nearly always.
        let goes_on = stop.is_none() && front.early.is_none() && front.job.whole().is_some();
        if goes_on {
            return None;
        }
        let failure = stop.or_else(|| self.broken(front, copies));
        // Once it is answered, what becomes of the rest of the copy no longer matters.
        match (failure, front.early, front.writing) {
            (Some(_), Some(early), _) | (None, Some(early), Writing::GivenUp) => {
                Some(Ok((early.status, After::Spent)))
            }
            (Some(failure), None, _) => {
                let head = front.reader.head();
                let cut = head.map(|reply| (reply.status, After::Cut));
                Some(cut.ok_or(failure))
            }
            (None, Some(early), Writing::Done) => Some(Ok((early.status, After::Reusable))),
            (None, ..) => None,
        }
    }

    /// Whether the source of the front broke. None behind it is streamed: those go alone.
    fn broken(&self, front: &Turn, copies: &Copies) -> Option<Failure> {
        match copies.source(&front.job) {
            Source::Broken(why) if !self.given_up => Some(why.into()),
            _ => None,
        }
    }

    /// How many of the next bytes from the target are certain to be of a body that nobody looks at.
    #[inline]
    pub(crate) fn discardable(&self) -> u64 {
        let front = self.turns.front().filter(|front| front.early.is_none());
        front.map_or(0, |front| front.reader.discardable())
    }

    /// So many of those were discarded.
    pub(crate) fn handle_discarded(&mut self, bytes: u64) -> Read {
        self.take(0, |reader| Ok(reader.handle_discarded(bytes)))
    }

    /// Takes bytes from the target.
    pub(crate) fn handle_data(&mut self, bytes: &[u8]) -> Read {
        self.take(bytes.len(), |reader| reader.handle_data(bytes))
    }

    /// Has the front's reader take bytes that were read, so many.
    #[inline]
    fn take(
        &mut self,
        bytes: usize,
        take: impl FnOnce(&mut ReplyReader) -> Result<Step, BadReply>,
    ) -> Read {
        let next_is_begun = self.turns.get(1).is_some_and(Turn::is_begun);
        let Some(front) = self.turns.front_mut() else {
            return Read::More;
        };
        if let Some(early) = front.early {
            // More than was asked for.
            return Read::Ended(Ok((early.status, After::Spent)), bytes);
        }
        front.hear();
        let (reply, used) = match take(&mut front.reader) {
            Ok(Step::More) => return Read::More,
            Ok(Step::Complete(reply, used)) => (reply, used),
            Ok(Step::Cut(reply)) => {
                return Read::Ended(Ok((reply.status, After::Cut)), bytes);
            }
            Err(_) => {
                let head = front.reader.head();
                let ended = head.map(|reply| (reply.status, After::Broken));
                return Read::Ended(ended.ok_or(Failure::BadReply), bytes);
            }
        };
        self.closes = reply.closes;
        let after = if !reply.reusable || (used < bytes && !next_is_begun) {
            After::Spent
        } else {
            match front.writing {
                Writing::GivenUp => After::Spent,
                Writing::Done => After::Reusable,
                // TLS holds some of it, and of the next.
                Writing::Flush if next_is_begun => After::Reusable,
                // The framing of the connection wants the rest of the copy.
                Writing::Bytes | Writing::Flush => {
                    front.early = Some(reply);
                    return Read::More;
                }
            }
        };
        Read::Ended(Ok((reply.status, after)), used)
    }

    /// The target closed the connection.
    pub(crate) fn handle_eof(&self) -> Ended {
        let front = self.turns.front();
        match front.and_then(|front| front.early.or_else(|| front.reader.handle_close())) {
            Some(reply) => Ok((reply.status, After::Spent)),
            None => self.handle_reset(),
        }
    }

    /// The connection broke: how the copies on it end.
    pub(crate) fn handle_reset(&self) -> Ended {
        let Some(front) = self.turns.front() else {
            return Err(Failure::Reset);
        };
        match (front.early, front.reader.head()) {
            (Some(reply), _) => Ok((reply.status, After::Spent)),
            (None, Some(reply)) => Ok((reply.status, After::Broken)),
            (None, None) => Err(Failure::Reset),
        }
    }
}

fn is_unflushed(turn: &Turn) -> bool {
    turn.writing == Writing::Flush
}
