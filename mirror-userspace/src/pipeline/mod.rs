//! flow, http and policy behind `handle_*` and `poll_*`.

mod output;

pub use output::{ConnectionId, CopyId, Expect, MirrorCopy, Output, Rest, TargetId};
