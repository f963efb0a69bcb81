//! A copy on its way: what is left to write, and where more comes from.

use std::{
    cell::{Cell, RefCell, RefMut},
    rc::Rc,
    task::Waker,
};

use bytes::Bytes;
use mirror_core::{
    budget::Reserved,
    pipeline::{ConnectionId, Expect, MirrorCopy, Persistence, Rest},
    segment::Time,
};

use super::outgoing::Outgoing;

/// A copy that waits or is being sent.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) at: Time,
    pub(super) connection: ConnectionId,
    pub(super) expect: Expect,
    pub(super) persistence: Persistence,
    body: Body,
    /// Whether a byte of it was ever written.
    begun: bool,
    /// Counts the copy as unwritten until its last byte is written.
    unwritten: Option<Ticket>,
}

/// How many copies of a shard are there that are not written whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwritten(Rc<Cell<usize>>);

/// Counts one unwritten copy until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket(Unwritten);

impl Unwritten {
    pub(super) fn is_empty(&self) -> bool {
        self.0.get() == 0
    }

    fn ticket(&self) -> Ticket {
        self.0.set(self.0.get() + 1);
        Ticket(self.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Unwritten(count) = &self.0;
        count.set(count.get().saturating_sub(1));
    }
}

#[derive(Debug)]
enum Body {
    Whole(Outgoing),
    Streamed(Rc<Stream>),
}

/// What there is to write now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// There are bytes to write.
    Bytes,
    /// Nothing at the moment; more will come.
    Later,
    /// Nothing: the whole copy has been written.
    End,
    /// Nothing: the copy broke off and will never be whole.
    Broken(Broken),
}

/// Why a streamed copy will never be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The request broke off: bytes were lost, or the client aborted it.
    Aborted,
    /// More bytes arrived than may wait: the target reads too slowly.
    Overflow,
}

impl Job {
    /// Makes a job of a copy. For a streamed one, also returns where the rest of its body is to be put.
    pub(super) fn new(copy: MirrorCopy, unwritten: &Unwritten) -> (Self, Option<Rc<Stream>>) {
        let outgoing = Outgoing::new(copy.pieces, copy.reserved);
        let (body, stream) = match copy.rest {
            Rest::Complete => (Body::Whole(outgoing), None),
            Rest::Streamed => {
                let stream = Rc::new(Stream::new(outgoing));
                (Body::Streamed(Rc::clone(&stream)), Some(stream))
            }
        };
        let job = Self {
            at: copy.at,
            connection: copy.request.connection,
            expect: copy.expect,
            persistence: copy.persistence,
            body,
            begun: false,
            unwritten: Some(unwritten.ticket()),
        };
        (job, stream)
    }

    /// Counts the copy as written: its last byte is, or no more of it will be.
    pub(super) fn set_written(&mut self) {
        self.unwritten = None;
    }

    /// What there is to write now.
    pub(super) fn source(&self) -> Source {
        match &self.body {
            Body::Whole(outgoing) if outgoing.is_empty() => Source::End,
            Body::Whole(_) => Source::Bytes,
            Body::Streamed(stream) => stream.source(),
        }
    }

    /// Shows `look` what there is to write.
    pub(super) fn with_outgoing<R>(&self, look: impl FnOnce(&Outgoing) -> R) -> R {
        match &self.body {
            Body::Whole(outgoing) => look(outgoing),
            Body::Streamed(stream) => look(&stream.outgoing()),
        }
    }

    /// What there is to write, if the copy is whole.
    pub(super) const fn whole(&self) -> Option<&Outgoing> {
        match &self.body {
            Body::Whole(outgoing) => Some(outgoing),
            Body::Streamed(_) => None,
        }
    }

    /// Takes the first of `written` bytes as written of this copy; returns how many are left for the next.
    pub(super) fn advance(&mut self, written: usize) -> usize {
        match &mut self.body {
            Body::Whole(outgoing) => outgoing.advance(written),
            Body::Streamed(stream) => stream.outgoing().advance(written),
        }
    }

    /// Whether the copy must have its connection to itself: copies behind it would wait for its source, or
    /// be lost with the connection.
    pub(super) const fn is_exclusive(&self) -> bool {
        let streamed = matches!(self.body, Body::Streamed(_));
        let ends = matches!(self.persistence, Persistence::Closes);
        streamed || ends || matches!(self.expect, Expect::Tunnel)
    }

    /// The copy is sent behind another one: keeps what is written of it, for as long as it may have to be
    /// sent again.
    pub(super) fn keep(&mut self) {
        if let Body::Whole(outgoing) = &mut self.body {
            outgoing.keep();
        }
    }

    /// The copy will not be sent again: lets go of what is written.
    pub(super) fn forget(&mut self) {
        if let Body::Whole(outgoing) = &mut self.body {
            outgoing.forget();
        }
    }

    /// Prepares the copy to be sent again, from its first byte on.
    pub(super) fn rewind(&mut self, unwritten: &Unwritten) {
        if let Body::Whole(outgoing) = &mut self.body {
            outgoing.rewind();
        }
        self.unwritten.get_or_insert_with(|| unwritten.ticket());
    }

    /// Whether a byte of it was ever written.
    pub(super) const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Notes that the copy's first byte is written; returns whether for the first time.
    pub(super) const fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    /// Whether the copy was dropped, and counted as such, while it waited.
    pub(super) fn is_dropped(&self) -> bool {
        matches!(&self.body, Body::Streamed(stream) if matches!(stream.stage(), Stage::Ended))
    }

    /// Sets the stage that a streamed copy has reached.
    pub(super) fn set_stage(&self, stage: Stage) {
        if let Body::Streamed(stream) = &self.body {
            stream.inner.borrow_mut().stage = stage;
        }
    }

    /// Wakes `waker` when [`source`](Self::source) changes.
    pub(super) fn wake_on_more(&self, waker: &Waker) {
        if let Body::Streamed(stream) = &self.body {
            stream.inner.borrow_mut().waker = Some(waker.clone());
        }
    }
}

impl Drop for Job {
    /// Releases what is kept for the copy, however it ended.
    fn drop(&mut self) {
        if let Body::Streamed(stream) = &self.body {
            stream.end();
        }
    }
}

/// The body of a streamed copy, from dispatcher --bytes--> to the connection that sends it.
#[derive(Debug)]
pub(super) struct Stream {
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    outgoing: Outgoing,
    stage: Stage,
    ending: Ending,
    waker: Option<Waker>,
}

/// How far the copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The copy waits for its turn.
    Waiting,
    /// A connection has it.
    Sending,
    /// The copy has been sent, has failed or was dropped: what still arrives is of no use.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    Finished,
    Broken(Broken),
}

impl Stream {
    const fn new(outgoing: Outgoing) -> Self {
        Self {
            inner: RefCell::new(Inner {
                outgoing,
                stage: Stage::Waiting,
                ending: Ending::Open,
                waker: None,
            }),
        }
    }

    /// How far the copy is.
    pub(super) fn stage(&self) -> Stage {
        self.inner.borrow().stage
    }

    /// Bytes that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.inner.borrow().outgoing.bytes()
    }

    /// Appends bytes of the body that are to be written next.
    pub(super) fn push(&self, bytes: Bytes, reserved: Reserved) {
        self.change(|inner| inner.outgoing.push(bytes, reserved));
    }

    /// Nothing more will come: the body is complete.
    pub(super) fn finish(&self) {
        self.change(|inner| inner.ending = Ending::Finished);
    }

    /// Nothing more will come, and the body is incomplete: what waits is dropped at once.
    pub(super) fn break_off(&self, why: Broken) {
        self.change(|inner| {
            inner.ending = Ending::Broken(why);
            inner.outgoing.clear();
        });
    }

    /// The copy has ended, one way or another.
    pub(super) fn end(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.stage = Stage::Ended;
        inner.outgoing.clear();
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner.borrow_mut();
        change(&mut inner);
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    fn source(&self) -> Source {
        let inner = self.inner.borrow();
        match inner.ending {
            Ending::Broken(why) => Source::Broken(why),
            _ if !inner.outgoing.is_empty() => Source::Bytes,
            Ending::Finished => Source::End,
            Ending::Open => Source::Later,
        }
    }

    fn outgoing(&self) -> RefMut<'_, Outgoing> {
        RefMut::map(self.inner.borrow_mut(), |inner| &mut inner.outgoing)
    }
}
