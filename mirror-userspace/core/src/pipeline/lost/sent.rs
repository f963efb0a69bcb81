//! The heads of copies that cannot be asked any more when they are lost.

use super::line::request_line;
use crate::pipeline::{RequestKey, Wire};

/// Bytes of a head that are remembered.
const BYTES: usize = 192;

/// The first bytes of the copies that were handed over last, of those whose bytes are let go when they are written:
/// dispatch keeps the bytes of the others, to send them again.
pub(super) struct Sent {
    places: usize,
    next: usize,
    all: Vec<Head>,
}

#[derive(Clone, Copy)]
struct Head {
    request: RequestKey,
    is_http2: bool,
    len: usize,
    bytes: [u8; BYTES],
}

impl Sent {
    /// What one costs.
    pub(super) const COST: usize = size_of::<Head>();

    /// Remembers so many.
    pub(super) const fn new(places: usize) -> Self {
        Self {
            places,
            next: 0,
            all: Vec::new(),
        }
    }

    /// Remembers one more.
    pub(super) fn push(&mut self, request: RequestKey, wire: &Wire, head: &[u8]) {
        if self.next >= self.places {
            self.next = 0;
        }
        if self.all.is_empty() {
            self.all.reserve_exact(self.places);
        }
        if self.all.len() <= self.next && self.all.len() < self.places {
            self.all.push(Head {
                request,
                is_http2: false,
                len: 0,
                bytes: [0; BYTES],
            });
        }
        let Some(place) = self.all.get_mut(self.next) else {
            return;
        };
        self.next += 1;
        place.request = request;
        place.is_http2 = matches!(wire, Wire::Http2 { .. });
        place.len = head.len().min(BYTES);
        if let (Some(to), Some(from)) = (place.bytes.get_mut(..place.len), head.get(..place.len)) {
            to.copy_from_slice(from);
        }
    }

    /// The request line of this request, if it is remembered.
    pub(super) fn line(&self, request: RequestKey) -> Option<Box<str>> {
        let head = self.all.iter().find(|head| head.request == request)?;
        let wire = if head.is_http2 {
            Wire::Http2 { trailers: None }
        } else {
            Wire::Http1
        };
        request_line(&wire, head.bytes.get(..head.len)?)
    }
}
