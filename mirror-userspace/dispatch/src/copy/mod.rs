//! Copies on their way: what is left to write of each, and where more of a streamed one comes from.
//!
//! A [`Job`] travels by value, from the queue to a connection and, if it is to be sent again, back.
//! What all jobs of a shard have in common is in [`Copies`]: the bodies that are still being
//! streamed, by their copy's number, where those in HTTP/2 are, by their request, and how many copies are
//! not written whole. A job does not end
//! by being dropped: [`Copies::end`] takes it.

mod job;
mod outgoing;
mod places;
mod stream;

use std::{collections::HashMap, io::IoSlice};

use bytes::Bytes;
use mirror_core::pipeline::{CopyId, MirrorCopy, RequestKey, Rest, Wire};

pub(crate) use self::{
    job::{Blocks, Job},
    outgoing::Outgoing,
    places::CopyPlace,
    stream::{Broken, Source, Stage, Stream},
};

/// What there is of the body of a copy in HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// Bytes that wait to be written.
    pub(crate) bytes: usize,
    /// Bytes of the header block behind them, if there is one.
    pub(crate) trailers: usize,
    /// Whether nothing more will come.
    pub(crate) ends: bool,
}

impl Body {
    /// Whether there is nothing to write now, and more will come.
    pub(crate) const fn is_later(&self) -> bool {
        self.bytes == 0 && !self.ends
    }
}

/// What the jobs of a shard have in common.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// The bodies of streamed copies that have not ended.
    streams: HashMap<CopyId, Stream, foldhash::fast::RandomState>,
    /// Where those in HTTP/2 are.
    places: places::Places,
    /// Copies that are not written whole.
    unwritten: usize,
}

impl Copies {
    /// Takes a copy to the target of this number.
    #[inline]
    pub(crate) fn begin(&mut self, copy: MirrorCopy) -> Job {
        self.unwritten += 1;
        let mut pieces = copy.pieces;
        let blocks = match copy.wire {
            Wire::Http1 => None,
            Wire::Http2 { trailers } => {
                let place = CopyPlace::new(copy.id);
                self.places.insert(copy.target.0, copy.request, place);
                // Those of a streamed one come with its end.
                let trailers = trailers.filter(|_| copy.rest == Rest::Complete);
                Some(Blocks::join(&mut pieces, trailers))
            }
        };
        let outgoing = Outgoing::new(pieces, copy.reserved);
        let whole = match copy.rest {
            Rest::Complete => Some(outgoing),
            Rest::Streamed => {
                let is_http2 = blocks.is_some();
                let stream = Stream::new(copy.target.0, copy.request, is_http2, outgoing);
                self.streams.insert(copy.id, stream);
                None
            }
        };
        let mut job = Job::new(
            copy.id,
            copy.at,
            copy.request,
            whole,
            copy.expect,
            copy.persistence,
            copy.effect,
        );
        job.target = copy.target.0;
        job.blocks = blocks;
        job
    }

    /// Whatever it ended as, nothing more is kept for it.
    #[inline]
    pub(crate) fn end(&mut self, mut job: Job) {
        if !self.is_dropped(&job) {
            self.set_written(&mut job);
            self.streams.remove(&job.id);
            if job.blocks.is_some() {
                self.places.remove(job.target, job.request());
            }
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

    /// There is something to write of it again.
    pub(crate) const fn set_unwritten(&mut self, job: &mut Job) {
        if !job.set_unwritten(true) {
            self.unwritten += 1;
        }
    }

    /// It is to be sent anew, from its first byte on.
    pub(crate) fn rewind(&mut self, job: &mut Job) {
        job.rewind();
        self.set_unwritten(job);
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

    /// The head of a copy, if it is there: it was not written yet, or is kept to be written again.
    pub(crate) fn head<'a>(&'a self, job: &'a Job) -> Option<&'a Bytes> {
        let outgoing = self.outgoing(job)?;
        let whole = !job.is_begun() || outgoing.is_kept();
        outgoing.first().filter(|_| whole)
    }

    /// Whether it was dropped, and counted so, while it waited.
    #[inline]
    pub(crate) fn is_dropped(&self, job: &Job) -> bool {
        match job.blocks {
            None => job.whole().is_none() && !self.streams.contains_key(&job.id),
            Some(_) => self.place(job.target, job.request()).is_none(),
        }
    }

    /// From now on it is where `stage` says.
    #[inline]
    pub(crate) fn set_stage(&mut self, job: &Job, stage: Stage) {
        if job.whole().is_none()
            && let Some(stream) = self.streams.get_mut(&job.id)
        {
            stream.set_stage(stage);
        }
        if job.blocks.is_some() {
            self.places.set_stage(job.target, job.request(), stage);
        }
    }

    /// Where the copy of this request for this target is, if it is in HTTP/2 and has not ended.
    pub(crate) fn place(&self, target: usize, request: RequestKey) -> Option<CopyPlace> {
        self.places.get(target, request)
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
        let Some(stream) = self.streams.remove(&copy) else {
            return;
        };
        self.unwritten = self.unwritten.saturating_sub(1);
        if stream.is_http2() {
            self.places.remove(stream.target(), stream.request());
        }
    }

    /// The same for the copy of a request in HTTP/2, streamed or not, whose client gave it up.
    pub(crate) fn drop_request(&mut self, target: usize, request: RequestKey) {
        if let Some(place) = self.places.remove(target, request) {
            self.streams.remove(&place.copy);
            self.unwritten = self.unwritten.saturating_sub(1);
        }
    }

    /// What there is of the body of a copy in HTTP/2 whose header block is taken, and how it ends.
    pub(crate) fn body(&self, job: &Job) -> Body {
        let bytes = self.outgoing(job).map_or(0, Outgoing::bytes);
        let stream = self.streams.get(&job.id);
        let trailers = match job.whole() {
            Some(_) => job.blocks.map_or(0, |blocks| blocks.trailers),
            None => stream.map_or(0, Stream::trailers),
        };
        let ends = match job.whole() {
            Some(_) => true,
            None => stream.is_some_and(Stream::is_finished),
        };
        Body {
            bytes: bytes.saturating_sub(trailers),
            trailers: bytes.min(trailers),
            ends,
        }
    }

    /// Moves the next bytes of a copy behind what is in `to`, at most so many.
    pub(crate) fn take(&mut self, job: &mut Job, mut bytes: usize, to: &mut Vec<u8>) {
        while bytes > 0 {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.outgoing(job).map_or(0, |it| it.fill(&mut slices));
            let mut taken = 0;
            for slice in slices.iter().take(filled) {
                let some = slice.get(..bytes - taken).unwrap_or(slice);
                to.extend_from_slice(some);
                taken += some.len();
            }
            if taken == 0 {
                return;
            }
            self.advance(job, taken);
            bytes -= taken;
        }
    }
}
