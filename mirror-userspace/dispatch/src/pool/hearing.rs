//! What happens on connections in HTTP/2, and how the copies on them end.
//!
//! A stream that ends takes only its own copy with it; a connection that ends, all that it has. Which of those go
//! on another one, the target says (GOAWAY, REFUSED_STREAM: RFC 9113 section 8.7), or [`Retry`]. Each does so a
//! number of times, so that a target that takes nothing is not asked for ever.

use mirror_core::segment::Time;

use super::{
    Action, Retry, Shared,
    again::{Again, TURNED_AWAY, again_of, outcome_of},
    link::{Link, Phase},
    target::Target,
};
use crate::{
    ids::LinkId,
    outcome::{After, Answer, Failure, Outcome},
    wire::h2::{Fault, Heard, Lost, Session, Turn},
};

impl Target {
    fn session_mut(&mut self, id: LinkId) -> Option<&mut Session> {
        self.links.get_mut(id.slot)?.session.as_deref_mut()
    }

    /// A connection, if it is in HTTP/2.
    fn session_link(&self, id: LinkId) -> Option<&Link> {
        self.links
            .get(id.slot)
            .filter(|link| link.session.is_some())
    }

    /// A connection is there: the target has time for what it was given.
    pub(super) fn begin_session(&mut self, shared: &mut Shared, now: Time, id: LinkId) {
        if let Some(session) = self.session_mut(id) {
            session.handle_connected(now);
            self.tidy(shared, now, id);
        }
    }

    /// The first bytes of those that were to be written are, so many.
    pub(super) fn handle_frames_written(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        bytes: usize,
    ) {
        let Shared { copies, meter, .. } = shared;
        let counters = &mut self.counters;
        let link = self.links.get_mut(id.slot);
        let Some(session) = link.and_then(|link| link.session.as_deref_mut()) else {
            return;
        };
        session.advance(now, copies, bytes, |turn| {
            turn.stopwatch = Some(meter.start(now));
            if turn.job.begin() {
                counters.lag.record(now.since(turn.job.at));
            }
        });
        self.hear_on(shared, now, id, &[]);
    }

    /// These bytes were read.
    pub(super) fn hear_session(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        bytes: &[u8],
    ) {
        let Some(link) = self.links.get_mut(id.slot) else {
            return;
        };
        if !link.is_connected() {
            return;
        }
        link.heard = now;
        self.hear_on(shared, now, id, bytes);
    }

    fn hear_on(&mut self, shared: &mut Shared, now: Time, id: LinkId, mut bytes: &[u8]) {
        while let Some(session) = self.session_mut(id) {
            match session.hear(now, &mut bytes) {
                Ok(Some(heard)) => self.handle_heard(shared, now, id, heard),
                Ok(None) => break,
                Err(Fault::NotHttp2) => {
                    shared.actions.push_back(Action::SayNoHttp2(self.index));
                    self.fail_session(shared, now, id, Failure::NoHttp2);
                    return;
                }
                Err(Fault::Broken) => {
                    self.fail_session(shared, now, id, Failure::BadReply);
                    return;
                }
            }
        }
        self.speaks_http2 |= self.session_mut(id).is_some_and(|it| it.is_greeted());
        self.tidy(shared, now, id);
        self.pump(shared, now);
    }

    /// Whoever closes a connection without a word when it has the preface, and has never spoken HTTP/2, does not.
    fn name_failure(&mut self, shared: &mut Shared, id: LinkId, failure: Failure) -> Failure {
        let unheard = |session: &mut Session| session.is_unheard() && !session.is_empty();
        let silent = !self.speaks_http2 && self.session_mut(id).is_some_and(unheard);
        if failure != Failure::Reset || !silent {
            return failure;
        }
        shared.actions.push_back(Action::SayNoHttp2(self.index));
        Failure::NoHttp2
    }

    fn handle_heard(&mut self, shared: &mut Shared, now: Time, id: LinkId, heard: Heard) {
        match heard {
            Heard::Answered { stream, status } => {
                self.answer_stream(shared, now, id, stream, status);
            }
            Heard::RetryAfter { status, seconds } => {
                self.handle_retry_after(status, Some(seconds));
            }
            Heard::Allows(streams) => self.allowed = streams.max(1),
            Heard::Grpc(status) => self.counters.grpc_status.count(status),
            Heard::CallRefused(pushback) => self.handle_refused_call(pushback),
            Heard::Over(stream) => {
                if let Some(turn) = self.session_mut(id).and_then(|it| it.remove(stream)) {
                    self.finish_stream(shared, now, id, turn, Ok(After::Reusable));
                }
            }
            Heard::Lost(stream, why) => {
                if let Some(turn) = self.session_mut(id).and_then(|it| it.remove(stream)) {
                    self.lose_stream(shared, now, id, turn, why);
                }
            }
            Heard::Retired => {
                if let Some(link) = self.links.get(id.slot)
                    && let Some(endpoint) = self.endpoints.get_mut(link.endpoint)
                {
                    endpoint.withdraw(id);
                }
            }
        }
    }

    /// The head of a reply has come, and its copy is answered. How it ends says nothing of the target.
    fn answer_stream(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        stream: u32,
        status: u16,
    ) {
        let Some(link) = self.links.get_mut(id.slot) else {
            return;
        };
        link.handle_answer();
        let endpoint = link.endpoint;
        let Some(turn) = link.session.as_mut().and_then(|it| it.turn_mut(stream)) else {
            return;
        };
        let watch = turn.stopwatch.take();
        let latency = watch.and_then(|watch| shared.meter.stop(watch, now));
        let answer = Answer {
            status,
            latency,
            connection: After::Reading,
        };
        let outcome = Outcome::Answered(answer);
        if turn.is_call() {
            turn.called = Some(answer);
        } else if let Some(compared) = &mut shared.compared {
            compared.end(self.index, turn.job.request(), &outcome);
        }
        self.endpoints.handle_answer(endpoint, now);
        self.counters.in_flight -= 1;
        self.count(&outcome);
        self.handle_answer(now);
    }

    /// A stream is over by the target's word, or by a fault of its reply.
    fn lose_stream(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        turn: Box<Turn>,
        why: Lost,
    ) {
        if why == Lost::Surplus {
            return self.send_again(shared, now, id, turn, Again::Surplus);
        }
        let again = shared.settings.retry == Retry::Idempotent || turn.is_unopened();
        let ended = match why {
            Lost::Untaken | Lost::Refused | Lost::Surplus => {
                if again && turn.can_be_sent_anew() && turn.job.turned_away() < TURNED_AWAY {
                    return self.send_again(shared, now, id, turn, Again::TurnedAway);
                }
                Err(Failure::Refused)
            }
            Lost::Http1Required => Err(Failure::NoHttp2),
            Lost::Reset => Err(Failure::StreamReset),
            Lost::Malformed => Err(Failure::BadReply),
            Lost::Long => Ok(After::Cut),
        };
        self.finish_stream(shared, now, id, turn, ended);
    }

    /// A copy goes on another connection.
    fn send_again(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        mut turn: Box<Turn>,
        again: Again,
    ) {
        if let Some(watch) = turn.stopwatch.take() {
            shared.meter.stop(watch, now);
        }
        if let Some(link) = self.links.get(id.slot) {
            let endpoint = link.endpoint;
            self.endpoints.end(endpoint);
            self.endpoints.handle_no_verdict(endpoint, now);
        }
        match again {
            Again::Surplus => {}
            Again::TurnedAway => turn.job.turn_away(),
            Again::Retried => turn.job.retry(),
        }
        self.homes.leave(turn.job.connection);
        self.give_back(shared, now, turn.job);
    }

    /// A copy on a stream is over: how its reply ended, or why there is none.
    fn finish_stream(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        mut turn: Box<Turn>,
        ended: Result<After, Failure>,
    ) {
        if let Some(watch) = turn.stopwatch.take() {
            shared.meter.stop(watch, now);
        }
        let outcome = outcome_of(&turn, ended);
        let Some(endpoint) = self.links.get(id.slot).map(|link| link.endpoint) else {
            return;
        };
        let verdict = self.judge(now, endpoint, turn.since, &outcome);
        self.endpoints.end(endpoint);
        let (request, kept) = (turn.job.request(), turn.take_kept());
        let (called, grpc) = (turn.called, turn.grpc);
        self.end(shared, turn.job, &outcome, verdict, now);
        if let Some(compared) = &mut shared.compared {
            if let Some(answer) = called {
                compared.end_call(self.index, request, answer, ended, grpc);
            }
            if let Some(kept) = kept {
                let complete = ended == Ok(After::Reusable);
                compared.handle_reply(self.index, request, kept, complete);
            }
        }
    }

    /// A copy on a stream is given up for a reason of our own.
    pub(super) fn give_up_stream(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        stream: u32,
        why: Failure,
    ) {
        let Some(turn) = self.session_mut(id).and_then(|it| it.cancel(stream)) else {
            return;
        };
        self.finish_stream(shared, now, id, turn, Err(why));
        self.tidy(shared, now, id);
        shared.actions.push_back(Action::Wake(id));
        self.pump(shared, now);
    }

    /// Copies on a connection in HTTP/2 are late; `false` if there are none, and the connection itself is.
    pub(super) fn give_up_late(&mut self, shared: &mut Shared, now: Time, slot: usize) -> bool {
        let id = LinkId {
            target: self.index,
            slot,
        };
        let mut any = false;
        while let Some(session) = self.session_mut(id)
            && let Some(stream) = session.late(now)
            && let Some(turn) = session.cancel(stream)
        {
            any = true;
            let since = turn.since;
            self.finish_stream(shared, now, id, turn, Err(Failure::Timeout));
            if self.links.get(slot).is_some_and(|link| link.heard <= since) {
                // Not a word on it since: others had better go on another one.
                self.retire(slot);
                if let Some(session) = self.session_mut(id) {
                    session.retire();
                }
            }
        }
        if any {
            self.tidy(shared, now, id);
            shared.actions.push_back(Action::Wake(id));
            self.pump(shared, now);
        }
        any
    }

    /// There is more of a streamed copy, or its end.
    pub(super) fn handle_source(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        stream: u32,
    ) {
        let Some(link) = self.links.get_mut(id.slot) else {
            return;
        };
        if let Some(session) = &mut link.session
            && matches!(link.phase, Phase::Resting | Phase::Busy)
        {
            session.handle_source(stream, now, &mut shared.copies);
            if link.stop.is_none() {
                link.due = session.due();
            }
        }
    }

    /// A connection in HTTP/2 has to stop; `false` if this is none.
    pub(super) fn settle_session(&mut self, shared: &mut Shared, now: Time, id: LinkId) -> bool {
        let Some(link) = self.session_link(id) else {
            return false;
        };
        if let Some(stop) = link.stop
            && link.is_connected()
        {
            self.fail_session(shared, now, id, stop.into());
        }
        true
    }

    /// A connection in HTTP/2 is over, or did not come about: its copies fail with this, or go on another one.
    /// `false` if this is none.
    pub(super) fn fail_session(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        failure: Failure,
    ) -> bool {
        let Some(link) = self.session_link(id) else {
            return false;
        };
        let (connected, reused) = (link.is_connected(), link.is_reused());
        let named = self.name_failure(shared, id, failure);
        self.close(id);
        let mut judged = false;
        while let Some(turn) = self.session_mut(id).and_then(Session::pop_last) {
            // One that did nothing has the first of its copies to show for it.
            let shows = !reused && !judged && self.session_mut(id).is_none_or(|it| it.is_empty());
            if let Some(again) = again_of(shared, &turn, failure)
                && connected
                && !shows
                && (reused || again == Again::TurnedAway)
            {
                self.send_again(shared, now, id, turn, again);
            } else if !judged || turn.is_answered() {
                judged |= !turn.is_answered();
                self.finish_stream(shared, now, id, turn, Err(named));
            } else {
                // That is not held against the target again.
                let mut turn = turn;
                if let Some(watch) = turn.stopwatch.take() {
                    shared.meter.stop(watch, now);
                }
                if let Some(link) = self.links.get(id.slot) {
                    self.endpoints.end(link.endpoint);
                }
                self.forsake(shared, now, turn.job, named);
            }
        }
        true
    }
}
