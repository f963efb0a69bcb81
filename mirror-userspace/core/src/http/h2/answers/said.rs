//! What is said of v1's answers.

use super::super::FieldList;

/// One thing that v1 said on a stream. Of an answer, [`Answer`](Self::Answer), [`Unknown`](Self::Unknown) or
/// [`Failed`](Self::Failed) is said; of its contents [`Head`](Self::Head), any number of bodies, [`Trailers`](Self::Trailers)
/// if it has any, and [`End`](Self::End); or, at any point, [`Missed`](Self::Missed) or [`Broken`](Self::Broken).
#[derive(Debug)]
pub enum Said<'a> {
    /// How it answered; told with the head, and of calls of gRPC at their end.
    Answer {
        /// The status.
        status: u16,
        /// Of a call of gRPC, its status there; UNKNOWN if it has none.
        grpc: Option<u32>,
    },
    /// It is not known how it answered.
    Unknown,
    /// It gave up, and has not answered.
    Failed,
    /// The head of the final reply, of which all fields are known.
    Head {
        /// The status.
        status: u16,
        /// All fields.
        fields: &'a FieldList,
    },
    /// More of the body, which is whole up to here.
    Body(&'a [u8]),
    /// Something of the body was not captured; no more of it is told.
    BodyMissed,
    /// The fields behind the body.
    Trailers(&'a FieldList),
    /// The reply is over.
    End,
    /// The rest of the reply is not told.
    Missed(Unseen),
    /// v1 broke the reply off.
    Broken,
}

/// Why something of a reply is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// What comes behind its head was not captured.
    Rest,
    /// So much was not captured that nothing is known of it.
    NotCaptured,
    /// Its fields refer to others that were not captured.
    NotDecoded,
    /// It breaks a rule of HTTP/2.
    Malformed,
}

/// UNKNOWN, the status of gRPC that a caller takes a reply without one for.
pub const GRPC_UNKNOWN: u32 = 2;

/// What `grpc-status` says; whatever is none is UNKNOWN, as callers take it.
#[must_use]
pub fn grpc_status(text: &[u8]) -> u32 {
    let digits = text.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(text).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok())
        .unwrap_or(GRPC_UNKNOWN)
}

/// The status of a reply's head: three digits, but for an upgrade, which does not exist here (RFC 9113 section 8.6).
pub(super) fn status(text: &[u8]) -> Option<u16> {
    let [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = text else {
        return None;
    };
    let status = str::from_utf8(text).ok()?.parse().ok()?;
    (status != 101).then_some(status)
}
