//! The last losses: what is known of each, so that a person can be told why a request did not arrive.
//!
//! Everything here is bounded: how many losses are kept and in how many bytes ([`Kept`]), how many a second are
//! written down at all ([`Allowance`]), and of how many connections the last segments are remembered ([`Trails`]).
//! Nothing is done for a request that is not lost but to remember those segments.

mod allowance;
mod kept;
mod ring;
#[cfg(test)]
mod tests;
mod trails;

pub use allowance::Allowance;
pub use kept::Kept;
pub use ring::Latest;
pub use trails::{TrailLimits, Trails};

use crate::segment::{Direction, FlowId, SeqNum, TcpFlags, Time};

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepLost {
    /// Most losses (default 0: none, and nothing is remembered of connections).
    pub losses: usize,
    /// Most payload bytes of each segment (default 0: its header only).
    pub bytes: usize,
}

/// Under what the ledger counts a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Why {
    /// The row's path: `requests.dropped`, `replies.failed`, `segments`.
    pub row: &'static str,
    /// The reason in it.
    pub reason: &'static str,
}

impl Why {
    /// A copy that was not sent.
    #[must_use]
    pub const fn dropped(reason: &'static str) -> Self {
        Self {
            row: "requests.dropped",
            reason,
        }
    }

    /// A copy that got no reply.
    #[must_use]
    pub const fn failed(reason: &'static str) -> Self {
        Self {
            row: "replies.failed",
            reason,
        }
    }
}

/// One loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Its number in this process, from 1 on: later ones have higher numbers.
    pub number: u64,
    /// When it was lost, on the capture's clock.
    pub at: Time,
    /// What it is counted as.
    pub why: Why,
    /// Of a request that broke off while it was streamed: what broke it.
    pub cause: Option<&'static str>,
    /// How many it stands for.
    pub count: u64,
    /// The connection, if it is known.
    pub flow: Option<FlowId>,
    /// The target that did not get it, by its place among the targets; all of them, if that is not said.
    pub target: Option<usize>,
    /// The request line as copies have it, if it is known, without what is no text.
    pub line: Option<Box<str>>,
    /// The last segments of the connection, the oldest first.
    pub segments: Vec<Remembered>,
}

impl Loss {
    /// What keeping it costs.
    fn bytes(&self) -> usize {
        let segments = self.segments.iter();
        let segments: usize = segments
            .map(|segment| size_of::<Remembered>() + segment.bytes.len())
            .sum();
        size_of::<Self>() + self.line.as_ref().map_or(0, |line| line.len()) + segments
    }
}

/// What is remembered of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// When it was captured.
    pub at: Time,
    /// Which end sent it.
    pub direction: Direction,
    /// Its sequence number.
    pub seq: SeqNum,
    /// Its acknowledgment number, if it has one.
    pub ack: Option<SeqNum>,
    /// Its flags.
    pub flags: TcpFlags,
    /// Bytes of its payload on the wire.
    pub len: u32,
    /// The first of them, as many as are kept.
    pub bytes: Box<[u8]>,
}
