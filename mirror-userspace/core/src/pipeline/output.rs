//! What the pipeline hands to whoever sends: copies of requests, ready to write.

use bytes::Bytes;

use super::DropReason;
use crate::{
    budget::Reserved,
    http::h2::{Said, Unseen},
    segment::Time,
};

/// The number of a client connection, unique within one pipeline. Order is kept by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a request is known by from its head to its reply: several requests of one connection may be under
/// way at once, in HTTP/2 many. All of its copies share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey {
    /// The client connection that it came on.
    pub connection: ConnectionId,
    /// Its number on that connection, from 1 on; in HTTP/2 its stream (RFC 9113 section 5.1.1), which the
    /// request before an upgrade to it has as well.
    pub number: u32,
}

/// The place of a target in the configured list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetId(pub usize);

/// The number of a copy, unique within one pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CopyId(pub u64);

/// One thing to do for re-sending.
#[derive(Debug)]
pub enum Output {
    /// A copy that is to be sent, whole or from its first piece on.
    Copy(MirrorCopy),
    /// More of a copy whose body is [`Rest::Streamed`].
    Chunk {
        /// The copy that this is about.
        copy: CopyId,
        /// The bytes to write next.
        bytes: Bytes,
        /// The memory that `bytes` take from the budget.
        reserved: Reserved,
    },
    /// A streamed copy is complete.
    Finish {
        /// The copy that this is about.
        copy: CopyId,
        /// When its last byte was captured.
        at: Time,
        /// Of an HTTP/2 request that ends with trailers, their header block, as in [`Wire::Http2`].
        trailers: Option<Bytes>,
        /// The memory that `trailers` take from the budget.
        reserved: Reserved,
    },
    /// A streamed copy broke: its connection to the target must be closed, so that the target
    /// sees an aborted request and never a shortened one.
    Abort {
        /// The copy that this is about.
        copy: CopyId,
        /// What broke it. The pipeline counts it nowhere: whoever sends knows whether the copy is lost by it.
        cause: DropReason,
    },
    /// Copies of an HTTP/2 request are not wanted any more: whoever is being sent one is told so. There may be none.
    Cancel {
        /// The request.
        request: RequestKey,
        /// Who gave it up.
        why: GivenUp,
    },
    /// v1 answered a request, whether or not a copy of it was sent. Only from a pipeline that
    /// [tells](super::Pipeline::tell_answers).
    Answer {
        /// The request.
        request: RequestKey,
        /// The status of v1's final reply.
        status: u16,
    },
    /// More of that reply, from its head on, in order, and some of what is behind its end. Told after its
    /// [`Answer`](Self::Answer), by a pipeline that tells [replies](super::Pipeline::tell_replies), too.
    Reply {
        /// The request.
        request: RequestKey,
        /// The bytes as v1 sent them, framing included; `None`: nothing that follows was captured.
        bytes: Option<Bytes>,
    },
    /// The same of a request of HTTP/2, in any order with its copies' ends.
    OfV1 {
        /// The request.
        request: RequestKey,
        /// What v1 said.
        said: SaidByV1,
    },
}

/// What v1 said to a request of HTTP/2: as [`Said`] has it. How it answered is said by a
/// pipeline that [tells answers](super::Pipeline::tell_answers), the contents by one that tells
/// [replies](super::Pipeline::tell_replies), too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaidByV1 {
    /// It answered.
    Answer {
        /// The status.
        status: u16,
        /// Of a call of gRPC, its status there.
        grpc: Option<u32>,
    },
    /// It is not known how it answered.
    Unknown,
    /// It gave up without an answer.
    Failed,
    /// The head of the final reply.
    Head {
        /// The status.
        status: u16,
        /// A line for each field but the pseudo-headers, each with its end.
        lines: Bytes,
    },
    /// More of the body.
    Body(Bytes),
    /// Something of the body was not captured.
    BodyMissed,
    /// The lines of the fields behind the body.
    Trailers(Bytes),
    /// The reply is over.
    End,
    /// The rest of the reply is not told.
    Missed(Unseen),
    /// v1 broke the reply off.
    Broken,
}

impl SaidByV1 {
    /// Bytes that it keeps.
    pub(super) const fn size(&self) -> usize {
        match self {
            Self::Head { lines: bytes, .. } | Self::Body(bytes) | Self::Trailers(bytes) => {
                bytes.len()
            }
            _ => 0,
        }
    }
}

impl From<Said<'_>> for SaidByV1 {
    fn from(said: Said<'_>) -> Self {
        let malformed = Self::Missed(Unseen::Malformed);
        match said {
            Said::Answer { status, grpc } => Self::Answer { status, grpc },
            Said::Unknown => Self::Unknown,
            Said::Failed => Self::Failed,
            Said::Head { status, fields } => match fields.to_lines() {
                Some(lines) => Self::Head {
                    status,
                    lines: lines.into(),
                },
                None => malformed,
            },
            Said::Body(bytes) => Self::Body(Bytes::copy_from_slice(bytes)),
            Said::BodyMissed => Self::BodyMissed,
            Said::Trailers(fields) => fields
                .to_lines()
                .map_or(malformed, |lines| Self::Trailers(lines.into())),
            Said::End => Self::End,
            Said::Missed(why) => Self::Missed(why),
            Said::Broken => Self::Broken,
        }
    }
}

/// Why the copies of a request of HTTP/2 are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// Its client no longer wants the reply (RFC 9113 section 6.4). Said only of requests that were complete.
    ByClient,
    /// v1 has not taken it, so that its client may send it again (section 8.7). No more of one that is streamed will
    /// come.
    RefusedByV1,
}

/// A request as one target is to receive it.
#[derive(Debug)]
pub struct MirrorCopy {
    /// The copy's number, by which later pieces name it.
    pub id: CopyId,
    /// The target that the copy goes to.
    pub target: TargetId,
    /// The request that it is a copy of.
    pub request: RequestKey,
    /// When its last captured byte so far was seen by the kernel: mirror lag counts from here.
    pub at: Time,
    /// The version of HTTP that it is sent in, which is its request's.
    pub wire: Wire,
    /// What is to be written, in order: the rewritten head, then the body as far as it is there.
    /// A small request of HTTP/1 is one piece.
    pub pieces: Vec<Bytes>,
    /// Whether `pieces` are the whole copy, or more will follow.
    pub rest: Rest,
    /// How the reply to this copy is to be read.
    pub expect: Expect,
    /// Whether the connection to the target may carry another copy after this one.
    pub persistence: Persistence,
    /// Whether the copy may reach its target twice.
    pub effect: Effect,
    /// The memory that `pieces` take from the budget; drop it when they are written.
    pub reserved: Reserved,
}

/// The version of HTTP that a copy is sent in, and what it makes of [`MirrorCopy::pieces`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1 (RFC 9112): they are the bytes to write.
    Http1,
    /// HTTP/2 (RFC 9113): the first one is the header block, whole, and refers to no dynamic table, so that any
    /// connection can carry it; the others are the body, to be framed.
    Http2 {
        /// The header block of the trailers, of the same kind, if the copy is complete and has any.
        trailers: Option<Bytes>,
    },
}

/// Whether `pieces` are the whole copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// `pieces` are the whole copy.
    Complete,
    /// [`Output::Chunk`]s follow, ended by [`Output::Finish`] or [`Output::Abort`].
    Streamed,
}

/// What a request says of its connection (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// The connection stays open for the next request.
    Persistent,
    /// The target closes it after the reply, whether or not the reply says so.
    Closes,
    /// The copy goes on a connection that is opened for it, and closed behind its reply: its bytes begin with what
    /// is said of that connection.
    Alone,
}

/// What it means for a target to get a request twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, nor does getting it once: the method is GET, HEAD, OPTIONS or TRACE (RFC 9110 section 9.2.1).
    Safe,
    /// The same as getting it once, if nothing else comes between: the method is PUT or DELETE (RFC 9110 section
    /// 9.2.2).
    Idempotent,
    /// Maybe more: any other method.
    Repeats,
}

/// What a reply's framing depends on (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A reply with a body as its fields say.
    Body,
    /// A reply to HEAD: no body, whatever its fields say.
    NoBody,
    /// A reply to CONNECT or to an upgrade: the connection is not used again.
    Tunnel,
}
