//! The state machine of one connection: which kind of bytes comes next.

mod candidate;
mod doubt;
mod footing;
mod loss;
mod opening;
mod proof;
mod request;
mod rest;

use candidate::Candidate;
use doubt::Doubt;
use request::BodyIs;

use super::{
    HttpEvent, Limits, Lost, Protocol, Upgrade,
    chunked::{Chunked, Fed},
    framing::After,
    reader::{Kept, Reader, Standing},
    resync::{Resync, advanced},
    scan::Blank,
};
use crate::budget::Budget;
pub use footing::Footing;
pub use proof::Answer;
pub use rest::Rest;

/// The next bytes of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The bytes, in order.
    pub bytes: &'a [u8],
    /// Whether they begin where a segment of the sender began.
    pub starts_segment: bool,
    /// The acknowledgement number that came with them: what the client had received by then.
    pub ack: Option<u32>,
}

/// Finds the requests in the bytes of one connection.
///
/// Holds at most 64 bytes and, while a head is incomplete, the head so far (at most [`Limits::head`],
/// reserved from the budget); 200 bytes more while what seems to be a request is not proven to be one. Work
/// is linear in the bytes, however they are split.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// The highest acknowledgement number so far.
    last_ack: Option<u32>,
}

#[derive(Debug)]
enum State {
    /// Nothing has come, or a part of a PROXY header.
    Opening(Option<Box<Kept>>),
    /// Between requests, or in a head.
    Head(Reader),
    /// In a body of known length. `lost`: its request was lost or refused.
    Length {
        remaining: u64,
        after: After,
        lost: bool,
        body: BodyIs,
    },
    /// In a chunked body.
    Chunked {
        chunks: Chunked,
        after: After,
        lost: bool,
        body: BodyIs,
    },
    /// Behind a head whose framing is in doubt.
    Doubt(Box<Doubt>),
    /// Behind a request that v1 may have refused: `counted` as in [`After::IfTaken`].
    IfTaken { blank: Blank, counted: bool },
    /// Behind an offer to leave HTTP/1.
    Offered { upgrade: Upgrade, blank: Blank },
    /// Out of step: waiting for a segment that begins a request.
    Resync(Resync),
    /// Out of step, in what seems to be a request.
    Candidate(Box<Candidate>),
    /// The client said that nothing will follow (RFC 9112 section 9.6).
    Closing(Blank),
    /// Nothing that follows is parsed.
    Left,
}

impl Default for State {
    fn default() -> Self {
        Self::Opening(None)
    }
}

impl State {
    fn in_step() -> Self {
        Self::Head(Reader::new(Standing::InStep))
    }
}

impl Parser {
    /// A connection begins; whatever was before is forgotten. `from_start`: its first byte will be
    /// the stream's first, otherwise it is picked up somewhere in the middle.
    pub fn handle_open(&mut self, from_start: bool) {
        self.last_ack = None;
        self.state = if from_start {
            State::default()
        } else {
            State::Resync(Resync::default())
        };
    }

    /// Whether the next byte would be the first of a request: no request is unfinished.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        match &self.state {
            State::Opening(kept) => kept.is_none(),
            State::Head(reader) => reader.is_empty(),
            State::Length { .. } | State::Chunked { .. } => false,
            State::Doubt(_)
            | State::IfTaken { .. }
            | State::Offered { .. }
            | State::Resync(_)
            | State::Candidate(_)
            | State::Closing(_)
            | State::Left => true,
        }
    }

    /// Takes the next bytes. Memory for an incomplete head comes from `budget`; if it is refused, the
    /// request counts as [`Lost::Evicted`] and the connection is no longer followed.
    pub fn handle_data(
        &mut self,
        input: Input<'_>,
        limits: &Limits,
        budget: &Budget,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        let on_trial = self.is_on_trial();
        self.resume(&input, limits, emit);
        self.run(input.bytes, limits, budget, emit);
        // What seemed to begin a request did not; this input may.
        if on_trial && matches!(self.state, State::Resync(_)) {
            self.resume(&input, limits, emit);
            self.run(input.bytes, limits, budget, emit);
        }
        // One byte alone says nothing: keep-alive probes carry one that was sent before, or never
        // (RFC 9293 section 3.8.4). That it may begin a request does not change it.
        let begins = !on_trial && self.is_on_trial();
        if input.bytes.len() == 1 && (begins || matches!(self.state, State::Resync(_))) {
            return;
        }
        if let State::Resync(resync) = &mut self.state {
            resync.pass(input.bytes);
        }
        if self.last_ack.is_none() || advanced(self.last_ack, input.ack) {
            self.last_ack = input.ack;
        }
    }

    fn run(
        &mut self,
        mut bytes: &[u8],
        limits: &Limits,
        budget: &Budget,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        while !bytes.is_empty() {
            let (rest, after) = match &mut self.state {
                State::Opening(_) => (self.open(bytes, limits, budget, emit), None),
                State::Head(_) => match self.read_head(bytes, limits, budget, emit) {
                    Some(rest) => (rest, None),
                    None => return,
                },
                State::Length {
                    remaining,
                    after,
                    lost,
                    body,
                } => {
                    *body = BodyIs::Sent;
                    let (body, rest) = split(bytes, remaining);
                    let ended = (*remaining == 0).then_some(*after);
                    if !*lost {
                        emit(HttpEvent::Body(body));
                        if ended.is_some() {
                            emit(HttpEvent::End);
                        }
                    }
                    (rest, ended)
                }
                State::Chunked {
                    chunks,
                    after,
                    lost,
                    body,
                } => {
                    *body = BodyIs::Sent;
                    let (lost, after) = (*lost, *after);
                    let (len, ended, refused) = match chunks.feed(bytes, limits, |_| {}) {
                        Fed::More => (bytes.len(), None, None),
                        Fed::End(len) => (len, Some(after), None),
                        Fed::Refused(len, why) => (len, None, Some(why)),
                    };
                    let (body, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
                    if !body.is_empty() && !lost {
                        emit(HttpEvent::Body(body));
                    }
                    if let Some(why) = refused {
                        return self.refuse_body(why, lost, emit);
                    }
                    if ended.is_some() && !lost {
                        emit(HttpEvent::End);
                    }
                    (rest, ended)
                }
                State::Doubt(doubt) => {
                    if let Some(passed) = doubt.pass(bytes, limits) {
                        self.state = passed;
                    }
                    return;
                }
                State::IfTaken { blank, counted } => match blank.skip(bytes) {
                    Ok([]) => return,
                    _ => {
                        let counted = *counted;
                        return self.lose_unproven(counted, emit);
                    }
                },
                State::Offered { upgrade, blank } => match blank.skip(bytes) {
                    Ok([]) => return,
                    _ => {
                        let upgrade = *upgrade;
                        return self.leave_upgraded(upgrade, emit);
                    }
                },
                State::Candidate(candidate) => {
                    if let Err(resync) = candidate.take(bytes, limits, budget) {
                        self.state = State::Resync(resync);
                    }
                    return;
                }
                State::Closing(blank) => match blank.skip(bytes) {
                    Ok([]) => return,
                    // v1 will not read it as a request (RFC 9112 section 9.6); neither does v2.
                    _ => return self.refuse(Lost::Malformed, Standing::InStep, emit),
                },
                State::Resync(_) | State::Left => return,
            };
            if let Some(after) = after {
                self.proceed(after, emit);
            }
            bytes = rest;
        }
    }

    /// The connection has ended. `why` is what an unfinished request counts as, and what seemed to be a request
    /// and was not proven to be one: its client may have broken off an upload there.
    pub fn handle_close(&mut self, why: Lost, emit: &mut impl FnMut(HttpEvent<'_>)) {
        match std::mem::replace(&mut self.state, State::Left) {
            State::Length { lost: false, .. } | State::Chunked { lost: false, .. } => {
                emit(HttpEvent::Lost(why));
            }
            State::Head(reader) => match reader.standing {
                Standing::InStep | Standing::Offered if reader.is_empty() => {}
                Standing::InStep => emit(HttpEvent::Lost(reader.odd().unwrap_or(why))),
                Standing::Tentative(resync) => resync.give_up(emit),
                Standing::Undecided => emit(HttpEvent::Protocol(Protocol::Undecided)),
                Standing::Offered => emit(HttpEvent::Protocol(Protocol::Upgraded)),
                Standing::Accepted => {}
            },
            State::Opening(_) => emit(HttpEvent::Protocol(Protocol::Undecided)),
            State::Resync(resync) => resync.give_up(emit),
            State::Candidate(candidate) if candidate.is_complete() => {
                candidate.resync.confirm(emit);
                emit(HttpEvent::Lost(why));
            }
            State::Candidate(candidate) => candidate.resync.give_up(emit),
            State::Length { .. }
            | State::Chunked { .. }
            | State::Doubt(_)
            | State::IfTaken { .. }
            | State::Offered { .. }
            | State::Closing(_)
            | State::Left => {}
        }
    }
}

/// Takes bytes of the body, as many as remain of it, and counts them.
fn split<'a>(bytes: &'a [u8], remaining: &mut u64) -> (&'a [u8], &'a [u8]) {
    let wanted = usize::try_from(*remaining).unwrap_or(usize::MAX);
    let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
    *remaining -= taken.len() as u64;
    (taken, rest)
}
