//! What a connection may cost, and what its readers have in common.

use super::{FieldList, Refusal, hpack::Decoder};
use crate::{budget::Budget, http};

/// Bounds on everything that a client can make as long as it likes. A body is not among them: it is passed on as it
/// comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a field list, by the measure of RFC 9113 section 6.5.2. Default 64 KiB. What is larger costs its
    /// request.
    pub list: usize,
    /// Bytes of a header block, as it is on the wire. Default 128 KiB; a block that does not come in one piece takes as
    /// much memory. What is larger costs the connection, since the dynamic table cannot follow it.
    pub block: usize,
    /// CONTINUATION frames of a header block. Default 64, which is 1 MiB in frames of the smallest limit that a server
    /// may set. More cost the connection.
    pub continuations: u32,
    /// Requests of one connection whose end has not come yet. Default 4096, which is 256 KiB. More are not followed.
    pub streams: usize,
    /// Bytes of field lists for each byte that the client sent, on average: an index of one byte can stand for a field
    /// of 64 KiB. Default 256, at most [`SAVED`] saved up. While less than `list` is left, requests are lost.
    pub gain: usize,
}

/// Bytes of field lists that a connection may make at once, however little it has sent: 1 MiB.
pub const SAVED: usize = 1 << 20;

/// Bytes of field lists that a connection may still have decoded, see [`Limits::gain`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Credit(usize);

impl Default for Credit {
    fn default() -> Self {
        Self(SAVED)
    }
}

impl Credit {
    /// So many bytes have come.
    pub(super) fn earn(&mut self, bytes: usize, limits: &Limits) {
        let more = bytes.saturating_mul(limits.gain);
        self.0 = self.0.saturating_add(more).min(SAVED);
    }

    /// Decodes a block to the shared list. While there is not enough for the longest list, none is made: trying would use
    /// up what is earned.
    ///
    /// # Errors
    /// Those of [`Decoder::decode`].
    pub(super) fn decode(
        &mut self,
        decoder: &mut Decoder,
        block: &[u8],
        limits: &Limits,
        list: &mut FieldList,
    ) -> Result<(), Refusal> {
        let enough = self.0 >= limits.list.min(SAVED);
        list.set_limit(if enough { limits.list } else { 0 });
        decoder.decode(block, list)?;
        if enough {
            self.0 = self.0.saturating_sub(list.size());
        }
        Ok(())
    }
}

impl From<http::Limits> for Limits {
    /// A field list may be as large as a head of HTTP/1.
    fn from(limits: http::Limits) -> Self {
        let default = Self::default();
        Self {
            list: limits.head,
            block: default.block.max(2 * limits.head),
            ..default
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            list: 64 * 1024,
            block: 128 * 1024,
            continuations: 64,
            streams: 4096,
            gain: 256,
        }
    }
}

/// What the readers of a shard use one after the other.
#[derive(Debug)]
pub struct Shared {
    /// What each connection may cost.
    pub limits: Limits,
    /// Where all memory comes from that is kept between two calls.
    pub budget: Budget,
    /// The list that is being decoded.
    pub(super) list: FieldList,
}

impl Shared {
    /// With these limits, out of this budget.
    #[must_use]
    pub const fn new(limits: Limits, budget: Budget) -> Self {
        Self {
            limits,
            budget,
            list: FieldList::new(limits.list),
        }
    }
}
