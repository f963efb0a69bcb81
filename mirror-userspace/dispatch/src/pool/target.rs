//! What a pool remembers of one target, and its books: each copy is entered once, wherever it ends.

use std::net::SocketAddr;

use mirror_core::{
    counters::{Dropped, TargetCounters},
    pipeline::GivenUp,
    segment::Time,
};
use slab::Slab;

use super::{
    Action, Shared,
    back_off::BackOff,
    breaker::{Breaker, Tripped},
    endpoints::Endpoints,
    link::Link,
    names::Names,
    order::Queue,
    rate::RateLimit,
    sessions::Homes,
    settings::{Origin, Settings},
    vacancy::Vacancy,
};
use crate::{
    copy::{Broken, Job},
    ids::LinkId,
    outcome::{Outcome, Stop, Verdict},
    wire::h2::STREAMS_AT_FIRST,
};

/// One target of a shard.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) index: usize,
    pub(super) mode: Mode,
    pub(super) queue: Queue,
    pub(super) endpoints: Endpoints,
    pub(super) links: Slab<Link>,
    /// Where the copies in HTTP/2 of client connections are.
    pub(super) homes: Homes,
    /// Streams that an endpoint allowed on a connection when it was asked last.
    pub(super) allowed: usize,
    /// Whether it has ever spoken HTTP/2.
    pub(super) speaks_http2: bool,
    /// A copy in HTTP/2 waits for one of the connections, all of which are in HTTP/1, to be closed.
    pub(super) yields: bool,
    pub(super) breaker: Breaker,
    pub(super) addressing: Addressing,
    pub(super) counters: TargetCounters,
    /// When a copy was answered last.
    pub(super) answered: Option<Time>,
    /// Connections that copies held for long when it was last looked, which was then.
    pub(super) held: usize,
    pub(super) looked: Time,
    pub(super) rate: Option<RateLimit>,
    /// `None` where all is sent, come what may.
    pub(super) back_off: Option<BackOff>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    /// Nothing new is taken; what is there is sent.
    Draining,
    /// Nothing is sent any more.
    Stopped,
}

/// How the addresses come to be known.
#[derive(Debug)]
pub(super) enum Addressing {
    Written,
    Name(Names),
    Told(Vacancy),
}

impl Target {
    pub(super) fn new(index: usize, settings: &Settings, origin: Origin) -> Self {
        let mut endpoints = Endpoints::new(settings.avoid, settings.seed);
        let addressing = match origin {
            Origin::Told => Addressing::Told(Vacancy::default()),
            Origin::Name => Addressing::Name(Names::default()),
            Origin::Written(socket) => {
                endpoints.replace(&[socket]);
                Addressing::Written
            }
        };
        Self {
            index,
            mode: Mode::Open,
            queue: Queue::new(settings.order),
            endpoints,
            links: Slab::new(),
            homes: Homes::default(),
            allowed: STREAMS_AT_FIRST,
            speaks_http2: false,
            yields: false,
            breaker: Breaker::new(settings.breaker),
            addressing,
            counters: TargetCounters::default(),
            answered: None,
            held: 0,
            looked: Time::default(),
            rate: settings.max_rps.map(RateLimit::new),
            back_off: settings.back_off.then(BackOff::new),
        }
    }

    pub(super) fn counters(&self) -> TargetCounters {
        let mut counters = self.counters.clone();
        counters.open = self.links.len() as u64;
        counters.held_back = self.back_off.as_ref().map_or(0, BackOff::held_back);
        counters.shards = 1;
        counters
    }

    /// Whether bodies of replies are read that are to be compared.
    pub(super) fn is_keeping(&self) -> bool {
        let mut links = self.links.iter();
        links.any(|(_, link)| {
            let session = link.session.as_ref();
            link.exchange.is_keeping() || session.is_some_and(|session| session.is_keeping())
        })
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) const fn is_quiet(&self) -> bool {
        self.counters.queued == 0 && self.counters.in_flight == 0
    }

    pub(super) fn link(&self, slot: usize) -> Option<&Link> {
        self.links.get(slot)
    }

    /// A streamed copy that waits will never be whole.
    pub(super) const fn handle_broken(&mut self, why: Broken, now: Time) {
        self.counters.queued -= 1;
        match why {
            Broken::Aborted(_) => self.counters.dropped.aborted += 1,
            Broken::Overflow => self.counters.dropped.stream_overflow += 1,
        }
        // It may have been the breaker's probe.
        self.breaker.handle_no_verdict(now);
    }

    /// A copy that waits is not wanted any more.
    pub(super) const fn handle_cancelled(&mut self, why: GivenUp, now: Time) {
        self.counters.queued -= 1;
        match why {
            GivenUp::ByClient => self.counters.dropped.cancelled += 1,
            GivenUp::RefusedByV1 => self.counters.dropped.refused_by_v1 += 1,
        }
        self.breaker.handle_no_verdict(now);
    }

    /// Drops all that waits, for the reason of this name and counter.
    pub(super) fn drop_waiting(
        &mut self,
        shared: &mut Shared,
        now: Time,
        reason: &'static str,
        counter: impl FnOnce(&mut Dropped) -> &mut u64,
    ) {
        let Shared { copies, lost, .. } = shared;
        let target = self.index;
        let waiting = self.queue.drain(copies, |copies, job| {
            if let Some(lost) = lost {
                lost.drop_waiting(now, reason, copies, job, target);
            }
        });
        self.counters.queued -= waiting;
        *counter(&mut self.counters.dropped) += waiting;
    }

    /// Enters how a copy ended.
    pub(super) fn count(&mut self, outcome: &Outcome) {
        outcome.count(&mut self.counters);
        if let Some(back_off) = &mut self.back_off {
            back_off.handle_outcome(outcome);
        }
    }

    /// A reply of this status may say to wait for so many seconds.
    #[inline]
    pub(super) fn handle_retry_after(&mut self, status: u16, seconds: Option<u32>) {
        if let (Some(back_off), Some(seconds)) = (&mut self.back_off, seconds) {
            back_off.handle_retry_after(status, seconds);
        }
    }

    /// A call of gRPC was refused for want of room, and may say to wait for so many milliseconds.
    pub(super) fn handle_refused_call(&mut self, pushback: Option<u32>) {
        if let Some(back_off) = &mut self.back_off {
            back_off.handle_refused_call(pushback);
        }
    }

    /// A copy was answered.
    #[inline]
    pub(super) const fn handle_answer(&mut self, now: Time) {
        self.breaker.handle_answer();
        self.answered = Some(now);
    }

    /// A copy that was given to a connection ended.
    pub(super) fn end(
        &mut self,
        shared: &mut Shared,
        job: Job,
        outcome: &Outcome,
        verdict: Verdict,
        now: Time,
    ) {
        self.counters.in_flight -= u64::from(!matches!(outcome, Outcome::Read(_)));
        match job.is_http2() {
            true => self.homes.leave(job.connection),
            false => self.queue.release(job.connection),
        }
        if let Some(compared) = &mut shared.compared {
            compared.end(self.index, job.request(), outcome);
        }
        if let (Outcome::Failed(failure), Some(lost)) = (outcome, &mut shared.lost) {
            lost.fail(now, *failure, &shared.copies, &job, self.index);
        }
        shared.copies.end(job);
        self.count(outcome);
        match verdict {
            Verdict::Works => self.handle_answer(now),
            Verdict::Fails => {
                if self.breaker.handle_failure(now) == Tripped::Yes {
                    self.drop_waiting(shared, now, "breaker_open", |dropped| {
                        &mut dropped.breaker_open
                    });
                    self.counters.breaker_opened += 1;
                }
            }
            Verdict::Unknown => self.breaker.handle_no_verdict(now),
        }
    }

    /// What is due is seen to.
    pub(super) fn handle_timeout(&mut self, shared: &mut Shared, now: Time) {
        let due = |link: &Link| link.due.is_some_and(|due| due <= now);
        let links = self.links.iter().filter(|(_, link)| due(link));
        let late: Vec<_> = links.map(|(slot, _)| slot).collect();
        for slot in late {
            if !self.give_up_late(shared, now, slot) {
                self.stop_link(shared, slot, Stop::Timeout);
            }
        }
        if self.counters.queued > 0 && self.is_vacant(&shared.settings, now) {
            self.drop_waiting(shared, now, "no_endpoint", |dropped| {
                &mut dropped.no_endpoint
            });
            // The breaker's probe may have been among them.
            self.breaker.handle_no_verdict(now);
        }
        if matches!(&self.addressing, Addressing::Name(names) if names.is_due(now)) {
            self.find_addresses(shared, now);
        }
        let turn = self.back_off.as_mut().and_then(|it| it.handle_timeout(now));
        let say = turn.map(|turn| Action::SayBackOff(self.index, turn));
        shared.actions.extend(say);
        self.see_to_pace(shared, now);
        self.see_to_held(shared, now);
    }

    /// When something is due next.
    pub(super) fn poll_timeout(&self, settings: &Settings) -> Option<Time> {
        let links = self.links.iter().filter_map(|(_, link)| link.due).min();
        let addresses = match &self.addressing {
            Addressing::Written => None,
            Addressing::Name(names) => names.due(),
            Addressing::Told(vacancy) => {
                let waits = self.counters.queued > 0 && self.endpoints.len() == 0;
                vacancy.end_of(settings.endpoint_wait).filter(|_| waits)
            }
        };
        let held = self.held_due(settings);
        links.into_iter().chain(addresses).chain(held).min()
    }

    /// Takes no new copies from now on; those that it has go on.
    pub(super) fn drain(&mut self) {
        self.mode = Mode::Draining;
    }

    /// Drops what waits and stops what is under way.
    pub(super) fn stop(&mut self, shared: &mut Shared, now: Time) {
        self.mode = Mode::Stopped;
        self.drop_waiting(shared, now, "shutdown", |dropped| &mut dropped.shutdown);
        let all: Vec<_> = self.links.iter().map(|(slot, _)| slot).collect();
        for slot in all {
            self.stop_link(shared, slot, Stop::Shutdown);
        }
    }

    /// A connection has to stop what it does, and to close. It does so when it is
    /// [worked](super::Pool::work) on next.
    pub(super) fn stop_link(&mut self, shared: &mut Shared, slot: usize, why: Stop) {
        let target = self.index;
        if let Some(link) = self.links.get_mut(slot) {
            link.stop = Some(why);
            link.due = None;
            if let Some(endpoint) = self.endpoints.get_mut(link.endpoint) {
                endpoint.withdraw(LinkId { target, slot });
            }
            shared
                .actions
                .push_back(Action::Wake(LinkId { target, slot }));
        }
    }

    /// These are the endpoints, from now on. Connections to those that stay, stay; free ones to
    /// others are closed, and busy ones after the copies that they are sending.
    pub(super) fn set_addresses(
        &mut self,
        shared: &mut Shared,
        now: Time,
        sockets: &[SocketAddr],
    ) -> bool {
        let Addressing::Told(vacancy) = &mut self.addressing else {
            return false;
        };
        if sockets.is_empty() {
            vacancy.begin(now);
        } else {
            vacancy.end();
        }
        self.replace_endpoints(shared, sockets);
        self.pump(shared, now);
        true
    }

    fn replace_endpoints(&mut self, shared: &mut Shared, sockets: &[SocketAddr]) {
        for LinkId { slot, .. } in self.endpoints.replace(sockets) {
            if !self.retire(slot) {
                self.stop_link(shared, slot, Stop::Timeout);
            }
        }
    }

    /// There is nowhere to send, or nowhere that is up to date.
    pub(super) fn find_addresses(&mut self, shared: &mut Shared, now: Time) {
        match &mut self.addressing {
            Addressing::Written => {}
            Addressing::Told(vacancy) => vacancy.begin(now),
            Addressing::Name(names) => {
                if names.begin(now, now + shared.settings.resolve_every) {
                    shared.actions.push_back(Action::Resolve(self.index));
                }
            }
        }
    }

    /// The name stands for these addresses.
    pub(super) fn handle_resolved(&mut self, shared: &mut Shared, now: Time, found: &[SocketAddr]) {
        let Addressing::Name(names) = &mut self.addressing else {
            return;
        };
        names.end();
        if !found.is_empty() {
            self.replace_endpoints(shared, found);
        } else if self.endpoints.len() == 0 {
            // Without an address the copy whose turn it is cannot be sent.
            let next = self.queue.pop(&mut shared.copies);
            if let Some(job) = next.or_else(|| self.queue.pop_http2(&mut shared.copies, true)) {
                self.fail_unsent(shared, job, now);
            }
        }
        self.pump(shared, now);
    }
}
