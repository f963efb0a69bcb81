//! How much reassembly may keep, and for how long.

use std::time::Duration;

/// The bounds of a [`FlowTable`](super::FlowTable).
///
/// The memory of all connections together, and of all data queued behind holes, comes out of the
/// shard's [`Budget`](crate::budget::Budget): connections may take an eighth of it, queued data a
/// quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once. Default 65 536, at least 1; one more evicts the least recently
    /// active. Worst-case memory of the default: 65 536 × (144 bytes + the consumer's state).
    pub connections: usize,
    /// Bytes *allocated* for one connection's data behind a hole. Default 1 MiB; a segment costs
    /// its payload and 192 bytes. Beyond it the hole is given up.
    pub queued_bytes: usize,
    /// How long to wait for missing bytes. Default 1 s: long enough for a sender's first two retransmissions
    /// on a local network (after 200 and 600 ms).
    pub gap_wait: Duration,
    /// How long a connection may be silent before it is forgotten. Default 120 s. What it sends
    /// later is picked up again in the middle.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            queued_bytes: 1 << 20,
            gap_wait: Duration::from_secs(1),
            idle: Duration::from_secs(120),
        }
    }
}
