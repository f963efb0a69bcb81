//! Segments to ordered bytes, connection by connection, from client to server.
//!
//! ```text
//!  Segment ─► FlowTable ─► Assembler ─in order─────────────► StreamEvent::Data
//!             which         its place ─behind a hole─► Queue ─► later, or after a Gap
//!             connection    in the stream
//! ```
//!
//! | file | what it answers |
//! |---|---|
//! | `table` | which connection is it; when is a connection opened, evicted, forgotten |
//! | `assembler` | what does v1's kernel deliver for this segment |
//! | `queue` | which bytes win behind a hole, and how many may wait |
//! | `unconfirmed` | which bytes wait until v1 acknowledges them (`Confirm::Ack`) |
//! | `piece` | where does a segment stand in the stream |
//! | `beginning` | does a SYN begin another connection, or was it read late |
//! | `departed` | is this an old segment of a connection that has ended |
//! | `slab`, `chain`, `clock` | small state, ordered waits, time that only goes forward |
//!
//! The common case, a segment in order on a connection without holes, is one hash, one look-up and
//! one call with the borrowed payload: no copy, no allocation.
//!
//! Known gaps:
//!
//! * A connection of which more than 32 MiB are missed at once is not followed until it has been
//!   silent for the idle time-out.
//! * How far a client's acknowledgments go is not judged: what the client has read since may be any
//!   number of bytes, as segments without payload are not captured.
//! * A 4-tuple that is used again with its SYN missed by the capture looks like stale segments of the
//!   old connection until the idle time-out.
//! * A connection that is picked up in the middle starts with the first segment seen. If that is a
//!   keep-alive probe with a byte of garbage, the garbage is delivered: it can't be told from a
//!   client that writes byte by byte, and whoever looks for the start of a request will skip it.

mod assembler;
mod beginning;
mod chain;
mod clock;
mod counters;
mod departed;
mod event;
mod limits;
mod piece;
mod queue;
mod slab;
mod table;
#[cfg(test)]
mod tests;
mod unconfirmed;
mod work;

pub use counters::{BytesLost, ClosedBy, FlowCounters, Implausible};
pub use event::{Close, Consumer, Data, FromServer, Rest, StreamEvent};
pub use limits::{Confirm, Limits};
pub(crate) use piece::REACH;
pub use table::FlowTable;
