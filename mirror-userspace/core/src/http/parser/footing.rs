//! Whether bytes are read at all.

use super::{Parser, State};

/// Whether a connection's next bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footing {
    /// They are: it is known what they are, or they are kept until it is.
    InStep,
    /// Only if they begin a request for certain.
    OutOfStep,
    /// They are not: where the next request begins is in doubt, or none will.
    Left,
}

impl Parser {
    /// Whether the next bytes are read.
    #[must_use]
    pub const fn footing(&self) -> Footing {
        match &self.state {
            State::Resync(_) => Footing::OutOfStep,
            State::Doubt(_) | State::Left => Footing::Left,
            State::Opening(_)
            | State::Head(_)
            | State::Length { .. }
            | State::Chunked { .. }
            | State::IfTaken { .. }
            | State::Offered { .. }
            | State::Candidate(_)
            | State::Closing(_) => Footing::InStep,
        }
    }
}
