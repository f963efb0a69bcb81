//! What runs podmirror's mirrors: capture, core and dispatch put together, until they are told to stop.
//!
//! ```text
//! main thread                              shard threads, shared by mirrors
//! signals, reports, rates ───Control──►    ring ─► whose? ─► Pipeline ─► Dispatcher, or Recorder
//! attachments come and go                   ▲           │
//!    │      ▲                               │           │
//!    │      └───────────────Counted─────────┼───────────┘
//!    └─► kernel programs ───────records─────┘
//! ```
//!
//! [`Daemon`] is one mirror; it joins [`Shards`], rings and a thread for each, which mirrors may share; attachments come and
//! go. `shard/mod.rs` is the loop that everything passes: ring, pipeline, dispatcher, sleep. [`record`] writes requests to
//! capture files instead of sending them; [`replay`] reads a capture file instead of a ring, by way of [`playback`].
//!
//! Flags, documents and reports are the business of those who start a daemon: of the program, `mirror-userspace`.

pub mod clock;
mod daemon;
mod fault;
mod lost;
mod notice;
mod panics;
pub mod playback;
pub mod record;
pub mod replay;
mod shard;
mod shards;
mod sink;
mod until;

pub use daemon::{Daemon, DaemonConfig};
pub use lost::Lost;
pub use shard::UnclaimedRecords;
pub use shards::Shards;
pub use sink::{Sink, Target, Targets};
