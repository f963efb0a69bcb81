//! Finding the next request in a connection that is out of step.
//!
//! A connection is out of step when it was picked up in the middle, or when bytes are missing
//! whose meaning is not known. What comes next may be the inside of a body, and a body may hold
//! bytes that look like a request: its sender chooses them, and the service before v1 may have
//! let them pass only because they were a body. So a segment is taken for the start of a request
//! only if
//!
//! 1. it begins where a segment of the sender began, as a request nearly always does;
//! 2. it begins with a well-known method, or with a whole request line; its head must then prove
//!    complete, well-formed and unambiguous (if not, the search goes on and nothing is counted);
//! 3. where the connection is known to be inside a message, its acknowledgement number is beyond
//!    that of the input before it: the server has said something in between, as it does when a
//!    request is over. It is known after a gap in a chunked body, and after any input that began
//!    no request.
//!
//! Residual risk. After a gap that swallowed a whole head with the beginning of its body, or at
//! the attach, rule 3 does not hold for the very next input: whoever can choose the bytes of a
//! body *and* their cut into segments *and* have the segment before it lost to the capture gets
//! one of them taken for a request. Where rule 3 holds, the server must also have spoken in the
//! middle of that body (a 100 Continue, an early reply, an echo). Requests that a client pipelines right behind a
//! loss are the price: they wait for the server's next word.

use super::{
    HttpEvent, Input, Limits, Lost, Protocol,
    detect::begins_known_method,
    scan::{Scan, Scanned},
};

/// A connection out of step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resync {
    /// Whether the connection was already said to carry HTTP/1.
    pub(super) announced: bool,
    /// Whether the stream is known to be inside a message (rule 3).
    pub(super) inside: bool,
    /// Requests lost before the connection was known to carry HTTP/1, to be told once it is.
    pub(super) untold: u32,
}

impl Resync {
    /// Whether this input may begin a request. `last_ack` is that of the input before it.
    pub(super) fn admits(self, input: &Input<'_>, last_ack: Option<u32>, limits: &Limits) -> bool {
        input.starts_segment
            && (!self.inside || advanced(last_ack, input.ack))
            && looks_like_request(input.bytes, limits)
    }

    /// The connection is in step again.
    pub(super) fn confirm(self, emit: &mut impl FnMut(HttpEvent<'_>)) {
        if !self.announced {
            emit(HttpEvent::Protocol(Protocol::Http1));
        }
        for _ in 0..self.untold {
            emit(HttpEvent::Lost(Lost::Gap));
        }
    }
}

/// Whether the server was heard between two inputs (RFC 9293 section 3.4: numbers wrap).
fn advanced(before: Option<u32>, now: Option<u32>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => now.wrapping_sub(before).cast_signed() > 0,
        _ => false,
    }
}

/// Rule 2, as far as the bytes go.
fn looks_like_request(bytes: &[u8], limits: &Limits) -> bool {
    let mut scan = Scan::default();
    let scanned = scan.feed(bytes, limits);
    !matches!(scanned, Scanned::Refused(_))
        && (scan.past_request_line() || begins_known_method(bytes))
}
