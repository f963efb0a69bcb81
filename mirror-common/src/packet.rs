//! The header walk: from a frame's first byte to its TCP payload.
//!
//! Written by hand and not taken from a packet crate, because this very code has to pass the
//! kernel's verifier: no panics, bounded loops, no slices of unknown length.

/// A packet whose bytes can be read at an offset, as far as it goes.
pub trait LoadBytes {
    /// The `N` bytes at `offset`, or `None` if the packet ends before.
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// The packet's length in bytes, paged data included.
    fn total_len(&self) -> usize;
}

/// Why a packet that may be a TCP segment could not be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Unparsable {
    /// The packet ends inside a header.
    Truncated = 0,
    /// A length or version field contradicts the packet.
    Malformed = 1,
    /// An IP fragment: its payload is not a whole segment.
    Fragment = 2,
    /// More IPv6 extension headers than the walk follows.
    TooManyHeaders = 3,
}

impl Unparsable {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Truncated,
        Self::Malformed,
        Self::Fragment,
        Self::TooManyHeaders,
    ];
}
