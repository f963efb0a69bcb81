//! What becomes of a connection when a request is refused, and when bytes are missing.

use super::{
    After, BodyIs, Doubt, HttpEvent, Lost, Parser, Protocol, Resync, Standing, State, Upgrade,
};
use crate::http::framing::{Extent, Refusal};

impl Parser {
    /// A head is not mirrored. What was tried while out of step was a guess, and is taken back.
    pub(super) fn refuse_request(
        &mut self,
        refusal: Refusal,
        standing: Standing,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        if !matches!(standing, Standing::InStep) {
            return self.refuse(refusal.why, standing, emit);
        }
        emit(HttpEvent::Lost(refusal.why));
        match refusal.extent {
            Extent::Certain(framing, after) => self.enter_body(framing, after, None, emit),
            Extent::Doubtful(readings) => self.state = Doubt::behind(readings),
        }
    }

    /// The stream can't be understood here; never guess where the next request begins.
    pub(super) fn refuse(
        &mut self,
        why: Lost,
        standing: Standing,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        self.state = State::Left;
        match standing {
            Standing::Tentative(resync) => {
                self.state = State::Resync(Resync {
                    inside: true,
                    ..resync
                });
            }
            Standing::InStep => emit(HttpEvent::Lost(why)),
            Standing::Undecided => emit(HttpEvent::Protocol(Protocol::Undecided)),
            Standing::Offered => emit(HttpEvent::Protocol(Protocol::Upgraded)),
            Standing::Accepted => {}
        }
    }

    /// A chunked body breaks its grammar. v1 may have found its end somewhere else.
    pub(super) fn refuse_body(
        &mut self,
        why: Lost,
        lost: bool,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        self.state = State::Left;
        if !lost {
            emit(HttpEvent::Lost(why));
        }
    }

    /// Bytes follow a request that v1 may have refused, and nothing shows that it read on.
    pub(super) fn lose_unproven(&mut self, counted: bool, emit: &mut impl FnMut(HttpEvent<'_>)) {
        if !counted {
            emit(HttpEvent::Lost(Lost::RefusedByV1));
        }
        self.state = State::Resync(Resync::inside());
    }

    /// Something follows an offer to leave HTTP/1 that does not show that v1 declined it.
    pub(super) fn leave_upgraded(
        &mut self,
        upgrade: Upgrade,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        // The others were said to be upgraded when the request ended.
        if upgrade == Upgrade::WebSocket {
            emit(HttpEvent::Protocol(Protocol::Upgraded));
        }
        self.state = State::Left;
    }

    /// `len` bytes of the stream are missing.
    ///
    /// Within a body of known length, or within a chunk, the next request is found exactly. Otherwise the
    /// connection is out of step, and one request counts as lost: how many there were cannot be known. More
    /// bytes missing before it is in step again are part of that loss.
    pub fn handle_gap(&mut self, len: u64, emit: &mut impl FnMut(HttpEvent<'_>)) {
        match &mut self.state {
            State::Length {
                remaining,
                after,
                lost,
                body,
            } => {
                *body = BodyIs::Sent;
                let after = *after;
                lose_once(lost, emit);
                if *remaining < len {
                    return self.lose_step(after, emit);
                }
                *remaining -= len;
                if *remaining == 0 {
                    self.proceed(after, emit);
                }
            }
            State::Chunked {
                chunks,
                after,
                lost,
                body,
            } => {
                *body = BodyIs::Sent;
                let after = *after;
                lose_once(lost, emit);
                if !chunks.skip(len) {
                    self.lose_step(after, emit);
                }
            }
            State::Opening(_) => {
                self.state = State::Resync(Resync {
                    untold: 1,
                    ..Resync::default()
                });
            }
            State::Head(reader) => match reader.standing {
                Standing::InStep => {
                    emit(HttpEvent::Lost(reader.odd().unwrap_or(Lost::Gap)));
                    self.lose_step(After::Request, emit);
                }
                Standing::Tentative(resync) => self.lose_trial(resync),
                Standing::Undecided => {
                    self.state = State::Resync(Resync {
                        untold: 1,
                        ..Resync::default()
                    });
                }
                standing @ (Standing::Offered | Standing::Accepted) => {
                    self.refuse(Lost::Gap, standing, emit);
                }
            },
            State::Doubt(doubt) => {
                if let Some(passed) = doubt.skip(len) {
                    self.state = passed;
                }
            }
            State::IfTaken { counted, .. } => {
                let counted = *counted;
                if !counted {
                    emit(HttpEvent::Lost(Lost::Gap));
                }
                self.lose_step(After::Request, emit);
            }
            State::Offered { upgrade, .. } => {
                let upgrade = *upgrade;
                self.leave_upgraded(upgrade, emit);
            }
            State::Resync(resync) => resync.inside = false,
            State::Candidate(candidate) => {
                let resync = candidate.resync;
                self.lose_trial(resync);
            }
            State::Closing(_) | State::Left => {}
        }
    }

    fn lose_step(&mut self, after: After, emit: &mut impl FnMut(HttpEvent<'_>)) {
        match after {
            After::Request | After::IfTaken { .. } => {
                self.state = State::Resync(Resync::announced());
            }
            After::Close => self.proceed(after, emit),
            After::Offer(upgrade) => {
                self.proceed(After::Offer(upgrade), emit);
                self.handle_gap(1, emit);
            }
        }
    }

    fn lose_trial(&mut self, resync: Resync) {
        self.state = State::Resync(Resync {
            inside: false,
            ..resync
        });
    }
}

/// The request at hand is lost, if it was not before.
fn lose_once(lost: &mut bool, emit: &mut impl FnMut(HttpEvent<'_>)) {
    if !std::mem::replace(lost, true) {
        emit(HttpEvent::Lost(Lost::Gap));
    }
}
