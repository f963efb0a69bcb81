//! The daemon: capture, shards and targets put together, until it is told to stop.
//!
//! ```text
//! main thread                              shard threads
//! attach, signals, reports ──Control──►    ring ─► Pipeline ─► Dispatcher
//!          ▲                                            │
//!          └───────────────Counted──────────────────────┘
//! ```

mod addresses;
pub mod clock;
mod daemon;
pub mod replay;
mod shard;

pub use daemon::{Daemon, DaemonConfig};
