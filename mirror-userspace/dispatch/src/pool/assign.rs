//! Who sends the next copy.
//!
//! At the endpoint that is chosen for a copy it goes on the connection that was used last; those
//! that are not needed are closed by their idle time-out. Where copies may be pipelined, it goes
//! with those that a connection is about to write, and a connection that has an answer takes as
//! many of those that wait as it may.

use mirror_core::{
    pipeline::{ConnectionId, MirrorCopy},
    segment::Time,
};

use super::{
    Action, Shared,
    endpoints::{Endpoint, EndpointId},
    link::{Link, Phase},
    sessions::is_open_ended,
    target::Target,
};
use crate::{
    copy::{Job, Stage},
    ids::LinkId,
    outcome::Stop,
};

/// Who is to send the next copy.
#[derive(Debug)]
pub(super) enum Pick {
    /// A connection that is open.
    Ready(LinkId),
    /// One that must be opened first.
    Open(EndpointId),
    /// Nobody: all connections are busy.
    Busy,
    /// Nobody: no endpoint is known.
    NoAddress,
}

/// What a connection does after a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Goes on with what it has or was given.
    More,
    /// There is no copy for it: the connection rests until there is.
    Rest,
    /// It is not to be used again, and closes.
    Close,
}

impl Target {
    /// Takes a copy, or drops and counts it.
    pub(super) fn handle_copy(&mut self, shared: &mut Shared, now: Time, copy: MirrorCopy) {
        let open_ended = is_open_ended(&copy);
        if let Some(reason) = self.refuse(&shared.settings, now, copy.request, open_ended) {
            if let Some(lost) = &mut shared.lost {
                lost.turn_away(now, reason, &copy);
            }
            if let Some(compared) = &mut shared.compared {
                compared.turn_away(self.index, copy.request);
            }
            return;
        }
        let mut job = shared.copies.begin(copy);
        if shared.is_pacing() {
            job.join_if_safe();
        }
        self.counters.queued += 1;
        if job.is_http2() {
            self.queue.push(job);
            return self.pump(shared, now);
        }
        let ahead = self.queue.link_to_follow(job.connection);
        match ahead.filter(|link| self.takes(shared, now, *link, &job)) {
            Some(link) => {
                self.queue.follow(job.connection);
                self.give(shared, now, link, job);
            }
            None => {
                self.queue.push(job);
                self.pump(shared, now);
            }
        }
    }

    /// Gives what may be sent to who can send it.
    #[inline]
    pub(super) fn pump(&mut self, shared: &mut Shared, now: Time) {
        self.pump_http1(shared, now);
        if self.queue.has_http2() {
            self.pump_http2(shared, now);
        }
    }

    fn pump_http1(&mut self, shared: &mut Shared, now: Time) {
        while let Some(job) = self.queue.pop(&mut shared.copies) {
            match self.pick(shared, now, &job) {
                Pick::Ready(link) => {
                    if let Some(link) = self.links.get_mut(link.slot) {
                        link.due = None;
                    }
                    self.give(shared, now, link, job);
                }
                Pick::Open(endpoint) => {
                    let link = self.open(shared, Link::new(endpoint));
                    self.give(shared, now, link, job);
                }
                Pick::Busy => return self.queue.push_front(job),
                Pick::NoAddress => {
                    self.queue.push_front(job);
                    return self.find_addresses(shared, now);
                }
            }
        }
    }

    fn pick(&mut self, shared: &mut Shared, now: Time, job: &Job) -> Pick {
        let Some(chosen) = self.endpoints.choose(now) else {
            return Pick::NoAddress;
        };
        let below_limit = self.links.len() < self.limit(&shared.settings);
        // Of one that is sent again, others that rest may be about to close as well.
        if (job.is_alone() || job.is_retried()) && below_limit {
            return Pick::Open(chosen);
        }
        if job.is_alone() {
            self.close_an_idle_one(shared);
            return Pick::Busy;
        }
        let mut ready = self.gathering(shared, now, chosen, job);
        if ready.is_none() {
            let endpoint = self.endpoints.get_mut(chosen);
            ready = endpoint.and_then(|endpoint| endpoint.idle.pop());
        }
        if ready.is_none() && !below_limit {
            ready = self.free_elsewhere(shared, chosen);
        }
        let Some(link) = ready else {
            if below_limit {
                return Pick::Open(chosen);
            }
            self.make_room_for_exchange(shared);
            return Pick::Busy;
        };
        if shared.pipelines()
            && let Some(endpoint) = self.links.get(link.slot).map(|link| link.endpoint)
            && let Some(endpoint) = self.endpoints.get_mut(endpoint)
        {
            endpoint.gathering = Some(link);
        }
        Pick::Ready(link)
    }

    /// A connection that was free, and has not begun to write what it was given: `job` may go with
    /// that in one system call.
    fn gathering(
        &self,
        shared: &Shared,
        now: Time,
        endpoint: EndpointId,
        job: &Job,
    ) -> Option<LinkId> {
        let link = self.endpoints.get(endpoint)?.gathering?;
        let fresh = self.links.get(link.slot).is_some_and(|link| link.fresh);
        (fresh && self.takes(shared, now, link, job)).then_some(link)
    }

    /// Whether the connection, on which copies are under way, may take `job` as well.
    fn takes(&self, shared: &Shared, now: Time, id: LinkId, job: &Job) -> bool {
        let Some(link) = self.links.get(id.slot) else {
            return false;
        };
        let endpoint = self.endpoints.get(link.endpoint);
        endpoint.is_some_and(|endpoint| endpoint.is_usable())
            && link.has_room_for(job, self.most_on(shared, now, id))
    }

    /// At the limit: one that rests makes room for a new one.
    fn close_an_idle_one(&mut self, shared: &mut Shared) {
        if self.links.iter().any(|(_, link)| link.stop.is_some()) {
            return;
        }
        let idle =
            { self.endpoints.iter() }.find_map(|(_, endpoint)| endpoint.idle.first().copied());
        match idle {
            Some(idle) => self.stop_link(shared, idle.slot, Stop::Timeout),
            None => self.make_room_for_exchange(shared),
        }
    }

    /// At the limit: better a connection to another endpoint than to wait for one to `wanted`. If
    /// the other has more than its share, one that it does not need makes room for the next copy.
    fn free_elsewhere(&mut self, shared: &mut Shared, wanted: EndpointId) -> Option<LinkId> {
        let share = self.endpoints.connections(wanted) + 1;
        let is_idle = |(_, other): &(_, &Endpoint)| !other.idle.is_empty();
        let (other, _) = self.endpoints.iter().find(is_idle)?;
        let has_plenty = self.endpoints.connections(other) > share;
        let idle = &mut self.endpoints.get_mut(other)?.idle;
        let free = idle.pop();
        if let Some(unneeded) = idle.first().copied().filter(|_| has_plenty) {
            self.stop_link(shared, unneeded.slot, Stop::Timeout);
        }
        free
    }

    pub(super) fn open(&mut self, shared: &mut Shared, link: Link) -> LinkId {
        let endpoint = link.endpoint;
        self.endpoints.open(endpoint, 0);
        let link = LinkId {
            target: self.index,
            slot: self.links.insert(link),
        };
        if let Some(endpoint) = self.endpoints.get(endpoint) {
            let endpoint = endpoint.socket;
            shared.actions.push_back(Action::Open { link, endpoint });
        }
        link
    }

    /// Hands a copy to a connection: it counts as sent.
    fn give(&mut self, shared: &mut Shared, now: Time, id: LinkId, job: Job) {
        let Some(link) = self.links.get_mut(id.slot) else {
            return self.queue.push_front(job);
        };
        shared.copies.set_stage(&job, Stage::Sending(id));
        self.counters.queued -= 1;
        self.counters.sent += 1;
        self.counters.in_flight += 1;
        self.queue.handle_given(job.connection, id);
        self.endpoints.begin(link.endpoint, now);
        if !link.is_free()
            && let Some(endpoint) = self.endpoints.get_mut(link.endpoint)
        {
            endpoint.pace.begin(id);
        }
        let compared = shared.compared.as_ref();
        let kept = compared.and_then(|it| it.keep(self.index, job.request()));
        link.give(shared, job, kept);
        if link.is_connected() {
            shared.actions.push_back(Action::Wake(id));
        }
    }

    /// The next copy that a connection may take, after one of this client connection.
    fn next_for(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        after: ConnectionId,
    ) -> Option<Job> {
        let limit = self.most_on(shared, now, id);
        let link = self.links.get(id.slot)?;
        let has_room = |job: &Job| link.has_room_for(job, limit);
        let behind = self.queue.pop_behind(after, &mut shared.copies, has_room);
        let job = behind.or_else(|| self.queue.pop(&mut shared.copies))?;
        if has_room(&job) {
            return Some(job);
        }
        self.queue.push_front(job);
        None
    }

    /// A copy on a connection, of this client connection, was answered: what it does next.
    pub(super) fn follow_up(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: LinkId,
        connection: ConnectionId,
    ) -> Next {
        let Some(endpoint) = self.links.get(id.slot).map(|link| link.endpoint) else {
            return Next::Close;
        };
        let crowded = match shared.pipelines() {
            true => self.endpoints.is_very_crowded(endpoint),
            false => self.endpoints.is_crowded(endpoint),
        } || self.yields;
        self.endpoints.end(endpoint);
        if let Some(link) = self.links.get_mut(id.slot)
            && link.is_free()
        {
            // It may be closed behind the reply: what it is given now is not to be lost with it.
            link.phase = Phase::Resting;
            link.due = None;
            link.drains = false;
        }
        while !crowded && let Some(job) = self.next_for(shared, now, id, connection) {
            self.give(shared, now, id, job);
        }
        let waits = self.queue.len() > 0;
        let exhausted = crowded && waits && self.is_exhausted(shared);
        let Some(link) = self.links.get_mut(id.slot) else {
            return Next::Close;
        };
        if !link.is_free() {
            link.drains |= exhausted;
            return Next::More;
        }
        if exhausted || std::mem::take(&mut self.yields) {
            // The connection that takes its place goes to where there are fewer.
            return Next::Close;
        }
        link.due = Some(now + shared.settings.idle_timeout);
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.idle.push(id);
        }
        self.pump(shared, now);
        Next::Rest
    }

    /// Whether all connections that there may be are busy.
    fn is_exhausted(&self, shared: &Shared) -> bool {
        let mut endpoints = self.endpoints.iter();
        self.links.len() >= self.limit(&shared.settings)
            && endpoints.all(|(_, other)| other.idle.is_empty())
    }
}
