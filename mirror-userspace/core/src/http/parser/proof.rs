//! What brings a connection back into step: the client's acknowledgements, and v1's replies.

use super::{
    After, Blank, BodyIs, Budget, Candidate, HttpEvent, Input, Limits, Lost, Parser, Protocol,
    Reader, Resync, Standing, State, Upgrade, advanced,
};

/// A reply of v1, as far as it matters to what the client's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The reply's status code.
    pub status: u16,
    /// Whether it is known that v1 takes nothing more on the connection behind the request that it answers
    /// (see [`ReplyHead::ends_connection`](crate::http::reply::ReplyHead::ends_connection)).
    pub closes: bool,
}

impl Answer {
    const fn is_interim(self) -> bool {
        self.status < 200 && self.status != 101
    }
}

impl Parser {
    /// Whether what is read now seems to be a request, and may turn out not to be one.
    #[must_use]
    pub fn is_on_trial(&self) -> bool {
        match &self.state {
            State::Head(reader) => matches!(reader.standing, Standing::Tentative(_)),
            State::Candidate(_) => true,
            _ => false,
        }
    }

    /// While out of step, or behind a request that v1 may have refused: what this input proves.
    pub(super) fn resume(
        &mut self,
        input: &Input<'_>,
        limits: &Limits,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        let answered = advanced(self.last_ack, input.ack);
        match &mut self.state {
            // What begins like a request where a body was refused is a request, or the body all the same: v1's
            // next word tells.
            State::Length { lost, body, .. } | State::Chunked { lost, body, .. }
                if *body == BodyIs::Refused && answered && input.seems_a_request(limits) =>
            {
                if !*lost {
                    emit(HttpEvent::Lost(Lost::RefusedByV1));
                }
                self.state = State::Resync(Resync::announced());
                self.resume(input, limits, emit);
            }
            State::IfTaken { .. } if answered => self.state = State::in_step(),
            // A frame never begins like a request, but only the first one's place is known.
            State::Offered {
                upgrade: Upgrade::WebSocket,
                ..
            } if answered && input.seems_a_request(limits) => self.state = State::in_step(),
            State::Candidate(candidate) if input.starts_segment && candidate.is_complete() => {
                if answered {
                    self.trust_candidate(emit);
                    self.resume(input, limits, emit);
                } else {
                    let resync = candidate.resync;
                    self.state = State::Resync(Resync {
                        inside: true,
                        ..resync
                    });
                }
            }
            State::Resync(resync) if input.seems_a_request(limits) => {
                let resync = *resync;
                if self.last_ack.is_some() && !answered {
                    return;
                }
                if !resync.inside {
                    let candidate = Candidate::new(resync, limits);
                    self.state = State::Candidate(Box::new(candidate));
                } else {
                    self.state = State::Head(Reader::new(Standing::Tentative(resync)));
                }
            }
            _ => {}
        }
    }

    /// The client has acknowledged this without sending anything behind the input so far.
    pub fn handle_ack(&mut self, ack: u32, emit: &mut impl FnMut(HttpEvent<'_>)) {
        if advanced(self.last_ack, Some(ack)) {
            self.trust_candidate(emit);
        }
    }

    /// What seemed to be requests and has ended are requests.
    pub(super) fn trust_candidate(&mut self, emit: &mut impl FnMut(HttpEvent<'_>)) {
        let State::Candidate(candidate) = &self.state else {
            return;
        };
        if !candidate.is_complete() {
            return;
        }
        candidate.resync.confirm(emit);
        let taken = std::mem::replace(&mut self.state, State::in_step());
        let State::Candidate(candidate) = taken else {
            return;
        };
        match candidate.into_parts() {
            // They are whole, so that nothing of them is kept again.
            (Some(kept), limits, _) => self.run(kept.bytes(), &limits, &Budget::new(0), emit),
            (None, _, behind) => {
                emit(HttpEvent::Lost(Lost::Evicted));
                self.state = behind;
            }
        }
    }

    /// v1 has answered the request at hand, or the last one that ended if none is; all before it are answered.
    ///
    /// - Behind a reply with which v1 closes nothing is taken: what begins there counts as
    ///   [`Lost::RefusedByV1`].
    /// - An offer to leave HTTP/1 is accepted by 101 (CONNECT: by any 2xx), and behind one of HTTP/2 its preface is
    ///   waited for; otherwise the connection goes on with the next request.
    /// - A request that v1 may have refused was taken, and the connection goes on.
    /// - What seemed to be a request out of step is one.
    /// - A final reply to a request whose body the client holds back (`Expect: 100-continue`) refuses it:
    ///   unless the body follows all the same, the request is lost as [`Lost::RefusedByV1`] where the next begins.
    pub fn handle_reply(&mut self, answer: Answer, emit: &mut impl FnMut(HttpEvent<'_>)) {
        if answer.is_interim() {
            if let State::Length { body, .. } | State::Chunked { body, .. } = &mut self.state {
                *body = BodyIs::Sent;
            }
            return;
        }
        self.trust_candidate(emit);
        if let State::Length { body, .. } | State::Chunked { body, .. } = &mut self.state
            && *body == BodyIs::HeldBack
        {
            *body = BodyIs::Refused;
        }
        match &mut self.state {
            State::Offered { upgrade, .. } => {
                let upgrade = *upgrade;
                self.decide_offer(upgrade, answer, emit);
            }
            State::Head(reader)
                if matches!(reader.standing, Standing::Offered) && reader.is_empty() =>
            {
                self.decide_offer(Upgrade::H2c, answer, emit);
            }
            State::IfTaken { .. } if !answer.closes => self.state = State::in_step(),
            State::Length { after, .. } | State::Chunked { after, .. } if answer.closes => {
                *after = After::Close;
            }
            State::Head(reader) if answer.closes && matches!(reader.standing, Standing::InStep) => {
                self.state = if reader.is_empty() {
                    State::Closing(Blank::default())
                } else {
                    emit(HttpEvent::Lost(Lost::RefusedByV1));
                    State::Left
                };
            }
            State::IfTaken { .. } => self.state = State::Closing(Blank::default()),
            _ => {}
        }
    }

    fn decide_offer(
        &mut self,
        upgrade: Upgrade,
        answer: Answer,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        let accepted = match upgrade {
            Upgrade::Connect => (200..300).contains(&answer.status),
            Upgrade::H2c | Upgrade::WebSocket | Upgrade::Other => answer.status == 101,
        };
        let announced = matches!(upgrade, Upgrade::Connect | Upgrade::Other);
        self.state = match (accepted, answer.closes) {
            (true, _) if upgrade == Upgrade::H2c => State::Head(Reader::new(Standing::Accepted)),
            (true, _) => State::Left,
            (false, true) => State::Closing(Blank::default()),
            (false, false) => State::in_step(),
        };
        if accepted != announced {
            emit(HttpEvent::Protocol(if accepted {
                Protocol::Upgraded
            } else {
                Protocol::Http1
            }));
        }
    }
}
