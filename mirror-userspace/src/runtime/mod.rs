//! The daemon: capture, shards and targets put together, until it is told to stop.
//!
//! ```text
//! main thread                              shard threads
//! attach, signals, reports ──Control──►    ring ─► Pipeline ─► Dispatcher
//!          ▲                                            │
//!          └───────────────Counted──────────────────────┘
//! ```

pub mod clock;
mod daemon;
mod names;
pub mod replay;
mod shard;

pub use daemon::{Daemon, DaemonConfig};
