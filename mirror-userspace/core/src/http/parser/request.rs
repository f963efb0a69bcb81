//! From a head to what follows it.

use super::{After, Blank, Budget, Chunked, Limits, Parser, Reader, Standing, State};
use crate::http::{
    Framing, Head, Http2, HttpEvent, Protocol, Upgrade,
    head::{self, Fields},
    odd,
    reader::{Raw, Read},
};

/// Whether the client holds a body back until v1 asks for it (RFC 9110 section 10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyIs {
    /// It does not, or no longer.
    Sent,
    /// It sent `Expect: 100-continue`, and no body yet.
    HeldBack,
    /// v1 has answered without asking for it: it may never come.
    Refused,
}

impl BodyIs {
    fn of(head: &Head<'_>) -> Self {
        let holds_back = head.framing != Framing::None
            && head
                .values("expect")
                .any(|value| value.eq_ignore_ascii_case(b"100-continue"));
        if holds_back {
            Self::HeldBack
        } else {
            Self::Sent
        }
    }
}

impl Parser {
    /// Between requests or in a head. Returns the bytes behind the head, if they are to be read.
    pub(super) fn read_head<'a>(
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
        let (standing, lines) = (reader.standing, reader.lines());
        if !known && reader.is_http() {
            emit(HttpEvent::Protocol(Protocol::Http1));
        }
        match read {
            Read::More => None,
            Read::Head(raw, rest) => {
                self.on_head(&raw, lines, standing, emit);
                Some(rest)
            }
            Read::Odd(raw, why, rest) => {
                self.refuse_request(odd::judge(raw.bytes(), why), standing, emit);
                Some(rest)
            }
            Read::Http2(before, bytes) => {
                emit(HttpEvent::Protocol(Protocol::Http2));
                emit(HttpEvent::Http2(Http2 {
                    upgraded: !matches!(standing, Standing::Undecided),
                    before,
                    bytes,
                }));
                self.state = State::Left;
                None
            }
            Read::Other(protocol) => {
                // It was said when v1 accepted.
                if !matches!(standing, Standing::Accepted) {
                    emit(HttpEvent::Protocol(protocol));
                }
                self.state = State::Left;
                None
            }
            Read::Refused(why) => {
                self.refuse(why, standing, emit);
                None
            }
        }
    }

    fn on_head(
        &mut self,
        raw: &Raw<'_>,
        lines: usize,
        standing: Standing,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        let mut fields = Fields::default();
        let (head, after) = match head::parse(raw.bytes(), lines, &mut fields) {
            Ok(parsed) => parsed,
            Err(refusal) => return self.refuse_request(refusal, standing, emit),
        };
        if let Standing::Tentative(resync) = standing {
            resync.confirm(emit);
        }
        emit(HttpEvent::Head(head));
        self.enter_body(head.framing, after, Some(BodyIs::of(&head)), emit);
    }

    /// The head has ended. `body` is `None` if the request is refused.
    pub(super) fn enter_body(
        &mut self,
        framing: Framing,
        after: After,
        body: Option<BodyIs>,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        let lost = body.is_none();
        let body = body.unwrap_or(BodyIs::Sent);
        match framing {
            Framing::None | Framing::Length(0) => {
                if !lost {
                    emit(HttpEvent::End);
                }
                self.proceed(after, emit);
            }
            Framing::Length(remaining) => {
                self.state = State::Length {
                    remaining,
                    after,
                    lost,
                    body,
                };
            }
            Framing::Chunked => {
                self.state = State::Chunked {
                    chunks: Chunked::default(),
                    after,
                    lost,
                    body,
                };
            }
        }
    }

    /// A request has ended, complete or lost, and the stream is exactly at the byte after it.
    pub(super) fn proceed(&mut self, after: After, emit: &mut impl FnMut(HttpEvent<'_>)) {
        let blank = Blank::default();
        self.state = match after {
            After::Request => State::in_step(),
            After::IfTaken { counted } => State::IfTaken { blank, counted },
            After::Close => State::Closing(blank),
            After::Offer(Upgrade::H2c) => State::Head(Reader::new(Standing::Offered)),
            After::Offer(upgrade) => {
                if upgrade != Upgrade::WebSocket {
                    emit(HttpEvent::Protocol(Protocol::Upgraded));
                }
                State::Offered { upgrade, blank }
            }
        };
    }
}
