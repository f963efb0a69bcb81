//! Why copies are dropped before they are handed over.

use crate::{
    counters::Sum,
    http::{
        Lost,
        h2::{Loss, Refusal},
    },
    stream::Close,
};

/// Why a copy was dropped before it was handed to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The byte stream did not give a whole, trustworthy request.
    Lost(Lost),
    /// No memory was left to keep it.
    OverBudget,
    /// A recording did not take all of it; counted where nothing is sent.
    RecordFailed,
    /// HTTP/2: it is on a connection whose beginning was not captured, so that its head cannot be read. As a rule the
    /// connection was open before the mirror was attached, or was silent for longer than the mirror remembers.
    BeforeAttach,
    /// HTTP/2: CONNECT, extended or not (RFC 9113 section 8.5, RFC 8441): what follows is not HTTP.
    Connect,
    /// HTTP/2: too many requests of its connection were open.
    TooManyStreams,
    /// HTTP/2: its connection broke a rule of frames (RFC 9113 sections 3.4 to 6).
    Framing,
    /// HTTP/2: a header block of its connection did not decode (RFC 7541).
    Compression,
    /// HTTP/2: the client's dynamic table is larger than the decoder's limit.
    TableSize,
    /// HTTP/2: a header block of its connection was larger than its limit, or came in too many frames.
    HeaderBlock,
}

impl DropReason {
    /// All reasons, in the order in which they are printed.
    pub const ALL: [Self; 20] = [
        Self::Lost(Lost::Gap),
        Self::Lost(Lost::Reset),
        Self::Lost(Lost::Truncated),
        Self::Lost(Lost::Idle),
        Self::Lost(Lost::Evicted),
        Self::Lost(Lost::Detached),
        Self::Lost(Lost::Shutdown),
        Self::Lost(Lost::Ambiguous),
        Self::Lost(Lost::Malformed),
        Self::Lost(Lost::TooLarge),
        Self::Lost(Lost::RefusedByV1),
        Self::OverBudget,
        Self::RecordFailed,
        Self::BeforeAttach,
        Self::Connect,
        Self::TooManyStreams,
        Self::Framing,
        Self::Compression,
        Self::TableSize,
        Self::HeaderBlock,
    ];

    /// The reason's name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost(Lost::Gap) => "gap",
            Self::Lost(Lost::Reset) => "reset",
            Self::Lost(Lost::Truncated) => "truncated",
            Self::Lost(Lost::Idle) => "idle",
            Self::Lost(Lost::Evicted) => "evicted",
            Self::Lost(Lost::Detached) => "detached",
            Self::Lost(Lost::Shutdown) => "shutdown",
            Self::Lost(Lost::Ambiguous) => "ambiguous",
            Self::Lost(Lost::Malformed) => "malformed",
            Self::Lost(Lost::TooLarge) => "too_large",
            Self::Lost(Lost::RefusedByV1) => "refused_by_v1",
            Self::OverBudget => "over_budget",
            Self::RecordFailed => "record_failed",
            Self::BeforeAttach => "before_attach",
            Self::Connect => "connect",
            Self::TooManyStreams => "too_many_streams",
            Self::Framing => "http2_framing",
            Self::Compression => "http2_compression",
            Self::TableSize => "http2_table_size",
            Self::HeaderBlock => "http2_header_block",
        }
    }
}

impl From<Lost> for DropReason {
    fn from(why: Lost) -> Self {
        Self::Lost(why)
    }
}

impl From<Loss> for DropReason {
    fn from(why: Loss) -> Self {
        match why {
            Loss::Malformed => Self::Lost(Lost::Malformed),
            Loss::TooLarge => Self::Lost(Lost::TooLarge),
            Loss::Connect => Self::Connect,
            Loss::TooManyStreams => Self::TooManyStreams,
            Loss::Memory | Loss::Connection(Refusal::Memory) => Self::OverBudget,
            Loss::Gap | Loss::Connection(Refusal::Gap) => Self::Lost(Lost::Gap),
            Loss::Connection(Refusal::Framing) => Self::Framing,
            Loss::Connection(Refusal::Ambiguous) => Self::Lost(Lost::Ambiguous),
            Loss::Connection(Refusal::Compression) => Self::Compression,
            Loss::Connection(Refusal::TableSize) => Self::TableSize,
            Loss::Connection(Refusal::Block) => Self::HeaderBlock,
            Loss::Closed(why) => Self::Lost(why),
        }
    }
}

/// A count for each [`DropReason`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// Counts one request dropped for this reason.
    pub fn count(&mut self, reason: DropReason) {
        if let Some(place) = DropReason::ALL.iter().position(|known| *known == reason)
            && let Some(count) = self.0.get_mut(place)
        {
            *count += 1;
        }
    }

    /// The count of this reason.
    #[must_use]
    pub fn of(&self, reason: DropReason) -> u64 {
        let mut all = self.iter();
        all.find(|(known, _)| *known == reason)
            .map_or(0, |(_, count)| count)
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.0.iter().copied())
    }

    /// The sum over all reasons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Sum for Drops {
    fn add(&mut self, more: &Self) {
        self.0.add(&more.0);
    }
}

/// What an unfinished request is lost by when its connection ends.
pub(super) const fn lost_by(close: Close) -> Lost {
    match close {
        Close::Reset => Lost::Reset,
        Close::Fin | Close::Reused => Lost::Truncated,
        Close::Idle => Lost::Idle,
        Close::Evicted => Lost::Evicted,
        Close::Detached => Lost::Detached,
        Close::Shutdown => Lost::Shutdown,
    }
}
