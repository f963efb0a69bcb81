//! Frame headers (RFC 9113 section 4.1) and what section 6 says of each in the client's direction.

use super::Refusal;

/// Bytes of a frame header.
pub const HEADER: usize = 9;
/// END_STREAM, of DATA and HEADERS.
pub const END_STREAM: u8 = 0x1;
/// END_HEADERS, of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;
/// ACK, of SETTINGS and PING.
pub const ACK: u8 = 0x1;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of a body (section 6.1).
    Data,
    /// A header block begins (section 6.2).
    Headers,
    /// Deprecated; to be skipped (section 6.3).
    Priority,
    /// The client gives a stream up (section 6.4).
    Reset,
    /// SETTINGS (section 6.5).
    Settings,
    /// Only a server sends it (section 6.6).
    PushPromise,
    /// PING (section 6.7).
    Ping,
    /// GOAWAY (section 6.8).
    GoAway,
    /// WINDOW_UPDATE (section 6.9).
    WindowUpdate,
    /// A header block goes on (section 6.10).
    Continuation,
    /// An extension's: to be skipped (section 5.5).
    Unknown,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the payload: at most 2^24 - 1.
    pub len: u32,
    /// The frame's type.
    pub kind: Kind,
    /// Its flags; what they mean depends on the kind.
    pub flags: u8,
    /// The stream's number, without the reserved bit; 0 is the connection.
    pub stream: u32,
}

impl FrameHeader {
    /// Reads a frame header. Every nine bytes are one; [`FrameHeader::check`] says whether a client may send it.
    #[must_use]
    pub const fn parse(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind: Kind::of(kind),
            flags,
            stream: u32::from_be_bytes([d & 0x7f, e, f, g]),
        }
    }

    /// What a server has to answer with a connection error, as far as the header alone says so. The limit of a frame's
    /// length is not part of it: the server announces that one.
    ///
    /// # Errors
    /// [`Refusal::Framing`].
    pub const fn check(&self) -> Result<(), Refusal> {
        if self.is_well_formed() {
            Ok(())
        } else {
            Err(Refusal::Framing)
        }
    }

    /// Whether either side may send it, where nothing is pushed (section 8.4), as far as the header alone says so: a
    /// frame of this kind has such a length, and such a stream or none (section 6).
    #[must_use]
    pub const fn is_well_formed(&self) -> bool {
        let on_stream = self.stream != 0;
        match self.kind {
            // A client's streams have odd numbers (section 5.1.1), and nothing has a body on others.
            Kind::Data | Kind::Headers | Kind::Continuation => self.stream % 2 == 1,
            // A wrong length is an error of the stream only (section 6.3).
            Kind::Priority => on_stream,
            Kind::Reset => on_stream && self.len == 4,
            Kind::Settings if self.flags & ACK != 0 => !on_stream && self.len == 0,
            Kind::Settings => !on_stream && self.len.is_multiple_of(6),
            Kind::PushPromise => false,
            Kind::Ping => !on_stream && self.len == 8,
            Kind::GoAway => !on_stream && self.len >= 8,
            Kind::WindowUpdate => self.len == 4,
            Kind::Unknown => true,
        }
    }
}

impl Kind {
    const fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::Reset,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(len: u8, kind: u8, flags: u8, stream: u8) -> Result<(), Refusal> {
        FrameHeader::parse([0, 0, len, kind, flags, 0, 0, 0, stream]).check()
    }

    #[test]
    fn a_header_is_read_without_its_reserved_bit() {
        let header = FrameHeader::parse([1, 2, 3, 1, 5, 0xff, 0xff, 0xff, 0xff]);
        let expected = FrameHeader {
            len: 0x01_0203,
            kind: Kind::Headers,
            flags: END_STREAM | END_HEADERS,
            stream: (1 << 31) - 1,
        };
        assert_eq!(header, expected);
    }

    #[test]
    fn what_a_client_may_send_passes() {
        let good = [
            (0, 0, 0, 1),
            (9, 1, 4, 3),
            (9, 9, 4, 3),
            (5, 2, 0, 2),
            (4, 3, 0, 1),
            (0, 4, 1, 0),
            (12, 4, 0, 0),
            (8, 6, 0, 0),
            (8, 7, 0, 0),
            (4, 8, 0, 0),
            (4, 8, 0, 1),
            (7, 200, 0, 4),
        ];
        for (len, kind, flags, stream) in good {
            assert_eq!(
                checked(len, kind, flags, stream),
                Ok(()),
                "{kind} {len} {stream}"
            );
        }
    }

    #[test]
    fn connection_errors_are_refused() {
        let bad = [
            (0, 0, 0, 0),
            (9, 1, 4, 0),
            (9, 1, 4, 2),
            (9, 9, 4, 0),
            (5, 2, 0, 0),
            (4, 3, 0, 0),
            (5, 3, 0, 1),
            (6, 4, 1, 0),
            (7, 4, 0, 0),
            (6, 4, 0, 1),
            (9, 5, 4, 1),
            (7, 6, 0, 0),
            (8, 6, 0, 1),
            (7, 7, 0, 0),
            (8, 7, 0, 1),
            (3, 8, 0, 0),
        ];
        for (len, kind, flags, stream) in bad {
            let refused = Err(Refusal::Framing);
            assert_eq!(
                checked(len, kind, flags, stream),
                refused,
                "{kind} {len} {stream}"
            );
        }
    }
}
