//! What the reader says of a connection.

use super::{FieldList, Refusal};
use crate::http;

/// One thing that was found in a connection's byte stream, in its order.
///
/// A request is `Head`, any number of `Body`, `Trailers` if it has any, then exactly one of `End`, `Reset` and `Lost`;
/// the events of several requests interleave. A `Lost` with no `Head` before is a request that never had a whole and
/// trustworthy head.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stream was opened with a well-formed request (RFC 9113 section 8.3.1).
    Head(Head<'a>),
    /// Bytes of a body, without padding.
    Body {
        /// The request's stream.
        stream: u32,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// The body is over, and well-formed trailers follow (RFC 9113 section 8.1).
    Trailers {
        /// The request's stream.
        stream: u32,
        /// In order, as in [`Head::fields`]; there may be none.
        fields: &'a FieldList,
    },
    /// The request is complete.
    End {
        /// The request's stream.
        stream: u32,
    },
    /// The client gave the request up (RFC 9113 section 6.4). It may come after `End` too, more than once, and for a
    /// stream of which nothing was said: then it is about the reply.
    Reset {
        /// The request's stream.
        stream: u32,
        /// Why, by RFC 9113 section 7; 8 is CANCEL.
        code: u32,
    },
    /// A request was lost; `End` will not come.
    Lost {
        /// The request's stream.
        stream: u32,
        /// Why it was lost.
        why: Loss,
    },
    /// No further request will be told. Those that were open have been told as lost before, each of them.
    ConnectionLost(Refusal),
    /// From here on, the `Lost` of a connection that is lost are the fewest requests that there were.
    OutOfStep,
}

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The stream, by which all else of the request is told.
    pub stream: u32,
    /// The value of `:method`: a token.
    pub method: &'a [u8],
    /// The value of `:scheme`.
    pub scheme: &'a [u8],
    /// The value of `:authority`, without user information.
    pub authority: Option<&'a [u8]>,
    /// The value of `:path`: not empty.
    pub path: &'a [u8],
    /// All fields in the client's order: pseudo-headers, duplicates and cookie crumbs as they were sent, and which of
    /// them may never be indexed.
    pub fields: &'a FieldList,
    /// Whether the request ends with its head: it has neither body nor trailers.
    pub ends: bool,
    /// The value of `content-length`.
    pub length: Option<u64>,
    /// Whether it is a call of gRPC, by its `content-type`.
    pub is_grpc: bool,
}

/// Why a request was not told whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// RFC 9113 section 8 calls it malformed: v1 answers with a stream error.
    Malformed,
    /// Its field list is past the limit, or the connection's lists are past what its bytes allow.
    TooLarge,
    /// CONNECT, extended or not (RFC 9113 section 8.5, RFC 8441): what follows is not HTTP.
    Connect,
    /// Too many requests of its connection are open.
    TooManyStreams,
    /// The memory budget is used up.
    Memory,
    /// Bytes of its body are missing.
    Gap,
    /// Its connection is lost.
    Connection(Refusal),
    /// The request's connection ended before the request did.
    Closed(http::Lost),
}
