//! Finding the next request in a connection that is out of step.
//!
//! A connection is out of step when it was picked up in the middle, when bytes are missing whose meaning is
//! not known, and behind a request whose end was in doubt. What comes next may be the inside of a body, and
//! a body may hold bytes that look like a request: its sender chooses them, and the service before v1 may have
//! let them pass only because they were a body. So a segment is taken for the start of a request
//! only if
//!
//! 1. it begins where a segment of the sender began, as a request nearly always does;
//! 2. it begins with a well-known method, or with a whole request line; its head must then prove
//!    complete, well-formed and unambiguous (if not, the search goes on and nothing is counted);
//! 3. its acknowledgement number is beyond that of all input before it: the server has said something in
//!    between, as it does when a request is over;
//! 4. it is the first input behind a gap or an attach, and the one behind it acknowledges more again. What rule 3
//!    says there may be due to a request whose head is missing, so that it is kept as a [candidate] until the
//!    server has spoken behind it, too. If the next segment comes without that, both are parts of a body, and
//!    from there on rule 3 is proof enough. If nothing comes, not even a FIN that acknowledges more, it is lost.
//!
//! Residual risk. Whoever can choose the bytes of a body *and* their cut into segments *and* have all of it
//! but its very last segment lost to the capture gets that one taken for a request. Where rule 3 holds alone,
//! the server must have spoken in the middle of that body (a 100 Continue, an early reply, an echo). Requests that
//! a client pipelines right behind a loss are the price: they wait for the server's next word.
//!
//! [candidate]: super::parser

use super::{
    HttpEvent, Input, Limits, Lost, Protocol,
    detect::begins_known_method,
    scan::{Oddness, Scan, Scanned},
};

/// A connection out of step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resync {
    /// Whether the connection was already said to carry HTTP/1.
    pub(super) announced: bool,
    /// Whether the stream is known to be inside something.
    pub(super) inside: bool,
    /// Requests lost before the connection was known to carry HTTP/1, to be told once it is.
    pub(super) untold: u32,
}

impl Resync {
    /// Anything may come next on a connection that carries HTTP/1.
    pub(super) const fn announced() -> Self {
        Self {
            announced: true,
            inside: false,
            untold: 0,
        }
    }

    /// The stream is inside something on a connection that carries HTTP/1.
    pub(super) const fn inside() -> Self {
        Self {
            inside: true,
            ..Self::announced()
        }
    }

    /// These bytes began no request: the stream is inside something.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.inside = true;
        // A TLS record (RFC 8446 section 5.1): what was lost before it was no request.
        if !self.announced && matches!(bytes, [0x14..=0x17, 0x03, 0..=4, ..]) {
            self.untold = 0;
        }
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

    /// The connection has ended out of step.
    pub(super) fn give_up(self, emit: &mut impl FnMut(HttpEvent<'_>)) {
        if !self.announced {
            emit(HttpEvent::Protocol(Protocol::Undecided));
            for _ in 0..self.untold {
                emit(HttpEvent::Lost(Lost::Gap));
            }
        }
    }
}

impl Input<'_> {
    /// Whether this may begin a request: where a segment begins, with a well-known method or a whole
    /// request line.
    pub(super) fn seems_a_request(&self, limits: &Limits) -> bool {
        if !self.starts_segment {
            return false;
        }
        let mut scan = Scan::default();
        let scanned = scan.feed(self.bytes, limits, Oddness::Refuse);
        !matches!(scanned, Scanned::Refused(_))
            && (scan.past_request_line() || begins_known_method(self.bytes))
    }
}

/// Whether the server was heard between two inputs (RFC 9293 section 3.4: numbers wrap).
pub(super) fn advanced(before: Option<u32>, now: Option<u32>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => now.wrapping_sub(before).cast_signed() > 0,
        _ => false,
    }
}
