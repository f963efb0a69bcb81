//! The daemon: capture, shards and targets put together, until it is told to stop.
//!
//! ```text
//! main thread                              shard threads
//! signals, reports, rates ───Control──►    ring ─► Pipeline ─► Dispatcher
//! attachments come and go                   ▲           │
//!    │      ▲                               │           │
//!    │      └───────────────Counted─────────┼───────────┘
//!    └─► kernel programs ───────records─────┘
//! ```

pub mod clock;
mod daemon;
mod fault;
mod names;
mod panics;
pub mod replay;
mod shard;

pub use daemon::{Daemon, DaemonConfig};
pub use names::of_targets as target_names;
