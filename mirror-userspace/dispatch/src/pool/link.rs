//! What a target knows of one of its connections.

use mirror_core::segment::Time;

use super::{Retry, Shared, endpoints::EndpointId};
use crate::{
    compare::Kept,
    copy::Job,
    outcome::Stop,
    wire::{
        h1::Exchange,
        h2::{self, Session},
    },
};

/// What is to be done on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// To connect to the endpoint.
    Connect,
    /// To write what there is, and to read.
    Exchange,
    /// To read, as it may be closed.
    Rest {
        /// Whether it was given a copy, which is to be begun if it is still open.
        given: bool,
    },
    /// To have it [settled](super::Pool::settle): something ended without a word from the target.
    Settle,
    /// To close the connection: nothing more comes on it.
    Close,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unconnected {
    /// The endpoint refused, or did not answer in time.
    Failed,
    /// TLS did not come about.
    Tls,
    /// There is no route to the endpoint.
    NoRoute,
    /// Something of our own is wanting. Not to be told by [`handle_refused`](super::Pool::handle_refused),
    /// as it says nothing of the endpoint.
    Local,
    /// The endpoint may not be connected to.
    Forbidden,
    /// TLS came about, and the endpoint chose no HTTP/2.
    NoHttp2,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    /// Nothing is under way; what it is given must wait until it is looked at.
    Resting,
    /// Copies are under way.
    Busy,
    /// It is of no use any more, and nothing is under way.
    Closed,
}

/// What a target knows of one of its connections.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) endpoint: EndpointId,
    /// The copies on it, in HTTP/1.
    pub(super) exchange: Exchange,
    /// The copies on it, if it is in HTTP/2.
    pub(super) session: Option<Box<Session>>,
    /// When the target was last heard on it, in HTTP/2.
    pub(super) heard: Time,
    pub(super) phase: Phase,
    pub(super) stop: Option<Stop>,
    /// Since when the target has had the time that ends when it is due.
    pub(super) since: Time,
    /// When it is to be stopped.
    pub(super) due: Option<Time>,
    /// It was given a copy that nobody has looked at yet.
    pub(super) fresh: bool,
    /// All that is there of a streamed copy is written.
    pub(super) waits_for_source: bool,
    /// It is given no more until it is free, as another endpoint had better be asked.
    pub(super) drains: bool,
    /// One of its copies does not go with others.
    exclusive: bool,
    /// Copies that were answered.
    answered: usize,
}

impl Link {
    pub(super) fn new(endpoint: EndpointId) -> Self {
        Self {
            endpoint,
            exchange: Exchange::default(),
            session: None,
            heard: Time::default(),
            phase: Phase::Connecting,
            stop: None,
            since: Time::default(),
            due: None,
            fresh: false,
            waits_for_source: false,
            drains: false,
            exclusive: false,
            answered: 0,
        }
    }

    /// One in HTTP/2, for so many copies until the endpoint says how many it allows.
    pub(super) fn http2(endpoint: EndpointId, shared: &Shared, streams: usize) -> Self {
        let settings = &shared.settings;
        let limits = h2::Limits {
            reply: settings.reply,
            head_time: settings.reply_timeout,
            body_time: settings.reply_body_timeout,
            streams,
        };
        Self {
            session: Some(Box::new(Session::new(limits))),
            ..Self::new(endpoint)
        }
    }

    /// What is to be done on it.
    #[inline]
    pub(super) fn work(&self, shared: &Shared) -> Work {
        if let Some(session) = &self.session {
            return self.session_work(session);
        }
        match self.phase {
            Phase::Connecting => Work::Connect,
            Phase::Closed => Work::Close,
            Phase::Resting if self.stop.is_some() => Work::Settle,
            Phase::Resting => Work::Rest {
                given: !self.exchange.is_empty(),
            },
            Phase::Busy => {
                let stop = self.stop.map(Into::into);
                match self.exchange.poll_ended(&shared.copies, stop) {
                    Some(_) => Work::Settle,
                    None => Work::Exchange,
                }
            }
        }
    }

    fn session_work(&self, session: &Session) -> Work {
        match self.phase {
            Phase::Connecting => Work::Connect,
            Phase::Closed => Work::Close,
            _ if self.stop.is_some() => Work::Settle,
            Phase::Resting if !session.has_bytes() => Work::Rest {
                given: !session.is_empty(),
            },
            Phase::Resting | Phase::Busy => Work::Exchange,
        }
    }

    /// How many copies are on it.
    pub(super) fn copies(&self) -> usize {
        let streams = self.session.as_ref().map_or(0, |session| session.len());
        self.exchange.len() + streams
    }

    /// Whether there is a connection.
    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Resting | Phase::Busy)
    }

    /// Hands it a copy to send.
    #[inline]
    pub(super) fn give(&mut self, shared: &Shared, mut job: Job, kept: Option<Box<Kept>>) {
        self.exclusive = job.is_exclusive();
        self.fresh = true;
        let reused = self.is_reused() || !self.is_free();
        if reused && shared.settings.retry == Retry::Idempotent && job.is_repeatable() {
            job.keep();
        }
        self.exchange.push(job, shared.settings.reply, kept);
    }

    /// One of its copies was answered, and it can carry others.
    pub(super) const fn handle_answer(&mut self) {
        self.answered = self.answered.saturating_add(1);
    }

    /// How many of its copies were answered, so that it went on.
    #[inline]
    pub(super) const fn answered(&self) -> usize {
        self.answered
    }

    /// Whether it has answered others: that it closes says nothing of what it was given next.
    #[inline]
    pub(super) const fn is_reused(&self) -> bool {
        self.answered > 0
    }

    /// Whether nothing is to be sent or answered.
    pub(super) fn is_free(&self) -> bool {
        self.exchange.is_empty() && self.session.as_ref().is_none_or(|it| it.is_empty())
    }

    /// Whether `job` may go with what it has to do, if `limit` copies may. A connection gets one
    /// more at once than it has answered: were each closed after its first reply, all the others
    /// would be sent in vain.
    #[inline]
    pub(super) fn has_room_for(&self, job: &Job, limit: usize) -> bool {
        if job.is_alone() {
            return false;
        }
        if self.is_free() {
            return true;
        }
        let room = limit.min(self.answered.saturating_add(1));
        let waits = self.exclusive || self.drains || self.exchange.is_reading_body();
        self.exchange.len() < room && !waits && !job.is_exclusive()
    }

    /// The target has this long from now on.
    #[inline]
    pub(super) fn allow_time(&mut self, shared: &Shared, now: Time) {
        let settings = &shared.settings;
        let time = match self.exchange.is_reading_body() {
            true => settings.reply_body_timeout,
            false => settings.reply_timeout,
        };
        self.since = now;
        self.due = Some(now + time);
    }
}
