//! A copy that waits or is being sent.

use mirror_core::{
    pipeline::{ConnectionId, CopyId, Effect, Expect, Persistence, RequestKey},
    segment::Time,
};

use bytes::Bytes;

use super::Outgoing;

/// The header blocks of a copy in HTTP/2, which are the first and the last of its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    /// Bytes of the one that opens its stream.
    pub(crate) head: usize,
    /// Bytes of its trailers, if they are there from the beginning.
    pub(crate) trailers: usize,
}

impl Blocks {
    /// Of these pieces, the first of which is the header block; those of the trailers are put behind them.
    pub(super) fn join(pieces: &mut Vec<Bytes>, trailers: Option<Bytes>) -> Self {
        let len = |block: Option<&Bytes>| block.map_or(0, Bytes::len);
        let blocks = Self {
            head: len(pieces.first()),
            trailers: len(trailers.as_ref()),
        };
        pieces.extend(trailers);
        blocks
    }
}

/// A copy that waits or is being sent.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: CopyId,
    pub(crate) at: Time,
    pub(crate) connection: ConnectionId,
    /// Its number on that connection.
    number: u32,
    pub(super) target: usize,
    /// Of a copy in HTTP/2.
    pub(crate) blocks: Option<Blocks>,
    pub(crate) expect: Expect,
    pub(crate) persistence: Persistence,
    effect: Effect,
    /// Whether its method lets it share a connection, before the replies to others.
    joins: bool,
    /// The bytes to write; those of a streamed copy are in [`Copies`](super::Copies).
    whole: Option<Outgoing>,
    /// Whether a byte of it was ever written.
    begun: bool,
    /// Whether it is being sent for the second time, since a connection closed without a word of it.
    retried: bool,
    /// How often a target did not take it.
    turned_away: u8,
    /// Until the last byte is written.
    unwritten: bool,
}

impl Job {
    pub(super) const fn new(
        id: CopyId,
        at: Time,
        request: RequestKey,
        whole: Option<Outgoing>,
        expect: Expect,
        persistence: Persistence,
        effect: Effect,
    ) -> Self {
        Self {
            id,
            at,
            connection: request.connection,
            number: request.number,
            target: 0,
            blocks: None,
            expect,
            persistence,
            effect,
            joins: !matches!(effect, Effect::Repeats),
            whole,
            begun: false,
            retried: false,
            turned_away: 0,
            unwritten: true,
        }
    }

    /// The request that it is a copy of.
    pub(crate) const fn request(&self) -> RequestKey {
        RequestKey {
            connection: self.connection,
            number: self.number,
        }
    }

    /// Whether it is sent in HTTP/2.
    #[inline]
    pub(crate) const fn is_http2(&self) -> bool {
        self.blocks.is_some()
    }

    /// The bytes to write, if nothing will be added to them.
    #[inline]
    pub(crate) const fn whole(&self) -> Option<&Outgoing> {
        self.whole.as_ref()
    }

    /// Whether it is one in HTTP/2 of which more may come, nobody knows for how long.
    pub(crate) const fn is_open_ended(&self) -> bool {
        self.whole.is_none() && self.is_http2()
    }

    pub(super) const fn whole_mut(&mut self) -> Option<&mut Outgoing> {
        self.whole.as_mut()
    }

    /// It joins others only if its method is safe.
    pub(crate) const fn join_if_safe(&mut self) {
        self.joins = matches!(self.effect, Effect::Safe);
    }

    /// Whether its connection is for it alone. Copies behind it would wait for its source, or be lost
    /// with the connection; or nobody could tell whether the target has taken it when the connection
    /// closes behind the reply to a copy before it.
    #[inline]
    pub(crate) const fn is_exclusive(&self) -> bool {
        let ends = !matches!(self.persistence, Persistence::Persistent);
        self.whole.is_none() || ends || !self.joins || matches!(self.expect, Expect::Tunnel)
    }

    /// Whether it goes on a connection that was never used, and nothing behind it.
    #[inline]
    pub(crate) const fn is_alone(&self) -> bool {
        matches!(self.persistence, Persistence::Alone)
    }

    /// Whether it may be sent again, if it was not before.
    #[inline]
    pub(crate) const fn is_repeatable(&self) -> bool {
        !matches!(self.effect, Effect::Repeats) && self.whole.is_some()
    }

    /// It may have to be sent again: what is written of it is kept.
    pub(crate) fn keep(&mut self) {
        if let Some(outgoing) = &mut self.whole {
            outgoing.keep();
        }
    }

    /// It is not to be sent again.
    pub(crate) fn forget(&mut self) {
        if let Some(outgoing) = &mut self.whole {
            outgoing.forget();
        }
    }

    pub(super) fn rewind(&mut self) {
        if let Some(outgoing) = &mut self.whole {
            outgoing.rewind();
        }
    }

    /// Whether a byte of it was ever written.
    pub(crate) const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Whether it is being sent for the second time, since a connection closed without a word of it.
    pub(crate) const fn is_retried(&self) -> bool {
        self.retried
    }

    /// It is sent for the second time from now on, for that reason.
    pub(crate) const fn retry(&mut self) {
        self.retried = true;
    }

    /// A target did not take it, and it is sent elsewhere.
    pub(crate) const fn turn_away(&mut self) {
        self.turned_away = self.turned_away.saturating_add(1);
    }

    /// How often that was so.
    pub(crate) const fn turned_away(&self) -> u8 {
        self.turned_away
    }

    /// Its first byte is written; whether for the first time.
    #[inline]
    pub(crate) const fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    /// Whether bytes of it are still to be written.
    #[cfg(debug_assertions)]
    pub(crate) const fn is_unwritten(&self) -> bool {
        self.unwritten
    }

    /// What it was before.
    pub(super) const fn set_unwritten(&mut self, unwritten: bool) -> bool {
        std::mem::replace(&mut self.unwritten, unwritten)
    }
}
