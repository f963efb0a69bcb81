//! The state machine of one connection: which kind of bytes comes next.

use super::{
    Framing, HttpEvent, Limits, Lost, Protocol,
    chunked::{Chunked, Fed},
    framing::After,
    head::{self, Fields},
    reader::{Raw, Read, Reader, Standing},
    resync::Resync,
    scan::Blank,
};
use crate::budget::Budget;

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
/// reserved from the budget). Work is linear in the bytes, however they are split.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    last_ack: Option<u32>,
}

#[derive(Debug)]
enum State {
    /// Between requests, or in a head.
    Head(Reader),
    /// In a body of known length.
    Length { remaining: u64, after: After },
    /// In a chunked body.
    Chunked { body: Chunked, after: After },
    /// In a body of known length whose request is already lost.
    Skip { remaining: u64, after: After },
    /// Out of step: waiting for a segment that begins a request.
    Resync(Resync),
    /// The client said that nothing will follow (RFC 9112 section 9.6).
    Closing(Blank),
    /// Nothing that follows is parsed.
    Left,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Reader::new(Standing::Undecided))
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
            State::Resync(Resync {
                announced: false,
                inside: false,
                untold: 0,
            })
        };
    }

    /// Whether the next byte would be the first of a request: no request is unfinished.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        match &self.state {
            State::Head(reader) => reader.is_empty(),
            State::Length { .. } | State::Chunked { .. } | State::Skip { .. } => false,
            State::Resync(_) | State::Closing(_) | State::Left => true,
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
        let tentative = matches!(
            &self.state,
            State::Head(reader) if matches!(reader.standing, Standing::Tentative(_))
        );
        self.resume(&input, limits);
        self.run(input.bytes, limits, budget, emit);
        // What seemed to begin a request did not; this input may.
        if tentative && self.resume(&input, limits) {
            self.run(input.bytes, limits, budget, emit);
        }
        if let State::Resync(resync) = &mut self.state {
            resync.inside = true;
        }
        self.last_ack = input.ack.or(self.last_ack);
    }

    /// While out of step: whether this input is worth a try.
    fn resume(&mut self, input: &Input<'_>, limits: &Limits) -> bool {
        let State::Resync(resync) = self.state else {
            return false;
        };
        let admitted = resync.admits(input, self.last_ack, limits);
        if admitted {
            self.state = State::Head(Reader::new(Standing::Tentative(resync)));
        }
        admitted
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
                State::Head(_) => match self.read_head(bytes, limits, budget, emit) {
                    Some(rest) => (rest, None),
                    None => return,
                },
                State::Length { remaining, after } => {
                    let (body, rest) = split(bytes, remaining);
                    emit(HttpEvent::Body(body));
                    let ended = (*remaining == 0).then_some(*after);
                    if ended.is_some() {
                        emit(HttpEvent::End);
                    }
                    (rest, ended)
                }
                State::Skip { remaining, after } => {
                    let (_, rest) = split(bytes, remaining);
                    (rest, (*remaining == 0).then_some(*after))
                }
                State::Chunked { body, after } => {
                    let (len, ended, refused) = match body.feed(bytes, limits, |_| {}) {
                        Fed::More => (bytes.len(), None, None),
                        Fed::End(len) => (len, Some(*after), None),
                        Fed::Refused(len, why) => (len, None, Some(why)),
                    };
                    let (body, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
                    if !body.is_empty() {
                        emit(HttpEvent::Body(body));
                    }
                    if let Some(why) = refused {
                        return self.refuse(why, Standing::InStep, emit);
                    }
                    if ended.is_some() {
                        emit(HttpEvent::End);
                    }
                    (rest, ended)
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

    /// Between requests or in a head. Returns the bytes behind the head, if they are to be read.
    fn read_head<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &Limits,
        budget: &Budget,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) -> Option<&'a [u8]> {
        let State::Head(reader) = &mut self.state else {
            return None;
        };
        let known = reader.is_http();
        let read = reader.read(bytes, limits, budget);
        let standing = reader.standing;
        if !known && reader.is_http() {
            emit(HttpEvent::Protocol(Protocol::Http1));
        }
        match read {
            Read::More => None,
            Read::Head(raw, rest) => {
                self.on_head(&raw, standing, emit);
                Some(rest)
            }
            Read::Other(protocol) => {
                emit(HttpEvent::Protocol(protocol));
                self.state = State::Left;
                None
            }
            Read::Refused(why) => {
                self.refuse(why, standing, emit);
                None
            }
        }
    }

    fn on_head(&mut self, raw: &Raw<'_>, standing: Standing, emit: &mut impl FnMut(HttpEvent<'_>)) {
        let mut fields = Fields::new();
        let (head, after) = match head::parse(raw.bytes(), &mut fields) {
            Ok(parsed) => parsed,
            Err(why) => return self.refuse(why, standing, emit),
        };
        if let Standing::Tentative(resync) = standing {
            resync.confirm(emit);
        }
        emit(HttpEvent::Head(head));
        match head.framing {
            Framing::None | Framing::Length(0) => {
                emit(HttpEvent::End);
                self.proceed(after, emit);
            }
            Framing::Length(remaining) => self.state = State::Length { remaining, after },
            Framing::Chunked => {
                let body = Chunked::default();
                self.state = State::Chunked { body, after };
            }
        }
    }

    /// A request has ended, complete or lost, and the stream is exactly at the byte after it.
    fn proceed(&mut self, after: After, emit: &mut impl FnMut(HttpEvent<'_>)) {
        self.state = match after {
            After::Request => State::Head(Reader::new(Standing::InStep)),
            After::Close => State::Closing(Blank::default()),
            After::Upgraded => {
                emit(HttpEvent::Protocol(Protocol::Upgraded));
                State::Left
            }
        };
    }

    /// The stream can't be understood here; never guess where the next request begins. Only what was tried
    /// while out of step was itself a guess, and is taken back.
    fn refuse(&mut self, why: Lost, standing: Standing, emit: &mut impl FnMut(HttpEvent<'_>)) {
        self.state = match standing {
            Standing::Tentative(resync) => State::Resync(Resync {
                inside: true,
                ..resync
            }),
            Standing::InStep => {
                emit(HttpEvent::Lost(why));
                State::Left
            }
            Standing::Undecided => {
                emit(HttpEvent::Protocol(Protocol::Undecided));
                State::Left
            }
        };
    }

    /// `len` bytes of the stream are missing.
    ///
    /// Within a body of known length the next request is found exactly. Otherwise the connection
    /// is out of step, and one request counts as lost: how many there were cannot be known. More
    /// bytes missing before it is in step again are part of that loss.
    pub fn handle_gap(&mut self, len: u64, emit: &mut impl FnMut(HttpEvent<'_>)) {
        match &mut self.state {
            State::Length { remaining, after } | State::Skip { remaining, after }
                if *remaining >= len =>
            {
                let (remaining, after) = (*remaining - len, *after);
                if matches!(self.state, State::Length { .. }) {
                    emit(HttpEvent::Lost(Lost::Gap));
                }
                if remaining == 0 {
                    self.proceed(after, emit);
                } else {
                    self.state = State::Skip { remaining, after };
                }
            }
            State::Length { after, .. } | State::Skip { after, .. } => {
                let after = *after;
                emit(HttpEvent::Lost(Lost::Gap));
                self.lose_step(after, false, emit);
            }
            State::Chunked { after, .. } => {
                let after = *after;
                emit(HttpEvent::Lost(Lost::Gap));
                self.lose_step(after, true, emit);
            }
            State::Head(reader) => match reader.standing {
                Standing::InStep => {
                    emit(HttpEvent::Lost(Lost::Gap));
                    self.lose_step(After::Request, false, emit);
                }
                Standing::Tentative(resync) => self.state = State::Resync(resync),
                Standing::Undecided => {
                    self.state = State::Resync(Resync {
                        announced: false,
                        inside: false,
                        untold: 1,
                    });
                }
            },
            State::Resync(_) | State::Closing(_) | State::Left => {}
        }
    }

    fn lose_step(&mut self, after: After, inside: bool, emit: &mut impl FnMut(HttpEvent<'_>)) {
        match after {
            After::Request => {
                self.state = State::Resync(Resync {
                    announced: true,
                    inside,
                    untold: 0,
                });
            }
            After::Close | After::Upgraded => self.proceed(after, emit),
        }
    }

    /// The connection has ended. `why` is what an unfinished request counts as.
    pub fn handle_close(&mut self, why: Lost, emit: &mut impl FnMut(HttpEvent<'_>)) {
        match std::mem::replace(&mut self.state, State::Left) {
            State::Length { .. } | State::Chunked { .. } => emit(HttpEvent::Lost(why)),
            State::Head(reader) => match reader.standing {
                Standing::InStep if reader.is_empty() => {}
                Standing::InStep => emit(HttpEvent::Lost(why)),
                Standing::Tentative(resync) => undecided(resync, emit),
                Standing::Undecided => emit(HttpEvent::Protocol(Protocol::Undecided)),
            },
            State::Resync(resync) => undecided(resync, emit),
            State::Skip { .. } | State::Closing(_) | State::Left => {}
        }
    }
}

fn undecided(resync: Resync, emit: &mut impl FnMut(HttpEvent<'_>)) {
    if !resync.announced {
        emit(HttpEvent::Protocol(Protocol::Undecided));
    }
}

/// Takes bytes of the body, as many as remain of it, and counts them.
fn split<'a>(bytes: &'a [u8], remaining: &mut u64) -> (&'a [u8], &'a [u8]) {
    let wanted = usize::try_from(*remaining).unwrap_or(usize::MAX);
    let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
    *remaining -= taken.len() as u64;
    (taken, rest)
}
