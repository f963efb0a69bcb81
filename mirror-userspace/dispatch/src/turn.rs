//! One copy on a connection, from its first byte to the end of its reply.

use super::{
    job::Job,
    meter::Stopwatch,
    reply::{Limits, Reply, ReplyReader},
};

/// A copy that a connection is sending, or will send after those before it.
pub(super) struct Turn<'a> {
    pub(super) job: Job,
    pub(super) writing: Writing,
    pub(super) reader: ReplyReader,
    /// A reply that was complete before the copy was written.
    pub(super) early: Option<Reply>,
    /// Runs since the first byte was written.
    pub(super) stopwatch: Option<Stopwatch<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// There is more to write, now or later.
    Bytes,
    /// Everything is handed over; TLS may still hold some of it.
    Flush,
    Done,
    /// The target has stopped reading; it may still have answered.
    GivenUp,
}

impl Turn<'_> {
    pub(super) const fn new(job: Job, limits: Limits) -> Self {
        let reader = ReplyReader::new(job.expect, limits);
        Self {
            job,
            writing: Writing::Bytes,
            reader,
            early: None,
            stopwatch: None,
        }
    }

    /// Whether the target may have seen anything of it.
    pub(super) const fn is_begun(&self) -> bool {
        self.stopwatch.is_some()
    }

    pub(super) fn end_writing(&mut self, how: Writing) {
        self.writing = how;
        self.job.set_written();
    }
}
