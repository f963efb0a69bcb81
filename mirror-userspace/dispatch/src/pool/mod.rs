//! Everything that re-sending decides, without I/O: no socket, no task, no clock.
//!
//! ```text
//! handle_output --copies--> Target: admit or drop ─► Queue ─► Endpoints, Link ─► Exchange
//!                              breaker, rate          order     which one        bytes out,
//!                                                                                replies in
//! poll_action ◄── open this connection, look at that one, resolve a name
//! ```
//!
//! A [`Pool`] is what one shard knows of all its targets. It is a value: what happens comes in
//! through `handle_*`, with the time as an argument, and what is to be done comes out of
//! [`poll_action`](Pool::poll_action) and [`work`](Pool::work). Connections are known by a
//! [`LinkId`], endpoints by their place; nothing points at anything else. The shell does what it is
//! told with real sockets, the tests and a fuzz target with simulated ones.
//!
//! The life of a connection, as whoever has the socket sees it:
//!
//! 1. [`Action::Open`] names an endpoint. It is connected to, while [`is_stopped`](Pool::is_stopped)
//!    says that it is still wanted: [`handle_connected`](Pool::handle_connected), or
//!    [`handle_refused`](Pool::handle_refused), which may name another one, and in the end
//!    [`handle_unconnected`](Pool::handle_unconnected).
//! 2. Then, and after each [`Action::Wake`], [`work`](Pool::work) says what to do.
//!    * [`Work::Exchange`]: while it [`has_bytes`](Pool::has_bytes), write what
//!      [`fill`](Pool::fill) gives; [flush](Pool::handle_flushed) what is
//!      [unflushed](Pool::is_unflushed); then read, or [discard](Pool::discardable).
//!    * [`Work::Rest`]: read, for it may be closed; with a copy given, look whether it is, and if not,
//!      begin ([`handle_awake`](Pool::handle_awake)).
//!
//!      A connection in HTTP/2 has [`Work::Exchange`] whenever it has copies or something to write.
//!    * [`Work::Settle`]: call [`settle`](Pool::settle), which needs the time.
//!    * [`Work::Close`]: close it, and say so ([`handle_closed`](Pool::handle_closed)).
//!
//! At any moment `copies given = queued + sent + dropped`, and every copy ends in exactly one
//! counter. What may be sent twice, [`Retry`] says.

mod admission;
mod again;
mod asked;
mod assign;
#[cfg(debug_assertions)]
mod audit;
mod back_off;
pub mod breaker;
mod compared;
mod discarding;
mod endings;
mod endpoints;
mod hearing;
mod held;
mod link;
mod links;
mod lost;
mod names;
mod of_v1;
mod order;
mod pace;
mod rate;
mod sessions;
mod settings;
mod streams;
mod target;
#[cfg(test)]
mod tests;
mod vacancy;

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
};

use mirror_core::{
    counters::TargetCounters,
    pipeline::{LostCopy, MirrorCopy, Output},
    policy::PathPattern,
    segment::Time,
    verdict::{Comparison, Role},
};

use self::{
    back_off::BackOff, compared::Compared, lost::Lost, rate::RateLimit, sessions::is_open_ended,
    target::Target,
};
pub use self::{
    back_off::{Sign, Turn},
    link::{Unconnected, Work},
    settings::{Order, Origin, Pipelining, Retry, Settings},
};

use super::{compare::ContentRules, copy::Copies, ids::LinkId, meter::Meter};

/// What one shard knows of its targets, their connections and the copies to them.
#[derive(Debug)]
pub struct Pool {
    targets: Vec<Target>,
    shared: Shared,
}

/// What all targets of a shard have in common.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    copies: Copies,
    meter: Meter,
    /// `None` where no targets are compared.
    compared: Option<Compared>,
    /// `None` where no losses are kept.
    lost: Option<Lost>,
    actions: VecDeque<Action>,
}

/// What the shell is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The shell is to open a connection.
    Open {
        /// What it is called from now on.
        link: LinkId,
        /// The address to connect to first.
        endpoint: SocketAddr,
    },
    /// There is [`work`](Pool::work) on a connection, or an order to stop.
    Wake(LinkId),
    /// Say in the log that this target does not speak HTTP/2, which copies for it are in.
    SayNoHttp2(usize),
    /// Say in the log that this target gets less than there is, or all again.
    SayBackOff(usize, Turn),
    /// Resolve the name of this target, and tell [`Pool::handle_resolved`].
    Resolve(usize),
}

impl Pool {
    /// A pool for targets whose addresses come from these origins.
    #[must_use]
    pub fn new(settings: Settings, origins: impl IntoIterator<Item = Origin>) -> Self {
        let origins = origins.into_iter().enumerate();
        let targets = origins
            .map(|(index, origin)| Target::new(index, &settings, origin))
            .collect();
        Self {
            targets,
            shared: Shared {
                lost: Lost::new(settings.keep_lost),
                settings,
                copies: Copies::default(),
                meter: Meter::default(),
                compared: None,
                actions: VecDeque::new(),
            },
        }
    }

    /// Compares the targets with these roles, from the first copy on; does nothing unless there are a
    /// baseline and a candidate. With `v1` the baseline is v1 itself, as [`Output::Answer`] tells; otherwise
    /// every reply's latency is measured. Requests are grouped by the
    /// first of `patterns` that their path matches; without any, by the first part of their path. What is
    /// in replies is compared by `contents`.
    pub fn compare(
        &mut self,
        roles: &[Option<Role>],
        v1: bool,
        patterns: Vec<PathPattern>,
        contents: ContentRules,
    ) {
        self.shared.compared = Compared::new(roles, v1, patterns, contents);
        self.shared.meter = Meter::new(self.shared.compared.is_some() && !v1);
    }

    /// What was compared so far; `None` where nothing is.
    #[must_use]
    pub fn comparison(&self) -> Option<&Comparison> {
        self.shared.compared.as_ref().map(Compared::comparison)
    }

    /// Takes one step of re-sending. What is for a target that does not exist is dropped uncounted.
    pub fn handle_output(&mut self, now: Time, output: Output) {
        match output {
            Output::Copy(copy) => self.handle_copy(now, copy),
            Output::Chunk {
                copy,
                bytes,
                reserved,
            } => self.handle_chunk(now, copy, bytes, reserved),
            Output::Finish {
                copy,
                trailers,
                reserved,
                ..
            } => self.handle_finish(now, copy, trailers, reserved),
            Output::Abort { copy, cause } => self.handle_abort(now, copy, cause),
            Output::Cancel { request, why } => self.handle_cancel(now, request, why),
            Output::Answer { request, status } => {
                if let Some(compared) = &mut self.shared.compared {
                    compared.handle_v1(request, status);
                }
            }
            Output::Reply { request, bytes } => {
                if let Some(compared) = &mut self.shared.compared {
                    compared.handle_reply_of_v1(request, bytes.as_deref());
                }
            }
            Output::OfV1 { request, said } => {
                if let Some(compared) = &mut self.shared.compared {
                    compared.handle_said_by_v1(request, &said);
                }
            }
        }
    }

    fn handle_copy(&mut self, now: Time, copy: MirrorCopy) {
        let Self { targets, shared } = self;
        if let Some(compared) = &mut shared.compared {
            compared.begin(&copy);
        }
        if let Some(target) = targets.get_mut(copy.target.0) {
            target.handle_copy(shared, now, copy);
        }
    }

    /// Whether there is room for this step: if not, what it is of will be dropped.
    #[must_use]
    pub fn has_room(&self, output: &Output) -> bool {
        match output {
            Output::Copy(copy) => self
                .targets
                .get(copy.target.0)
                .is_none_or(|target| target.has_room(&self.shared.settings, is_open_ended(copy))),
            Output::Chunk { copy, bytes, .. } => self.has_window(*copy, bytes.len()),
            Output::Finish { .. }
            | Output::Abort { .. }
            | Output::Cancel { .. }
            | Output::Answer { .. }
            | Output::Reply { .. }
            | Output::OfV1 { .. } => true,
        }
    }

    /// These are the endpoints of a target whose origin is [`Origin::Told`]. `false` if it is
    /// another one, or there is no such target.
    #[must_use]
    pub fn set_addresses(&mut self, now: Time, target: usize, addresses: &[SocketAddr]) -> bool {
        let Self { targets, shared } = self;
        let target = targets.get_mut(target);
        target.is_some_and(|target| target.set_addresses(shared, now, addresses))
    }

    /// Each target gets so many copies per second at most from now on; `None`: as many as there are.
    pub fn set_max_rps(&mut self, now: Time, most: Option<f64>) {
        for target in &mut self.targets {
            RateLimit::change(&mut target.rate, most, now);
        }
    }

    /// Whether targets that are overloaded get less from now on. If not, they get all at once.
    pub fn set_back_off(&mut self, back_off: bool) {
        for target in &mut self.targets {
            if target.back_off.is_some() != back_off {
                target.back_off = back_off.then(BackOff::new);
            }
        }
    }

    /// The name of a target, which [`Action::Resolve`] asked for, stands for these addresses; for
    /// none, if it could not be resolved.
    pub fn handle_resolved(&mut self, now: Time, target: usize, addresses: &[SocketAddr]) {
        let Self { targets, shared } = self;
        if let Some(target) = targets.get_mut(target) {
            target.handle_resolved(shared, now, addresses);
        }
    }

    /// What is due is seen to.
    pub fn handle_timeout(&mut self, now: Time) {
        let Self { targets, shared } = self;
        for target in targets {
            target.handle_timeout(shared, now);
        }
    }

    /// The addresses of all targets, if they are others than when this was asked last.
    pub fn poll_addresses(&mut self) -> Option<Vec<IpAddr>> {
        let mut changed = false;
        for target in &mut self.targets {
            changed |= target.endpoints.take_changed();
        }
        let endpoints = self.targets.iter().flat_map(|it| it.endpoints.iter());
        changed.then(|| {
            endpoints
                .map(|(_, endpoint)| endpoint.socket.ip())
                .collect()
        })
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let due = |target: &Target| target.poll_timeout(&self.shared.settings);
        self.targets.iter().filter_map(due).min()
    }

    /// What the shell is to do next.
    #[inline]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.shared.actions.pop_front()
    }

    /// The books of each target.
    pub fn counters(&self) -> impl Iterator<Item = TargetCounters> {
        self.targets.iter().map(Target::counters)
    }

    /// The next copy that was lost, of those that are [wanted](Settings::keep_lost): in a second at most so many of
    /// each reason.
    pub fn poll_lost(&mut self) -> Option<LostCopy> {
        self.shared.lost.as_mut()?.next()
    }

    /// How many losses were not among those.
    #[must_use]
    pub fn lost_untold(&self) -> u64 {
        self.shared.lost.as_ref().map_or(0, Lost::refused)
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.targets.iter().all(Target::is_quiet)
    }

    /// Whether bodies of replies are read that are to be compared.
    #[must_use]
    pub fn is_comparing(&self) -> bool {
        self.targets.iter().any(Target::is_keeping)
    }

    /// Whether all copies are written whole.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        self.shared.copies.are_written()
    }

    /// Whether a nap now would spoil the measurement of a reply's latency.
    #[must_use]
    pub fn is_measuring(&self, now: Time) -> bool {
        self.shared.meter.is_watching(now)
    }

    /// Whether a long nap now would spoil it, and a short one would not.
    #[must_use]
    pub const fn awaits_measured(&self) -> bool {
        self.shared.meter.is_waiting()
    }

    /// The thread slept: what is read now may have come before.
    pub fn handle_nap(&mut self) {
        self.shared.meter.handle_nap();
    }

    /// Takes no new copies from now on; those that it has go on.
    pub fn drain(&mut self) {
        self.targets.iter_mut().for_each(Target::drain);
    }

    /// Drops what waits and stops what is under way.
    pub fn stop(&mut self, now: Time) {
        let Self { targets, shared } = self;
        for target in targets {
            target.stop(shared, now);
        }
        if let Some(compared) = &mut shared.compared {
            compared.close();
        }
    }
}
