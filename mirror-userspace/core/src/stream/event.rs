//! What reassembly reports of a connection.

use bytes::Bytes;

use crate::segment::{FlowId, SeqNum, Time};

/// One thing that happened to a connection's byte stream, in stream order.
#[derive(Debug)]
pub enum StreamEvent<'a> {
    /// The first event of every connection.
    Opened {
        /// The direction of the connection that is reassembled.
        flow: FlowId,
        /// Whether the SYN was seen: if not, the stream starts somewhere in the middle.
        from_start: bool,
        /// Where it [rested](Consumer::rest), if it is a connection that was forgotten and goes on exactly where it
        /// stopped, or so many bytes behind it as there were before the boundary.
        rested: Option<Rest>,
    },
    /// The next bytes of the stream.
    Data(Data<'a>),
    /// A segment without data, sent right behind all that was delivered, or a FIN. Of segments that are neither,
    /// the kernel programs copy none.
    Acknowledged {
        /// What the client had received from the server when it sent it.
        ack: SeqNum,
    },
    /// The server sent something, which acknowledges what was told before it, or aborted.
    FromServer(FromServer<'a>),
    /// Bytes are missing and will never come: the next `Data` starts this many bytes further on.
    Gap {
        /// How many bytes are missing. At least 1.
        len: u64,
    },
    /// The last event of every connection.
    Closed(Close),
}

/// What a consumer keeps of a connection.
pub trait Consumer: Default {
    /// What is to be known of the connection to go on with it. If it is forgotten only that is remembered, and the
    /// place where it stopped.
    fn rest(&self) -> Option<Rest> {
        None
    }

    /// Whether it wants to be kept although the connection has been silent for longer than [`Limits::idle`]: what it
    /// knows cannot be found again. It is asked again and again, and gives way when there is no room all the same.
    ///
    /// [`Limits::idle`]: super::Limits::idle
    fn stays(&self, _now: Time) -> bool {
        false
    }
}

/// Where a consumer stands in the stream of a connection that sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// So many bytes before a boundary, for certain.
    Before(u64),
    /// Inside something whose end is not known, when the client had received this from the server.
    Inside(Option<SeqNum>),
}

impl Consumer for () {}

/// A segment that the server sent, in the order of its sending. It may be sent again, and its end, or others
/// before it, may not be captured.
#[derive(Clone, Copy, Debug)]
pub struct FromServer<'a> {
    /// The sequence number of its first byte.
    pub seq: SeqNum,
    /// The segment's first bytes, as many as were captured.
    pub bytes: &'a [u8],
    /// How many bytes it had.
    pub wire_len: u32,
    /// When it was captured.
    pub at: Time,
    /// Whether the server ends the connection with it: FIN or RST.
    pub ends: bool,
}

/// In-order bytes of a stream. Never empty.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// The bytes, borrowed: a consumer that keeps them must copy them, or keep [`waited`](Self::waited).
    pub bytes: &'a [u8],
    /// The buffer in which they waited for the server's acknowledgment, if they did.
    pub waited: Option<&'a Bytes>,
    /// Whether they begin where a segment of the sender began (a request often does).
    pub starts_segment: bool,
    /// When they were captured.
    pub at: Time,
    /// What the client had received from the server when it sent them.
    pub ack: Option<SeqNum>,
}

/// How a connection ended, as far as mirroring goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The client finished (FIN) and all bytes before it were delivered or given up.
    Fin,
    /// The client aborted (RST).
    Reset,
    /// A new SYN, and data that followed it, took the 4-tuple.
    Reused,
    /// Nothing arrived for the idle time-out.
    Idle,
    /// Evicted to make room: too many connections, or too much memory.
    Evicted,
    /// The mirror let go of the interface that the connection was seen at.
    Detached,
    /// The mirror is stopping, or the capture file ended.
    Shutdown,
}
