//! The body of a streamed copy, between the pipeline and the connection that sends it.

use bytes::Bytes;
use mirror_core::{
    budget::Reserved,
    pipeline::{DropReason, RequestKey},
};

use super::Outgoing;
use crate::ids::LinkId;

/// What there is to write now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The next bytes of the body.
    Bytes,
    /// Nothing, but more will come.
    Later,
    /// Nothing, the copy is written.
    End,
    /// Nothing, and the copy will never be whole.
    Broken(Broken),
}

/// Why a streamed copy will never be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The client's request broke off, by this.
    Aborted(DropReason),
    /// More came than may wait.
    Overflow,
}

impl Broken {
    /// What broke the client's request off.
    pub(crate) const fn cause(self) -> Option<&'static str> {
        match self {
            Self::Aborted(cause) => Some(cause.name()),
            Self::Overflow => None,
        }
    }
}

/// How far a streamed copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for its turn.
    Waiting,
    /// A connection has it.
    Sending(LinkId),
    /// It is on this stream of an HTTP/2 connection.
    Streaming(LinkId, u32),
}

/// The body of a streamed copy.
#[derive(Debug)]
pub(crate) struct Stream {
    target: usize,
    /// The request that it is of.
    request: RequestKey,
    is_http2: bool,
    outgoing: Outgoing,
    /// Bytes of the header block at the end.
    trailers: usize,
    stage: Stage,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    Finished,
    Broken(Broken),
}

impl Stream {
    pub(super) const fn new(
        target: usize,
        request: RequestKey,
        is_http2: bool,
        outgoing: Outgoing,
    ) -> Self {
        Self {
            target,
            request,
            is_http2,
            outgoing,
            trailers: 0,
            stage: Stage::Waiting,
            ending: Ending::Open,
        }
    }

    /// The target that it goes to.
    pub(crate) const fn target(&self) -> usize {
        self.target
    }

    /// The request that it is of.
    pub(crate) const fn request(&self) -> RequestKey {
        self.request
    }

    pub(super) const fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// Bytes of the trailers' header block, behind the body.
    pub(super) const fn trailers(&self) -> usize {
        self.trailers
    }

    /// Whether the body is whole.
    pub(super) const fn is_finished(&self) -> bool {
        matches!(self.ending, Ending::Finished)
    }

    /// How far the copy is.
    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) const fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Bytes that wait to be written.
    pub(crate) const fn waiting(&self) -> usize {
        self.outgoing.bytes()
    }

    /// Adds bytes to be written, and the memory that they take from the budget.
    pub(crate) fn push(&mut self, bytes: Bytes, reserved: Reserved) {
        self.outgoing.push(bytes, reserved);
    }

    /// Nothing more will come but these trailers, the body is whole. They are nothing in HTTP/1.
    pub(crate) fn finish(&mut self, trailers: Option<Bytes>, reserved: Reserved) {
        if let Some(trailers) = trailers.filter(|_| self.is_http2) {
            self.trailers = trailers.len();
            self.outgoing.push(trailers, reserved);
        }
        self.ending = Ending::Finished;
    }

    /// Nothing more will come, the body is not whole: what waits is dropped at once.
    pub(crate) fn break_off(&mut self, why: Broken) {
        self.ending = Ending::Broken(why);
        self.outgoing.clear();
        self.trailers = 0;
    }

    /// Whether more may come.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.ending, Ending::Open)
    }

    pub(super) fn source(&self) -> Source {
        match self.ending {
            Ending::Broken(why) => Source::Broken(why),
            _ if !self.outgoing.is_empty() => Source::Bytes,
            Ending::Finished => Source::End,
            Ending::Open => Source::Later,
        }
    }

    pub(super) const fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    pub(super) fn advance(&mut self, written: usize) -> usize {
        self.outgoing.advance(written)
    }
}
