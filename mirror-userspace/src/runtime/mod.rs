//! The daemon: capture, shards and targets put together, until it is told to stop.
//!
//! ```text
//! main thread                              shard threads, shared by mirrors
//! signals, reports, rates ───Control──►    ring ─► whose? ─► Pipeline ─► Dispatcher
//! attachments come and go                   ▲           │
//!    │      ▲                               │           │
//!    │      └───────────────Counted─────────┼───────────┘
//!    └─► kernel programs ───────records─────┘
//! ```

pub mod clock;
mod daemon;
mod fault;
mod lost;
mod notice;
mod panics;
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
