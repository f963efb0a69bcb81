//! Which connection in HTTP/2 sends a copy.
//!
//! A copy goes where those of its client connection are under way, so that they arrive in order, as long as that
//! connection takes more; else to the endpoint that is chosen for it, on the first connection there that has a
//! stream left. Another one is opened only where none has. None of them waits for the reply to another one.
//!
//! Streams that stay open could fill all connections, and keep calls out that would be over at once. So copies that are
//! open-ended leave a quarter of the streams to others, and of the queue.

use std::collections::HashMap;

use mirror_core::{
    pipeline::{ConnectionId, MirrorCopy, Rest, Wire},
    segment::Time,
};

use super::{
    Action, Order, Retry, Shared,
    assign::Pick,
    link::{Link, Phase},
    target::{Mode, Target},
};
use crate::{
    copy::{Job, Outgoing, Stage},
    ids::LinkId,
    outcome::Stop,
    wire::h2::STREAMS,
};

/// Bytes of a copy up to which it is kept until its reply's head, in case the target says that it did not take it.
/// Larger ones are sent once.
const KEPT: usize = 1 << 20;

/// How many of so many places open-ended copies may take.
pub(super) const fn most_open_ended(places: usize) -> usize {
    let most = places - places.div_ceil(4);
    if most == 0 { 1 } else { most }
}

/// Whether it is not known when a copy in HTTP/2 will be whole.
pub(super) const fn is_open_ended(copy: &MirrorCopy) -> bool {
    matches!(
        (copy.rest, &copy.wire),
        (Rest::Streamed, Wire::Http2 { .. })
    )
}

/// Where the copies of client connections are under way.
#[derive(Debug, Default)]
pub(super) struct Homes(HashMap<ConnectionId, Home, foldhash::fast::RandomState>);

#[derive(Debug)]
struct Home {
    link: LinkId,
    copies: usize,
}

impl Homes {
    fn find(&self, connection: ConnectionId) -> Option<LinkId> {
        self.0.get(&connection).map(|home| home.link)
    }

    fn enter(&mut self, connection: ConnectionId, link: LinkId) {
        let home = self.0.entry(connection);
        let home = home.or_insert(Home { link, copies: 0 });
        home.link = link;
        home.copies += 1;
    }

    /// A copy of this client connection is over, or goes elsewhere.
    pub(super) fn leave(&mut self, connection: ConnectionId) {
        if let Some(home) = self.0.get_mut(&connection) {
            home.copies -= 1;
            if home.copies == 0 {
                self.0.remove(&connection);
            }
        }
    }

    /// Whether no copy is under way.
    #[cfg(debug_assertions)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Target {
    /// Gives what may be sent in HTTP/2 to who can send it.
    pub(super) fn pump_http2(&mut self, shared: &mut Shared, now: Time) {
        let mut open_ended = true;
        while let Some(job) = self.queue.pop_http2(&mut shared.copies, open_ended) {
            match self.pick_session(shared, now, &job) {
                Pick::Ready(link) => self.give_stream(shared, now, link, job),
                Pick::Open(endpoint) => {
                    self.yields = false;
                    let link = self.open(shared, Link::http2(endpoint, shared, self.allowed));
                    if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                        endpoint.sessions.push(link);
                    }
                    self.give_stream(shared, now, link, job);
                }
                Pick::Busy => {
                    let others = job.is_open_ended();
                    self.queue.push_front(job);
                    if !others {
                        return;
                    }
                    open_ended = false;
                }
                Pick::NoAddress => {
                    self.queue.push_front(job);
                    return self.find_addresses(shared, now);
                }
            }
        }
    }

    fn pick_session(&mut self, shared: &mut Shared, now: Time, job: &Job) -> Pick {
        if job.is_open_ended() && !self.takes_open_ended(shared) {
            return Pick::Busy;
        }
        if shared.settings.order == Order::Connection
            && let Some(home) = self.homes.find(job.connection)
            && self.is_at_usable(home)
            && self.takes_stream(home)
        {
            return Pick::Ready(home);
        }
        let Some(chosen) = self.endpoints.choose(now) else {
            return Pick::NoAddress;
        };
        let with_room = |sessions: &[LinkId]| {
            let mut sessions = sessions.iter().copied();
            sessions.find(|link| self.takes_stream(*link))
        };
        let there = self.endpoints.get(chosen);
        if let Some(link) = there.and_then(|endpoint| with_room(&endpoint.sessions)) {
            return Pick::Ready(link);
        }
        if self.links.len() < shared.settings.connections {
            return Pick::Open(chosen);
        }
        let all = self.endpoints.iter();
        let elsewhere = { all }.find_map(|(_, endpoint)| with_room(&endpoint.sessions));
        if let Some(link) = elsewhere {
            return Pick::Ready(link);
        }
        self.make_room_for_session(shared);
        Pick::Busy
    }

    /// Whether one more copy may be sent that is open-ended.
    fn takes_open_ended(&self, shared: &Shared) -> bool {
        let streams = shared.settings.connections * self.allowed.min(STREAMS);
        let sessions = { self.links.iter() }.filter_map(|(_, link)| link.session.as_ref());
        let taken: usize = sessions.map(|session| session.open_ended()).sum();
        taken < most_open_ended(streams)
    }

    /// Whether this is a connection to an endpoint that works.
    fn is_at_usable(&self, id: LinkId) -> bool {
        let link = self.links.get(id.slot);
        let endpoint = link.and_then(|link| self.endpoints.get(link.endpoint));
        endpoint.is_some_and(|endpoint| endpoint.is_usable())
    }

    /// Whether this connection may be given one more copy.
    fn takes_stream(&self, id: LinkId) -> bool {
        self.links.get(id.slot).is_some_and(|link| {
            let usable = link.stop.is_none() && link.phase != Phase::Closed;
            let session = link.session.as_ref();
            usable && session.is_some_and(|session| session.has_room())
        })
    }

    /// All connections that there may be are there. One in HTTP/1 that is not needed makes room for one in HTTP/2; if
    /// there is none in HTTP/2, the next one that is free.
    fn make_room_for_session(&mut self, shared: &mut Shared) {
        let all = self.endpoints.iter();
        let idle = { all }.find_map(|(_, endpoint)| endpoint.idle.first().copied());
        match idle {
            Some(idle) => self.stop_link(shared, idle.slot, Stop::Timeout),
            None => self.yields = self.links.iter().all(|(_, link)| link.session.is_none()),
        }
    }

    /// The same the other way round: if there is none in HTTP/1, one that carries few copies takes no more.
    pub(super) fn make_room_for_exchange(&mut self, shared: &mut Shared) {
        let idle = self.links.iter().find(|(_, link)| {
            let rests = link.phase == Phase::Resting && link.stop.is_none();
            rests && link.session.is_some() && link.is_free()
        });
        if let Some((slot, _)) = idle {
            return self.stop_link(shared, slot, Stop::Timeout);
        }
        let takes = |link: &Link| match &link.session {
            None => true,
            Some(session) => session.is_retired() || link.stop.is_some(),
        };
        if self.links.iter().any(|(_, link)| takes(link)) {
            return;
        }
        let fewest = self.links.iter().min_by_key(|(_, link)| link.copies());
        if let Some((slot, _)) = fewest {
            self.retire(slot);
        }
    }

    /// Hands a copy to a connection: it counts as sent.
    fn give_stream(&mut self, shared: &mut Shared, now: Time, id: LinkId, mut job: Job) {
        let Some(link) = self.links.get_mut(id.slot) else {
            return self.queue.push_front(job);
        };
        let connected = link.is_connected();
        let Some(session) = &mut link.session else {
            return self.queue.push_front(job);
        };
        let small = job.whole().map(Outgoing::bytes) <= Some(KEPT);
        if shared.settings.retry == Retry::Idempotent && small {
            job.keep();
        }
        self.counters.queued -= 1;
        self.counters.sent += 1;
        self.counters.in_flight += 1;
        self.homes.enter(job.connection, id);
        self.endpoints.begin(link.endpoint, now);
        let stage = Stage::Streaming(id, session.next_stream());
        shared.copies.set_stage(&job, stage);
        let compared = shared.compared.as_ref();
        let kept = compared.and_then(|it| it.keep(self.index, job.request()));
        let stream = session.next_stream();
        session.push(job, connected.then_some(now));
        if let Some(turn) = session.turn_mut(stream) {
            turn.keep_in(kept);
        }
        if connected {
            link.due = session.due();
            shared.actions.push_back(Action::Wake(id));
        }
    }

    /// After anything that happened on a connection in HTTP/2: it rests or closes if nothing is under way (and
    /// whoever has the socket has to look), and else is due when the first of its copies is.
    pub(super) fn tidy(&mut self, shared: &mut Shared, now: Time, id: LinkId) {
        let stopped = self.mode == Mode::Stopped;
        let Some(link) = self.links.get_mut(id.slot) else {
            return;
        };
        let Some(session) = link
            .session
            .as_ref()
            .filter(|_| link.phase != Phase::Closed)
        else {
            return;
        };
        let connected = link.phase != Phase::Connecting;
        if !session.is_empty() {
            if connected && link.stop.is_none() {
                link.due = session.due();
            }
        } else if session.is_retired() || stopped {
            if connected {
                self.close(id);
            } else {
                link.stop.get_or_insert(Stop::Timeout);
                if let Some(endpoint) = self.endpoints.get_mut(link.endpoint) {
                    endpoint.withdraw(id);
                }
            }
        } else if link.phase == Phase::Busy {
            link.phase = Phase::Resting;
            link.due = Some(now + shared.settings.idle_timeout);
        }
    }

    /// A connection is not to be given more copies; `false` if it is none in HTTP/2 with copies on it.
    pub(super) fn retire(&mut self, slot: usize) -> bool {
        let target = self.index;
        let Some(link) = self.links.get_mut(slot) else {
            return false;
        };
        let Some(session) = link.session.as_mut().filter(|session| !session.is_empty()) else {
            return false;
        };
        session.retire();
        if let Some(endpoint) = self.endpoints.get_mut(link.endpoint) {
            endpoint.withdraw(LinkId { target, slot });
        }
        true
    }
}
