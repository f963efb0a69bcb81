//! One copy on a connection, from its first byte to the end of its reply.

use super::reply::{Limits, Reply, ReplyReader};
use crate::{compare::Kept, copy::Job, meter::Stopwatch};

/// A copy whose turn on a connection has come, or comes after those before it.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) job: Job,
    pub(super) writing: Writing,
    pub(super) reader: ReplyReader,
    /// Whether a byte of its reply has come.
    heard: bool,
    /// Whether the head of its reply is counted; the body goes on.
    pub(super) answered: bool,
    /// A reply that was complete before the copy was written.
    pub(super) early: Option<Reply>,
    /// Whether others on the connection were without a reply when its first byte was written.
    pub(crate) behind: bool,
    /// Since the first byte was written.
    pub(crate) stopwatch: Option<Stopwatch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// There is more to write, now or later.
    Bytes,
    /// All is handed over, TLS may still hold some of it.
    Flush,
    Done,
    /// The target does not read any more; it may still have answered.
    GivenUp,
}

impl Turn {
    pub(super) fn new(job: Job, limits: Limits, kept: Option<Box<Kept>>) -> Self {
        let mut reader = ReplyReader::new(job.expect, limits);
        reader.keep_in(kept);
        Self {
            job,
            writing: Writing::Bytes,
            reader,
            heard: false,
            answered: false,
            early: None,
            behind: false,
            stopwatch: None,
        }
    }

    /// A byte of its reply has come: it will not be sent again.
    #[inline]
    pub(super) fn hear(&mut self) {
        if !self.heard {
            self.heard = true;
            self.job.forget();
        }
    }

    /// Whether it was written before the replies to others.
    #[inline]
    pub(crate) const fn was_behind(&self) -> bool {
        self.behind
    }

    /// Whether the head of its reply is counted; the body goes on.
    #[inline]
    pub(crate) const fn is_answered(&self) -> bool {
        self.answered
    }

    /// The seconds that the `Retry-After` of its reply states, if the reply's head is there.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        let reply = self.early.or_else(|| self.reader.head());
        reply.and_then(|reply| reply.retry_after)
    }

    /// What its reply was kept in, if it is to be compared.
    pub(crate) const fn take_kept(&mut self) -> Option<Box<Kept>> {
        self.reader.take_kept()
    }

    /// Whether its reply is to be compared.
    pub(super) const fn keeps(&self) -> bool {
        self.reader.keeps()
    }

    /// Whether nothing of it will be written any more.
    pub(super) const fn is_written(&self) -> bool {
        matches!(self.writing, Writing::Done | Writing::GivenUp)
    }

    /// Whether it may be sent once more, if the connection is over and had answered others.
    pub(crate) fn may_be_repeated(&self) -> bool {
        let again = self.job.is_retried() || self.heard;
        self.is_begun() && !again && self.job.is_repeatable()
    }

    /// Whether the target may have seen anything of it.
    pub(crate) const fn is_begun(&self) -> bool {
        self.stopwatch.is_some() || self.answered
    }
}
