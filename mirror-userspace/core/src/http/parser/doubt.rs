//! Behind a head whose framing is in doubt: nothing is a request before every reading of it has ended.

use super::{Chunked, Fed, Limits, Resync, State};
use crate::http::framing::Readings;

/// What is left of each reading of a doubtful request.
#[derive(Debug)]
pub(super) struct Doubt {
    length: u64,
    chunked: Option<Chunked>,
}

impl Doubt {
    /// What comes behind a request that may be read in these ways.
    pub(super) fn behind(readings: Readings) -> State {
        if readings.last || readings.length == u64::MAX {
            return State::Left;
        }
        let doubt = Self {
            length: readings.length,
            chunked: readings.chunked.then(Chunked::default),
        };
        if doubt.is_over() {
            State::Resync(Resync::inside())
        } else {
            State::Doubt(Box::new(doubt))
        }
    }

    const fn is_over(&self) -> bool {
        self.length == 0 && self.chunked.is_none()
    }

    /// Passes over the next bytes. Returns what comes behind the last reading, once it has ended: these very
    /// bytes are not looked at again, since the client sent them before v1 could say anything new.
    pub(super) fn pass(&mut self, bytes: &[u8], limits: &Limits) -> Option<State> {
        self.length = self.length.saturating_sub(bytes.len() as u64);
        if let Some(chunked) = &mut self.chunked {
            match chunked.feed(bytes, limits, |_| {}) {
                Fed::More => {}
                Fed::End(_) => self.chunked = None,
                // Who reads chunks here does not find their end where we would.
                Fed::Refused(..) => return Some(State::Left),
            }
        }
        self.is_over().then(|| State::Resync(Resync::inside()))
    }

    /// Passes over missing bytes.
    pub(super) fn skip(&mut self, len: u64) -> Option<State> {
        self.length = self.length.saturating_sub(len);
        if self
            .chunked
            .as_mut()
            .is_some_and(|chunked| !chunked.skip(len))
        {
            return Some(State::Left);
        }
        // The client may have begun anything in what is missing.
        self.is_over().then(|| State::Resync(Resync::announced()))
    }
}
