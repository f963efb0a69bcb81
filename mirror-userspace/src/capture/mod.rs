//! The edge in: where segments come from.
//!
//! [`live`] has the kernel copy them off an interface, [`mod@file`] reads them from captures that
//! somebody made. Both give the same [`Segment`](crate::segment::Segment)s.

pub mod file;
pub mod live;

pub use live::{
    Capture, Hook, KernelCounters, LiveConfig, Method, Netns, OpenNetns, RingCounters, RingKind,
    RingReader, check, object,
};
