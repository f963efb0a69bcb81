//! What happens on connections, as the shell tells it.

use std::{io::IoSlice, net::SocketAddr};

use mirror_core::segment::Time;

use super::{
    Pool, Shared,
    breaker::Tripped,
    link::{Link, Phase, Unconnected, Work},
    target::{Addressing, Target},
};
use crate::{
    copy::Source,
    ids::LinkId,
    outcome::{Failure, Outcome},
    wire::h1::{Ended, Read},
};

impl Pool {
    #[inline]
    fn of(&mut self, id: LinkId) -> Option<(&mut Target, &mut Shared)> {
        let target = self.targets.get_mut(id.target)?;
        Some((target, &mut self.shared))
    }

    #[inline]
    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        self.targets.get(id.target)?.link(id.slot)
    }

    #[inline]
    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<(&mut Link, &mut Shared)> {
        let (target, shared) = self.of(id)?;
        Some((target.links.get_mut(id.slot)?, shared))
    }

    /// Whether a connection that is being opened is not wanted any more.
    #[must_use]
    pub fn is_stopped(&self, id: LinkId) -> bool {
        self.link(id).is_none_or(|link| link.stop.is_some())
    }

    /// The shell has connected it: it takes its first copy.
    pub fn handle_connected(&mut self, now: Time, id: LinkId) {
        if let Some((target, shared)) = self.of(id)
            && let Some(link) = target.links.get_mut(id.slot)
        {
            link.phase = Phase::Busy;
            link.allow_time(shared, now);
            target.counters.opened += 1;
            target.begin_session(shared, now, id);
        }
    }

    /// The endpoint has agreed on HTTP/2 in TLS.
    pub fn handle_agreed(&mut self, id: LinkId) {
        if let Some((target, _)) = self.of(id) {
            target.speaks_http2 = true;
        }
    }

    /// The endpoint refused; another one to try, if there is one.
    pub fn handle_refused(
        &mut self,
        now: Time,
        id: LinkId,
        why: Unconnected,
    ) -> Option<SocketAddr> {
        let (target, _) = self.of(id)?;
        if let Addressing::Name(names) = &mut target.addressing
            && why != Unconnected::Forbidden
        {
            names.hasten(now);
        }
        let link = target.links.get_mut(id.slot)?;
        let refused = link.endpoint;
        let tripped = target.endpoints.handle_failure(refused, now);
        target.counters.avoided += u64::from(tripped == Tripped::Yes);
        let next = target.endpoints.choose_healthy()?;
        if next == refused {
            return None;
        }
        let session = link.session.as_ref();
        let serves = link.stop.is_none() && session.is_some_and(|it| !it.is_retired());
        let copies = link.copies();
        link.endpoint = next;
        if let Some(endpoint) = target.endpoints.get_mut(refused) {
            endpoint.withdraw(id);
        }
        target.endpoints.close(refused, copies);
        target.endpoints.open(next, copies);
        if serves && let Some(endpoint) = target.endpoints.get_mut(next) {
            endpoint.sessions.push(id);
        }
        target.endpoints.get(next).map(|endpoint| endpoint.socket)
    }

    /// Nobody could be connected to, or it is not wanted any more.
    pub fn handle_unconnected(&mut self, now: Time, id: LinkId, why: Unconnected) {
        let stop = self.link(id).and_then(|link| link.stop);
        let failure = match (stop, why) {
            (Some(stop), _) => stop.into(),
            (None, Unconnected::Failed) => Failure::Connect,
            (None, Unconnected::Tls) => Failure::Tls,
            (None, Unconnected::NoRoute) => Failure::NoRoute,
            (None, Unconnected::Local) => Failure::Local,
            (None, Unconnected::Forbidden) => Failure::TargetRefused,
            (None, Unconnected::NoHttp2) => Failure::NoHttp2,
        };
        if let Some((target, shared)) = self.of(id) {
            target.fail_session(shared, now, id, failure);
            while let Some(turn) = target.pop_turn(id) {
                let outcome = Outcome::Failed(failure);
                target.finish(shared, now, id, turn.job, &outcome);
            }
            target.close(id);
        }
    }

    /// What is to be done on it.
    #[must_use]
    #[inline]
    pub fn work(&self, id: LinkId) -> Work {
        let link = self.link(id);
        link.map_or(Work::Close, |link| link.work(&self.shared))
    }

    /// Sees to what ended without a word from the target.
    pub fn settle(&mut self, now: Time, id: LinkId) {
        if let Some((target, shared)) = self.of(id)
            && target.settle_session(shared, now, id)
        {
            return;
        }
        let Some((link, shared)) = self.link_mut(id) else {
            return;
        };
        let ended = match link.phase {
            Phase::Connecting | Phase::Closed => return,
            Phase::Resting => None,
            Phase::Busy => {
                let stop = link.stop.map(Failure::from);
                link.exchange.poll_ended(&shared.copies, stop)
            }
        };
        match ended {
            Some(ended) => self.conclude(now, id, ended),
            None if matches!(self.work(id), Work::Settle) => self.hang_up(now, id),
            None => {}
        }
    }

    /// A connection that rested is looked at and found open: it begins with what it was given.
    #[inline]
    pub fn handle_awake(&mut self, now: Time, id: LinkId) {
        if let Some((link, shared)) = self.link_mut(id)
            && let Phase::Resting = link.phase
            && !link.is_free()
        {
            link.phase = Phase::Busy;
            if link.session.is_none() {
                link.allow_time(shared, now);
            }
        }
    }

    /// Whether it is in HTTP/2, or is to be.
    #[must_use]
    pub fn is_http2(&self, id: LinkId) -> bool {
        self.link(id).is_some_and(|link| link.session.is_some())
    }

    /// Whether there are bytes to write on it.
    #[inline]
    pub fn has_bytes(&mut self, id: LinkId) -> bool {
        let Some((link, shared)) = self.link_mut(id) else {
            return false;
        };
        link.fresh = false;
        if let Some(session) = &mut link.session {
            return session.poll_bytes(&mut shared.copies);
        }
        let source = link.exchange.poll_source(&shared.copies);
        link.waits_for_source = source == Source::Later;
        if link.waits_for_source {
            // The source may take its time; the target has nothing to be late with.
            link.due = None;
        }
        source == Source::Bytes
    }

    /// Puts what is to be written into `slices`; how many there are.
    #[inline]
    pub fn fill<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(link) = self.link(id) else {
            return 0;
        };
        if let (Some(session), Some(slice)) = (&link.session, slices.first_mut()) {
            *slice = IoSlice::new(session.bytes());
            return 1;
        }
        link.exchange.fill(&self.shared.copies, slices)
    }

    /// The first bytes of these were written, so many.
    #[inline]
    pub fn handle_written(&mut self, now: Time, id: LinkId, bytes: usize) {
        let Some((target, shared)) = self.of(id) else {
            return;
        };
        let Some(link) = target.links.get_mut(id.slot) else {
            return;
        };
        if link.session.is_some() {
            return target.handle_frames_written(shared, now, id, bytes);
        }
        if link.exchange.is_writing_front() {
            link.allow_time(shared, now);
        }
        let pacing = shared.is_pacing();
        let Shared { copies, meter, .. } = shared;
        let counters = &mut target.counters;
        link.exchange.advance(copies, bytes, |turn, pipelined| {
            // Behind others it waits for them.
            turn.stopwatch = Some(match pipelined && pacing {
                true => meter.start_unwatched(now),
                false => meter.start(now),
            });
            turn.behind = pipelined;
            counters.pipelined += u64::from(pipelined);
            if turn.job.begin() {
                counters.lag.record(now.since(turn.job.at));
            }
        });
    }

    /// None of them could be written now.
    pub fn handle_blocked(&mut self, now: Time, id: LinkId) {
        if let Some((link, shared)) = self.link_mut(id)
            && link.session.is_none()
            && link.due.is_none()
        {
            link.allow_time(shared, now);
        }
    }

    /// Nothing can be written any more.
    pub fn handle_unwritable(&mut self, id: LinkId) {
        if let Some((link, shared)) = self.link_mut(id) {
            match &mut link.session {
                Some(session) => session.handle_unwritable(),
                None => link.exchange.handle_unwritable(&mut shared.copies),
            }
        }
    }

    /// Whether something is written that a layer below may hold back, and that is not to wait for
    /// more. To be asked after [`has_bytes`](Self::has_bytes).
    #[must_use]
    #[inline]
    pub fn is_unflushed(&self, id: LinkId) -> bool {
        let link = self.link(id);
        link.is_some_and(|link| match &link.session {
            Some(session) => session.is_unflushed(),
            None => link.waits_for_source || link.exchange.is_unflushed(),
        })
    }

    /// What is written has left.
    #[inline]
    pub fn handle_flushed(&mut self, now: Time, id: LinkId) {
        let Some((link, shared)) = self.link_mut(id) else {
            return;
        };
        if let Some(session) = &mut link.session {
            session.handle_flushed();
        } else if link.exchange.handle_flushed(&mut shared.copies) {
            link.allow_time(shared, now);
            self.hear(now, id);
        }
    }

    /// These bytes were read. What comes while nothing is under way nobody asked for.
    pub fn handle_read(&mut self, now: Time, id: LinkId, mut bytes: &[u8]) {
        loop {
            let Some((link, _)) = self.link_mut(id) else {
                return;
            };
            if link.session.is_some() {
                return self.hear_session(now, id, bytes);
            }
            match link.phase {
                Phase::Connecting | Phase::Closed => return,
                Phase::Resting => return self.hang_up(now, id),
                Phase::Busy => {}
            }
            match link.exchange.handle_data(bytes) {
                Read::More => return self.hear(now, id),
                Read::Ended(ended, used) => {
                    self.conclude(now, id, ended);
                    bytes = bytes.get(used..).unwrap_or_default();
                }
            }
            if bytes.is_empty() {
                return;
            }
        }
    }

    /// The same on a connection in HTTP/2.
    fn hear_session(&mut self, now: Time, id: LinkId, bytes: &[u8]) {
        if let Some((target, shared)) = self.of(id) {
            target.hear_session(shared, now, id, bytes);
        }
    }

    /// If the head of a reply has come, its copy is answered.
    #[inline]
    pub(super) fn hear(&mut self, now: Time, id: LinkId) {
        if let Some((target, shared)) = self.of(id) {
            target.hear(shared, now, id);
        }
    }

    /// The target closed it.
    pub fn handle_eof(&mut self, now: Time, id: LinkId) {
        self.handle_end(now, id, |link| link.exchange.handle_eof());
    }

    /// The connection broke: its copies fail, or are sent once more.
    pub fn handle_reset(&mut self, now: Time, id: LinkId) {
        self.handle_end(now, id, |link| link.exchange.handle_reset());
    }

    fn handle_end(&mut self, now: Time, id: LinkId, how: impl FnOnce(&Link) -> Ended) {
        let Some(link) = self.link(id) else {
            return;
        };
        match link.phase {
            Phase::Connecting | Phase::Closed => {}
            Phase::Resting => self.hang_up(now, id),
            Phase::Busy if link.session.is_some() => self.hang_up(now, id),
            Phase::Busy => {
                let ended = how(link);
                self.conclude(now, id, ended);
            }
        }
    }

    /// It is closed, and its number free. What was under way on it, if anything was, has failed.
    pub fn handle_closed(&mut self, now: Time, id: LinkId) {
        match self.link(id).map(|link| link.phase) {
            Some(Phase::Connecting) => {
                self.handle_unconnected(now, id, Unconnected::Failed);
            }
            Some(Phase::Resting | Phase::Busy) => self.handle_reset(now, id),
            Some(Phase::Closed) | None => {}
        }
        if let Some((target, shared)) = self.of(id) {
            if let Some(link) = target.links.try_remove(id.slot) {
                target.endpoints.close(link.endpoint, link.copies());
            }
            target.pump(shared, now);
        }
    }

    #[inline]
    pub(super) fn conclude(&mut self, now: Time, id: LinkId, ended: Ended) {
        if let Some((target, shared)) = self.of(id) {
            target.conclude(shared, now, id, ended);
        }
    }

    /// It is of no use any more, and what it was given goes on another one.
    fn hang_up(&mut self, now: Time, id: LinkId) {
        if let Some((target, shared)) = self.of(id) {
            if target.fail_session(shared, now, id, Failure::Reset) {
                return;
            }
            target.abandon(shared, now, id, Failure::Reset);
        }
    }
}
