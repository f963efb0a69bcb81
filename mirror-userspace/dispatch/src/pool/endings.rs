//! How copies on connections end, and what becomes of those behind them.
//!
//! A connection that ends takes copies with it. Those that the target has not seen go on another one.
//! Of the others, [`Retry`] says which are sent again: those that the target said it does not take
//! (RFC 9112 section 9.6), and once those that met the connection as it was closed.

use mirror_core::{pipeline::Persistence, segment::Time};

use super::{
    Retry, Shared,
    assign::Next,
    breaker::Tripped,
    endpoints::EndpointId,
    link::{Link, Phase},
    target::{Mode, Target},
};
use crate::{
    copy::{Job, Source, Stage},
    ids::LinkId,
    outcome::{After, Answer, Failure, Outcome, Verdict},
    wire::h1::{Ended, Turn},
};

/// Whether a copy that was begun is sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    /// The target said that it has not taken it.
    Disclaimed,
    /// The connection ended before a byte of its reply.
    Retried,
}

impl Target {
    /// Whether the front copy of a connection, which ended like this before its reply, is sent again.
    fn is_front_repeated(&self, shared: &Shared, id: LinkId, failure: Failure) -> bool {
        let link = self.links.get(id.slot);
        let front = link.and_then(|link| link.exchange.turns().next());
        let (Some(link), Some(front)) = (link, front) else {
            return false;
        };
        let ended = match failure {
            Failure::Reset => true,
            // The target may have forgotten what stood behind another one.
            Failure::Timeout => shared.is_pacing() && front.was_behind(),
            _ => false,
        };
        let may = shared.settings.retry == Retry::Idempotent && front.may_be_repeated();
        ended && may && link.is_reused()
    }

    pub(super) fn pop_turn(&mut self, id: LinkId) -> Option<Turn> {
        self.links.get_mut(id.slot)?.exchange.pop_front()
    }

    /// If the head of the reply to the front copy has come, the copy is answered. The body of the reply
    /// has some time of its own, and how it ends says nothing of the target.
    #[inline]
    pub(super) fn hear(&mut self, shared: &mut Shared, now: Time, id: LinkId) {
        let Some(link) = self.links.get_mut(id.slot) else {
            return;
        };
        let Some((status, watch)) = link.exchange.poll_answered() else {
            return;
        };
        let behind = link.exchange.turns().next().is_some_and(Turn::was_behind);
        let measured = !(shared.is_pacing() && behind);
        let front = link.exchange.turns().next();
        let retry_after = front.and_then(Turn::retry_after);
        self.handle_retry_after(status, retry_after);
        self.pace_head(shared, now, id);
        let Some(link) = self.links.get_mut(id.slot) else {
            return;
        };
        link.allow_time(shared, now);
        let latency = watch.and_then(|watch| shared.meter.stop(watch, now));
        let latency = latency.filter(|_| measured);
        let outcome = Outcome::Answered(Answer {
            status,
            latency,
            connection: After::Reading,
        });
        if let Some(compared) = &mut shared.compared
            && let Some(front) = link.exchange.turns().next()
        {
            compared.end(self.index, front.job.request(), &outcome);
        }
        self.endpoints.handle_answer(link.endpoint, now);
        self.counters.in_flight -= 1;
        self.count(&outcome);
        self.handle_answer(now);
    }

    /// The front copy of a connection is over.
    pub(super) fn conclude(&mut self, shared: &mut Shared, now: Time, id: LinkId, ended: Ended) {
        self.pace_end(shared, now, id, &ended);
        if let Err(failure) = ended
            && self.is_front_repeated(shared, id, failure)
        {
            return self.abandon(shared, now, id, failure);
        }
        let Some(mut turn) = self.pop_turn(id) else {
            return;
        };
        let (kept, request) = (turn.take_kept(), turn.job.request());
        if let (Ok((status, _)), false) = (ended, turn.is_answered()) {
            self.handle_retry_after(status, turn.retry_after());
        }
        // Behind others it waited for them.
        let measured = !(shared.is_pacing() && turn.was_behind());
        let (answered, watch) = (turn.is_answered(), turn.stopwatch);
        let latency = watch.and_then(|watch| shared.meter.stop(watch, now));
        let latency = latency.filter(|_| measured);
        let outcome = match ended {
            Ok((_, connection)) if answered => Outcome::Read(connection),
            Ok((status, connection)) => Outcome::Answered(Answer {
                status,
                latency,
                connection,
            }),
            Err(failure) => Outcome::Failed(failure),
        };
        let next = self.finish(shared, now, id, turn.job, &outcome);
        if let (Some(kept), Some(compared)) = (kept, &mut shared.compared) {
            let complete = matches!(ended, Ok((_, After::Reusable | After::Spent)));
            compared.handle_reply(self.index, request, kept, complete);
        }
        match next {
            Next::More => {
                if let Some(link) = self.links.get_mut(id.slot)
                    && link.phase == Phase::Busy
                {
                    link.allow_time(shared, now);
                }
            }
            Next::Rest => {}
            Next::Close => {
                let failure = ended.err().unwrap_or(Failure::Reset);
                self.abandon(shared, now, id, failure);
            }
        }
    }

    /// A copy ended; what its connection does next.
    pub(super) fn finish(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        job: Job,
        outcome: &Outcome,
    ) -> Next {
        let Some(link) = self.links.get(id.slot) else {
            return Next::Close;
        };
        let (endpoint, since) = (link.endpoint, link.since);
        // Asked to close, a target may do so without a word in its reply.
        let closes = job.persistence != Persistence::Persistent || !outcome.leaves_reusable();
        let verdict = self.judge(now, endpoint, since, outcome);
        let gone = self.endpoints.is_gone(endpoint);
        let connection = job.connection;
        self.end(shared, job, outcome, verdict, now);
        if closes || self.mode == Mode::Stopped {
            self.endpoints.end(endpoint);
            return Next::Close;
        }
        if let Some(link) = self.links.get_mut(id.slot) {
            link.handle_answer();
            if gone {
                self.endpoints.end(endpoint);
                return if link.is_free() {
                    Next::Close
                } else {
                    Next::More
                };
            }
        }
        self.follow_up(shared, now, id, connection)
    }

    /// What the end of a copy that was under way `since` then says of its endpoint, which is noted, and of the
    /// target.
    pub(super) fn judge(
        &mut self,
        now: Time,
        endpoint: EndpointId,
        since: Time,
        outcome: &Outcome,
    ) -> Verdict {
        let is_late = *outcome == Outcome::Failed(Failure::Timeout);
        // A copy that is late while others are answered takes its time, and so does not count.
        let endpoint_works = is_late && self.endpoints.has_answered_since(endpoint, since);
        let works = is_late && self.answered.is_some_and(|answered| answered > since);
        let tripped = match outcome {
            Outcome::Answered(_) => {
                self.endpoints.handle_answer(endpoint, now);
                Tripped::No
            }
            Outcome::Read(_) => Tripped::No,
            Outcome::Failed(failure) if failure.blames_address() && !endpoint_works => {
                self.endpoints.handle_failure(endpoint, now)
            }
            Outcome::Failed(_) => {
                self.endpoints.handle_no_verdict(endpoint, now);
                Tripped::No
            }
        };
        self.counters.avoided += u64::from(tripped == Tripped::Yes);
        let gone = self.endpoints.is_gone(endpoint);
        match outcome.verdict() {
            // It answers others, or copies go elsewhere: that is enough.
            Verdict::Fails if works || gone || self.endpoints.has_other(endpoint) => {
                Verdict::Unknown
            }
            verdict => verdict,
        }
    }

    /// A connection ended with this: what becomes of the copies on it.
    pub(super) fn abandon(&mut self, shared: &mut Shared, now: Time, id: LinkId, failure: Failure) {
        let link = self.links.get(id.slot);
        let closes = match failure {
            Failure::Reset => true,
            // Those behind would have gone elsewhere, had it not been to find out.
            Failure::Timeout | Failure::BadReply => shared.is_pacing(),
            _ => false,
        } && link.is_some_and(Link::is_reused);
        self.close(id);
        while let Some(link) = self.links.get_mut(id.slot)
            && let Some(mut turn) = link.exchange.pop_back()
        {
            let (endpoint, disclaimed) = (link.endpoint, link.exchange.is_disclaimed());
            self.endpoints.end(endpoint);
            let again = match shared.settings.retry {
                Retry::Idempotent if disclaimed => Again::Disclaimed,
                Retry::Idempotent if closes && turn.may_be_repeated() => Again::Retried,
                _ => Again::No,
            };
            let begun = turn.is_begun();
            if let Some(watch) = turn.stopwatch.take() {
                shared.meter.stop(watch, now);
            }
            if begun && again == Again::No {
                self.forsake(shared, now, turn.job, failure);
                continue;
            }
            if begun && again == Again::Retried {
                turn.job.retry();
            }
            self.endpoints.handle_no_verdict(endpoint, now);
            self.give_back(shared, now, turn.job);
        }
    }

    /// A connection is of no use any more.
    pub(super) fn close(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(id.slot) {
            link.phase = Phase::Closed;
            link.fresh = false;
            link.due = None;
            if let Some(endpoint) = self.endpoints.get_mut(link.endpoint) {
                endpoint.withdraw(id);
            }
        }
    }

    /// A connection ended before it sent this copy, or before the target took it: it is sent on
    /// another one.
    pub(super) fn give_back(&mut self, shared: &mut Shared, now: Time, mut job: Job) {
        let failure = match shared.copies.source(&job) {
            Source::Broken(why) => Some(why.into()),
            _ if self.mode == Mode::Stopped => Some(Failure::Shutdown),
            _ => None,
        };
        if let Some(failure) = failure {
            let outcome = Outcome::Failed(failure);
            return self.end(shared, job, &outcome, Verdict::Unknown, now);
        }
        self.counters.sent_again += u64::from(job.is_begun());
        shared.copies.set_stage(&job, Stage::Waiting);
        shared.copies.rewind(&mut job);
        self.counters.sent -= 1;
        self.counters.in_flight -= 1;
        self.counters.queued += 1;
        self.queue.push_front(job);
    }

    /// A connection ended, with a failure of the copy before this one, after the target may have
    /// taken it: that is not counted against the target again.
    pub(super) fn forsake(&mut self, shared: &mut Shared, now: Time, job: Job, failure: Failure) {
        let failure = match self.mode {
            Mode::Stopped => Failure::Shutdown,
            Mode::Open | Mode::Draining => failure,
        };
        self.end(
            shared,
            job,
            &Outcome::Failed(failure),
            Verdict::Unknown,
            now,
        );
    }

    /// A copy whose turn it is has nowhere to go.
    pub(super) fn fail_unsent(&mut self, shared: &mut Shared, job: Job, now: Time) {
        self.counters.queued -= 1;
        self.counters.sent += 1;
        self.counters.in_flight += 1;
        let outcome = Outcome::Failed(Failure::Unresolved);
        self.end(shared, job, &outcome, outcome.verdict(), now);
    }
}
