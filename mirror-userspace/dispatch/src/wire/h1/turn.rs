//! One copy on a connection, from its first byte to the end of its reply.

use super::reply::{Limits, Reply, ReplyReader};
use crate::{copy::Job, meter::Stopwatch};

/// A copy whose turn on a connection has come, or comes after those before it.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) job: Job,
    pub(super) writing: Writing,
    pub(super) reader: ReplyReader,
    /// A reply that was complete before the copy was written.
    pub(super) early: Option<Reply>,
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
    pub(crate) const fn is_begun(&self) -> bool {
        self.stopwatch.is_some()
    }
}
