//! Copies on their way: what is left to write of each, and where more of a streamed one comes from.
//!
//! A [`Job`] travels by value, from the queue to a connection and, if it is to be sent again, back.
//! What all jobs of a shard have in common is in [`Copies`]: the bodies that are still being
//! streamed, by their copy's number, and how many copies are not written whole. A job does not end
//! by being dropped: [`Copies::end`] takes it.

mod job;
mod outgoing;
mod stream;

use std::collections::HashMap;

use mirror_core::pipeline::{CopyId, MirrorCopy, Rest};

pub(crate) use self::{
    job::Job,
    outgoing::Outgoing,
    stream::{Broken, Source, Stage, Stream},
};

/// What the jobs of a shard have in common.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// The bodies of streamed copies that have not ended.
    streams: HashMap<CopyId, Stream, foldhash::fast::RandomState>,
    /// Copies that are not written whole.
    unwritten: usize,
}

impl Copies {
    /// Takes a copy to the target of this number.
    #[inline]
    pub(crate) fn begin(&mut self, copy: MirrorCopy) -> Job {
        self.unwritten += 1;
        let outgoing = Outgoing::new(copy.pieces, copy.reserved);
        let whole = match copy.rest {
            Rest::Complete => Some(outgoing),
            Rest::Streamed => {
                let stream = Stream::new(copy.target.0, outgoing);
                self.streams.insert(copy.id, stream);
                None
            }
        };
        Job::new(
            copy.id,
            copy.at,
            copy.request,
            whole,
            copy.expect,
            copy.persistence,
            copy.effect,
        )
    }

    /// Whatever it ended as, nothing more is kept for it.
    #[inline]
    pub(crate) fn end(&mut self, mut job: Job) {
        if !self.is_dropped(&job) {
            self.set_written(&mut job);
            self.streams.remove(&job.id);
        }
    }

    /// How many copies are not written whole.
    #[cfg(debug_assertions)]
    pub(crate) const fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Whether all copies are written whole.
    pub(crate) const fn are_written(&self) -> bool {
        self.unwritten == 0
    }

    /// The last byte of it is written, or none will be any more.
    #[inline]
    pub(crate) fn set_written(&mut self, job: &mut Job) {
        if job.set_unwritten(false) {
            self.unwritten = self.unwritten.saturating_sub(1);
        }
    }

    /// It is to be sent anew, from its first byte on.
    pub(crate) fn rewind(&mut self, job: &mut Job) {
        job.rewind();
        if !job.set_unwritten(true) {
            self.unwritten += 1;
        }
    }

    /// What there is to write of it now.
    #[inline]
    pub(crate) fn source(&self, job: &Job) -> Source {
        match job.whole() {
            Some(outgoing) if outgoing.is_empty() => Source::End,
            Some(_) => Source::Bytes,
            None => self
                .streams
                .get(&job.id)
                .map_or(Source::End, Stream::source),
        }
    }

    /// The bytes of it that wait to be written.
    #[inline]
    pub(crate) fn outgoing<'a>(&'a self, job: &'a Job) -> Option<&'a Outgoing> {
        let streamed = || self.streams.get(&job.id).map(Stream::outgoing);
        job.whole().or_else(streamed)
    }

    /// Of `written` bytes the first ones were of this copy; returns how many were not.
    #[inline]
    pub(crate) fn advance(&mut self, job: &mut Job, written: usize) -> usize {
        match job.whole_mut() {
            Some(outgoing) => outgoing.advance(written),
            None => match self.streams.get_mut(&job.id) {
                Some(stream) => stream.advance(written),
                None => written,
            },
        }
    }

    /// Whether it was dropped, and counted so, while it waited.
    #[inline]
    pub(crate) fn is_dropped(&self, job: &Job) -> bool {
        job.whole().is_none() && !self.streams.contains_key(&job.id)
    }

    /// From now on it is where `stage` says.
    #[inline]
    pub(crate) fn set_stage(&mut self, job: &Job, stage: Stage) {
        if job.whole().is_none()
            && let Some(stream) = self.streams.get_mut(&job.id)
        {
            stream.set_stage(stage);
        }
    }

    /// The body of a streamed copy, if more of it is of use.
    pub(crate) fn stream(&self, copy: CopyId) -> Option<&Stream> {
        self.streams.get(&copy).filter(|stream| stream.is_open())
    }

    /// The body of a streamed copy, if more of it is of use.
    pub(crate) fn stream_mut(&mut self, copy: CopyId) -> Option<&mut Stream> {
        let stream = self.streams.get_mut(&copy);
        stream.filter(|stream| stream.is_open())
    }

    /// It is dropped while it waits: [`is_dropped`](Self::is_dropped) says so when its turn comes.
    pub(crate) fn drop_stream(&mut self, copy: CopyId) {
        if self.streams.remove(&copy).is_some() {
            self.unwritten = self.unwritten.saturating_sub(1);
        }
    }
}
