//! Captures played back: how a file drives the pipeline, and what `podmirror replay --print` says
//! of the requests in it.
//!
//! ```text
//! CaptureFile ─► Playback ─► Pipeline ─► Output (to targets)
//!                                 └────► Printer ─► RequestLine (a JSON object each)
//! ```
//!
//! The file's reader has seen every SYN and tells connections apart better than 4-tuples do. So each
//! connection gets an attachment of its own, and a reused 4-tuple is simply another flow. The clock is the
//! file's; where it steps back, reassembly goes on from there.

mod grpc;
mod line;
mod printer;
mod rfc3339;
#[cfg(test)]
mod tests;

use std::time::Duration;

use mirror_capture::file::StreamNumber;
use mirror_core::{
    pipeline::Pipeline,
    segment::{FlowId, Segment},
    stream,
};

pub use grpc::Grpc;
pub use line::RequestLine;
pub use printer::Printer;

/// A pipeline that is driven by a capture file.
pub struct Playback {
    pipeline: Pipeline,
}

impl Playback {
    /// A playback that feeds a file's segments to `pipeline`.
    #[must_use]
    pub const fn new(pipeline: Pipeline) -> Self {
        Self { pipeline }
    }

    /// Takes the next segment of the capture.
    pub fn handle(&mut self, stream: StreamNumber, segment: &Segment<'_>) {
        let now = segment.at;
        // A capture is read faster than its clock runs: what became due in between comes first.
        if self.pipeline.poll_timeout().is_some_and(|due| due <= now) {
            self.pipeline.handle_timeout(now);
        }
        let flow = FlowId {
            attachment: attachment(stream),
            ..segment.flow
        };
        self.pipeline
            .handle_segment(now, &Segment { flow, ..*segment });
    }

    /// The pipeline, for what it puts out and what it counted.
    pub const fn pipeline(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }
}

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

/// The number of a connection as its flow carries it. A file of more than 4 294 967 296 connections
/// tells the last of them apart by their 4-tuples only.
fn attachment(StreamNumber(number): StreamNumber) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
