//! Why a connection's HTTP/2 is no longer followed.

/// Why nothing more of a connection is mirrored: after any of these the encoder's table is not known any more, and no
/// later header block could be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A frame breaks a rule whose breach is a connection error (RFC 9113 sections 3.4, 5 and 6).
    Framing,
    /// The client breaks a rule, and servers differ in whether that costs the stream or the connection: a header block
    /// or a body on a stream that the client has ended (section 5.1), a new stream after GOAWAY (section 6.8), a
    /// PRIORITY frame that is not five bytes long (section 6.3), a WINDOW_UPDATE of 0 (section 6.9).
    Ambiguous,
    /// A header block does not decode (RFC 7541; COMPRESSION_ERROR of RFC 9113 section 7).
    Compression,
    /// The client's dynamic table is larger than 64 KiB.
    TableSize,
    /// A header block is larger than its limit, or comes in too many frames.
    Block,
    /// The memory budget is used up.
    Memory,
    /// Bytes are missing that may belong to more than one request's body.
    Gap,
}

impl Refusal {
    /// Whether v1 may go on with the connection: its requests are still counted then.
    pub(super) const fn v1_may_go_on(self) -> bool {
        match self {
            Self::Framing | Self::Compression => false,
            Self::Ambiguous | Self::TableSize | Self::Block | Self::Memory | Self::Gap => true,
        }
    }
}
