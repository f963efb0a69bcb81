//! Captures played back: what `podmirror replay` says of the requests in them.

mod inspector;
mod line;
mod rfc3339;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::flow;

pub use inspector::Inspector;
pub use line::RequestLine;

/// How a capture is reassembled: as patiently as the server itself waited for what was missing.
/// In a live mirror a hole delays everything behind it; in a file nothing waits.
#[must_use]
pub fn patience() -> flow::Limits {
    let limits = flow::Limits::default();
    flow::Limits {
        gap_wait: limits.idle.max(Duration::from_secs(120)),
        ..limits
    }
}
