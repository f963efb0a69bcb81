//! How much reassembly may keep, and for how long.

use std::time::Duration;

use super::queue::Wait;

/// How long to wait for bytes that the server has: longer than the rings of several CPUs differ by.
const LATE: Duration = Duration::from_millis(20);

/// When the bytes of a stream are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirm {
    /// At once: it is taken for granted that the server gets what the capture saw. The default.
    #[default]
    None,
    /// Once the server has acknowledged them, by a segment that it sent
    /// ([`Direction::ToClient`](crate::segment::Direction::ToClient)) or by what its kernel
    /// [waited for](crate::segment::Segment::expected). Where neither is captured, nothing is told.
    /// Bytes that wait cost their length and 224 bytes a segment, out of the room for data behind
    /// holes, and at most `unconfirmed_bytes` a connection; what finds no room is a gap. Holes that the
    /// server has not acknowledged past are waited for without limit of time.
    Ack,
}

/// The bounds of a [`FlowTable`](super::FlowTable).
///
/// The memory of all connections together, and of all data queued behind holes, comes out of the
/// shard's [`Budget`](crate::budget::Budget): connections may take an eighth of it, queued data a
/// quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once. Default 65 536, at least 1; one more evicts the least recently
    /// active. Worst-case memory of the default: 65 536 × (168 bytes + the consumer's state).
    pub connections: usize,
    /// Bytes *allocated* for one connection's data behind a hole. Default 1 MiB; a segment costs
    /// its payload and 192 bytes. Beyond it the hole is given up.
    pub queued_bytes: usize,
    /// Bytes *allocated* for what one connection's server has not acknowledged. Default 8 MiB: a client may send as
    /// much as the server's window, which Linux lets grow to 6 MiB (`tcp_rmem`), and while the server's process holds
    /// its socket nothing is acknowledged.
    pub unconfirmed_bytes: usize,
    /// How long to wait for missing bytes. Default 1 s: long enough for a sender's first two retransmissions
    /// on a local network (after 200 and 600 ms). Bytes that the server is known to have are waited for for 20 ms
    /// only, as captures of several CPUs may be out of order; those that it is known not to have, without limit.
    pub gap_wait: Duration,
    /// How long a connection may be silent before it is forgotten, unless its consumer
    /// [wants it kept](super::Consumer::stays). Default 120 s. What it sends
    /// later is picked up again in the middle; of one whose consumer says [where it stands](super::Consumer::rest), the
    /// place is remembered, for a day and for the last 8 192 of them (416 bytes each), and it goes on there.
    pub idle: Duration,
    /// Whether bytes wait for the server's acknowledgment. Default none.
    pub confirm: Confirm,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            queued_bytes: 1 << 20,
            unconfirmed_bytes: 8 << 20,
            gap_wait: Duration::from_secs(1),
            idle: Duration::from_secs(120),
            confirm: Confirm::None,
        }
    }
}

impl Limits {
    /// How long a wait may last.
    pub(super) fn patience(&self, wait: Wait) -> Duration {
        if wait.overtaken {
            self.gap_wait.min(LATE)
        } else {
            self.gap_wait
        }
    }
}
