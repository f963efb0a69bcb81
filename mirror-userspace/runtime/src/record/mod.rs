//! What is mirrored, written to capture files: the *requests*, not the packets that brought them.
//!
//! A recording is made behind the policy, as sending is, so it holds the very requests that a target
//! would have received, and a redacted value never gets near the disk. Each request is
//! written as segments of its connection: a SYN before the first, consecutive sequence numbers,
//! every byte with the time at which it was captured (the head with that of its first byte), a FIN
//! when the connection closes and a RST where a request breaks off. Retransmissions, the sizes of
//! packets, acknowledgments and whatever was not chosen are not in it. A request of HTTP/2 keeps its stream's number,
//! its field lists and its body; the frames around them are made anew, with header blocks that refer to no dynamic table.
//! Each shard writes when its turn comes: order is kept within a connection; between connections of
//! different shards, the timestamps tell it.
//!
//! ```text
//! Pipeline ─► Recorder (one per shard): redact, frame ─► Connections: number ─► Recording (shared): file, rotation
//! ```

mod connections;
mod files;
mod frames;
mod private;
mod recorder;
mod recording;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mirror_core::policy::MutableField;

pub use files::{Files, Rotation};
pub use private::create_private;
pub use recorder::Recorder;
pub use recording::Recording;

/// What every shard records with.
#[derive(Clone, Debug)]
pub struct RecordTo {
    /// The files, shared by all shards.
    pub recording: Arc<Mutex<Recording>>,
    /// Fields whose values are not to be written.
    pub redact: Vec<MutableField>,
    /// What makes a time of the capture's clock one since the Unix epoch.
    pub epoch: Duration,
}
