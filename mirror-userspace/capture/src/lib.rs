//! The edge in: where segments come from.
//!
//! [`live`] has the kernel copy them off an interface, [`mod@file`] reads them from captures that
//! somebody made. Both give the same [`Segment`](mirror_core::segment::Segment)s.

pub mod file;
pub mod live;

pub use live::{
    AddressHolder, AttachmentId, Batch, Capture, Hook, InterfaceId, LiveConfig, Mark, Method,
    Netns, OpenNetns, Place, Programs, Read, Record, RingKind, RingReader, Rings, Tap, as_usual,
    check, object,
};
