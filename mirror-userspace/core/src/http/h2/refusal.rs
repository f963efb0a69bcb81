//! Why a connection's HTTP/2 is no longer followed.

/// Why nothing more of a connection is mirrored: after any of these the encoder's table is not known any more, and no
/// later header block could be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A frame header breaks a rule whose breach is a connection error (RFC 9113 section 6).
    Framing,
    /// A header block does not decode (RFC 7541; COMPRESSION_ERROR of RFC 9113 section 7).
    Compression,
    /// The client's dynamic table is larger than 64 KiB.
    TableSize,
    /// The memory budget is used up.
    Memory,
}
