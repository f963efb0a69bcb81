//! Connections whose beginning was not seen.
//!
//! Without the header blocks before it no block can be decoded, but frames, stream numbers and what opens a stream can
//! be read. So the requests of such a connection are counted, and never guessed.
//!
//! A connection is HTTP/2 once two frame headers chain: the first where a segment of the client began, the second where
//! the first one's payload ends, both as clients write them (no undefined flag, no reserved bit, the first payload of
//! at most 16 KiB). From there on frames are counted exactly: a HEADERS frame opens a stream if its number is above all
//! that were seen. Two things can't be known. A stream that was opened before and ends with trailers is counted once
//! more if nothing else of it was seen. Where bytes are missing beyond the end of a frame, there may have been more
//! requests: [`Seen::OutOfStep`] says so, and frames are sought again by the same rule.

use super::{
    collect::{Collected, take},
    frame::{FrameHeader, HEADER, Kind},
};
use crate::http::Input;

/// The longest payload of a frame that is taken for the first: the limit that holds unless a server raises it
/// (RFC 9113 section 4.2). No text and no TLS record passes for less.
pub(super) const LONGEST: u32 = 1 << 14;

/// Counts the requests of a connection that cannot be decoded.
#[derive(Debug)]
pub struct Counter {
    state: State,
    /// The highest number of a stream that was seen to be used.
    highest: u32,
    known: bool,
}

#[derive(Debug)]
enum State {
    /// It is not known where a frame begins.
    Seeking,
    /// A frame may have begun; `first` is its header once that has come.
    Trying {
        first: Option<FrameHeader>,
        left: u32,
        header: Collected<HEADER>,
    },
    /// The next frame begins behind `left` bytes.
    InStep {
        left: u32,
        header: Collected<HEADER>,
    },
}

/// What a [`Counter`] has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The connection is HTTP/2; said once.
    Http2,
    /// A request was begun on this stream.
    Opened(u32),
    /// Requests may have been missed.
    OutOfStep,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            state: State::Seeking,
            highest: 0,
            known: false,
        }
    }
}

impl Counter {
    /// For a connection that was followed so far: the next frame header comes after so many bytes, if that is known.
    pub(super) fn of_lost(highest: u32, left: Option<u32>) -> Self {
        Self {
            state: left.map_or(State::Seeking, in_step),
            highest,
            known: true,
        }
    }

    /// Whether the connection is HTTP/2 for certain.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// Takes the next bytes.
    pub fn handle_data(&mut self, input: Input<'_>, emit: &mut dyn FnMut(Seen)) {
        let tried = matches!(self.state, State::Trying { .. });
        self.attempt(&input);
        self.run(input.bytes, emit);
        // What seemed to be a frame was none; this input may begin with one.
        if tried && self.attempt(&input) {
            self.run(input.bytes, emit);
        }
    }

    fn attempt(&mut self, input: &Input<'_>) -> bool {
        let worth = input.starts_segment && matches!(self.state, State::Seeking);
        if worth {
            self.state = State::Trying {
                first: None,
                left: 0,
                header: Collected::default(),
            };
        }
        worth
    }

    fn run(&mut self, mut bytes: &[u8], emit: &mut dyn FnMut(Seen)) {
        loop {
            let (left, header) = match &mut self.state {
                State::Seeking => return,
                State::Trying { left, header, .. } | State::InStep { left, header } => {
                    (left, header)
                }
            };
            take(&mut bytes, left);
            let Some(raw) = header.fill(&mut bytes) else {
                return;
            };
            let header = FrameHeader::parse(raw);
            self.on_header(&header, is_usual(&raw, &header), emit);
        }
    }

    fn on_header(&mut self, header: &FrameHeader, usual: bool, emit: &mut dyn FnMut(Seen)) {
        let begun = match &self.state {
            State::Trying { first, .. } => Some(*first),
            State::Seeking | State::InStep { .. } => None,
        };
        self.state = match begun {
            Some(None) if usual && header.len <= LONGEST => State::Trying {
                first: Some(*header),
                left: header.len,
                header: Collected::default(),
            },
            Some(Some(first)) if usual => {
                if !self.known {
                    self.known = true;
                    emit(Seen::Http2);
                }
                self.note(&first, emit);
                self.note(header, emit);
                in_step(header.len)
            }
            Some(_) => State::Seeking,
            None if header.check().is_ok() => {
                self.note(header, emit);
                in_step(header.len)
            }
            None => {
                emit(Seen::OutOfStep);
                State::Seeking
            }
        };
    }

    fn note(&mut self, header: &FrameHeader, emit: &mut dyn FnMut(Seen)) {
        let uses = match header.kind {
            Kind::Headers | Kind::Data | Kind::Reset | Kind::WindowUpdate => header.stream % 2 == 1,
            _ => false,
        };
        if !uses || header.stream <= self.highest {
            return;
        }
        self.highest = header.stream;
        if header.kind == Kind::Headers {
            emit(Seen::Opened(header.stream));
        }
    }

    /// `len` bytes of the stream are missing.
    pub fn handle_gap(&mut self, len: u64, emit: &mut dyn FnMut(Seen)) {
        let inside = match &mut self.state {
            State::Seeking => return,
            State::Trying { left, .. } | State::InStep { left, .. } => {
                match u64::from(*left).checked_sub(len) {
                    Some(rest) => {
                        *left = u32::try_from(rest).unwrap_or_default();
                        true
                    }
                    None => false,
                }
            }
        };
        if !inside {
            if matches!(self.state, State::InStep { .. }) {
                emit(Seen::OutOfStep);
            }
            self.state = State::Seeking;
        }
    }
}

fn in_step(left: u32) -> State {
    State::InStep {
        left,
        header: Collected::default(),
    }
}

/// Whether such headers are written, by clients and by servers: those that a server has to accept are too many to tell frames by.
pub(super) fn is_usual(raw: &[u8; HEADER], header: &FrameHeader) -> bool {
    let &[_, _, _, _, flags, reserved, ..] = raw;
    let defined = match header.kind {
        Kind::Data => 0x9,
        Kind::Headers => 0x2d,
        Kind::Settings | Kind::Ping => 0x1,
        Kind::Continuation => 0x4,
        Kind::Priority | Kind::Reset | Kind::GoAway | Kind::WindowUpdate => 0,
        Kind::PushPromise | Kind::Unknown => return false,
    };
    let fits = match header.kind {
        Kind::Headers | Kind::Continuation => header.len > 0,
        Kind::Priority => header.len == 5,
        _ => true,
    };
    flags & !defined == 0 && reserved & 0x80 == 0 && fits && header.check().is_ok()
}
