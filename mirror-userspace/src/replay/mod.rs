//! Captures played back: how a file drives the pipeline, and what `podmirror replay --print` says
//! of the requests in it.
//!
//! ```text
//! CaptureFile ─► Playback ─► Pipeline ─► Output (to targets)
//!                                 └────► Printer ─► RequestLine (a JSON object each)
//! ```

mod grpc;
mod line;
mod playback;
mod printer;
mod rfc3339;
#[cfg(test)]
mod tests;

use std::time::Duration;

use mirror_core::stream;

pub use grpc::Grpc;
pub use line::RequestLine;
pub use playback::Playback;
pub use printer::Printer;

/// The limits for reassembling a capture: missing bytes are waited for as long as a server would. In a live
/// mirror a gap delays everything behind it; in a file, nobody waits.
#[must_use]
pub fn patience() -> stream::Limits {
    let limits = stream::Limits::default();
    stream::Limits {
        gap_wait: limits.idle.max(Duration::from_secs(120)),
        ..limits
    }
}
