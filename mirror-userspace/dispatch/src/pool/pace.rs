//! How many copies an endpoint takes on one connection before the first reply, found out by asking little.
//!
//! ```text
//!            a copy follows another,          four of them are answered,
//!            on one connection only           in order
//! One by one ───────────────────────► Trying ───────────────────────────► Proven
//!     ▲      when the wait is over       │                                  │
//!     └──────────────────────────────────┴──────────── trouble ─────────────┘
//!            the wait: 10 s, doubled each time, at most an hour
//! ```
//!
//! RFC 9112 section 9.3.2 has every server take requests that are sent before the first reply, and most do. Some close the
//! connection, some read one and forget the rest. So one connection tries it with two copies in one write, and nothing more
//! until both are answered, or the reply to a third would be taken for that to the second. Whatever ends copies in vain
//! takes all connections to the endpoint back to one at a time: a close or a reset without a word, a reply that is none, one
//! that does not come. Copies without a byte of their replies are then sent once more, as at a close.
//!
//! A reply that announces the close is no trouble the first time, but says how many requests a connection takes: nothing
//! is written behind the last of them from then on. An endpoint that keeps to no such number is in trouble.
//!
//! What is written behind others waits for their replies. So there are only as many as are answered, at the pace of late,
//! within [`PATIENCE`], and none while a connection with several waits for [`STALLED`]. A body that takes so long (an event
//! stream, a large file) is cut, or those behind it would wait for its end; as the next one may come at any time, that the
//! endpoint did well before does not count then.
//!
//! Only safe methods stand behind others. A PUT that waits for others may come behind the same to another connection, as the
//! copies of several clients are in no order, and so long after it, if it is sent once more, that it undoes it.

use std::time::Duration;

use mirror_core::segment::Time;

use super::{Retry, Shared, settings::Pipelining, target::Target};
use crate::{
    ids::LinkId,
    outcome::{After, Failure, Stop},
    wire::h1::{Ended, Turn},
};

/// Most copies in flight on a connection.
pub(super) const MOST: usize = 64;
/// Copies behind others that are answered before more than one connection has any.
const ENOUGH: u32 = 4;
/// How long copies are meant to wait for those before them.
const PATIENCE: Duration = Duration::from_millis(25);
/// A connection with several copies that waits so long for one reply keeps all others of its endpoint from having several.
const STALLED: Duration = Duration::from_millis(200);
/// How long copies go one by one after the first trouble, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What is known of one endpoint.
#[derive(Debug)]
pub(super) struct Pace {
    state: State,
    last: Last,
    /// Nanoseconds that a reply takes from when it is the next one, smoothed; 0 before the first.
    mean: u64,
    /// How long copies go one by one after the next trouble.
    wait: Duration,
    stalled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until then.
    OneByOne(Time),
    /// One connection does, if that is known; so many copies behind others were answered on it.
    Trying {
        on: Option<LinkId>,
        answered: u32,
    },
    Proven {
        since: Time,
    },
}

/// Which reply is the last on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Unknown,
    /// This one.
    Is(usize),
    /// It may be any.
    Varies,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            state: State::Trying {
                on: None,
                answered: 0,
            },
            last: Last::Unknown,
            mean: 0,
            wait: FIRST_WAIT,
            stalled: false,
        }
    }
}

impl Pace {
    /// Most copies that this connection, which has answered so many, may have. `fresh`: nothing of what it has is written.
    #[inline]
    pub(super) fn most(&self, now: Time, link: LinkId, answered: usize, fresh: bool) -> usize {
        let taken = match self.state {
            _ if self.stalled => 1,
            State::OneByOne(until) if now < until => 1,
            State::Trying { on: Some(on), .. } if on != link => 1,
            State::OneByOne(_) | State::Trying { .. } if !fresh => 1,
            State::OneByOne(_) | State::Trying { .. } => 2,
            State::Proven { .. } => MOST,
        };
        let nanos = u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
        let soon = usize::try_from(nanos / self.mean.max(1)).unwrap_or(MOST);
        let left = match self.last {
            Last::Is(last) => last.saturating_sub(answered),
            Last::Unknown | Last::Varies => MOST,
        };
        taken.min(soon).min(left).max(1)
    }

    /// A connection is given a copy behind others.
    #[inline]
    pub(super) const fn begin(&mut self, link: LinkId) {
        match &mut self.state {
            State::Proven { .. } | State::Trying { on: Some(_), .. } => {}
            State::Trying { on, .. } => *on = Some(link),
            State::OneByOne(_) => {
                self.state = State::Trying {
                    on: Some(link),
                    answered: 0,
                };
            }
        }
    }

    /// A reply has come, this long after it became the next one. `behind`: its copy was written behind others.
    #[inline]
    fn handle_answer(&mut self, now: Time, link: LinkId, behind: bool, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.mean = match self.mean {
            0 => took,
            mean => mean - mean / 16 + took / 16,
        };
        if let State::Trying { on, answered } = &mut self.state
            && behind
            && *on == Some(link)
        {
            *answered += 1;
            if *answered >= ENOUGH {
                self.state = State::Proven { since: now };
            }
        }
    }

    /// The body of a reply took as long as this after its head.
    fn handle_body(&mut self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.mean = self.mean.saturating_add(took / 16);
    }

    /// Copies behind others were, or may have been, written in vain.
    fn handle_trouble(&mut self, now: Time) {
        if let State::Proven { since } = self.state
            && now.since(since) >= self.wait
        {
            // It went well for as long as it was not tried before that.
            self.wait = FIRST_WAIT;
        }
        self.handle_cut(now);
    }

    /// A body was cut that copies waited for.
    fn handle_cut(&mut self, now: Time) {
        // Others were under way before.
        if !matches!(self.state, State::OneByOne(_)) {
            self.state = State::OneByOne(now + self.wait);
            self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    /// This reply announced that it is the connection's last, and copies had been written behind its copy.
    fn handle_last(&mut self, now: Time, number: usize) {
        match self.last {
            Last::Unknown => self.last = Last::Is(number),
            // On their way when the first was heard.
            Last::Is(last) if last == number => {}
            Last::Is(_) | Last::Varies => self.handle_trouble(now),
        }
    }

    /// A connection has given so many replies, and goes on.
    #[inline]
    pub(super) fn handle_another(&mut self, answered: usize) {
        if matches!(self.last, Last::Is(last) if answered >= last) {
            self.last = Last::Varies;
        }
    }

    /// A connection is closed.
    pub(super) fn withdraw(&mut self, link: LinkId) {
        if let State::Trying { on, .. } = &mut self.state
            && *on == Some(link)
        {
            *on = None;
        }
    }

    pub(super) const fn set_stalled(&mut self, stalled: bool) {
        self.stalled = stalled;
    }
}

impl Shared {
    /// Whether it is found out what endpoints take. Not where copies behind a close would be lost, nor where it is
    /// measured how long each reply takes.
    #[inline]
    pub(super) fn is_pacing(&self) -> bool {
        let settings = &self.settings;
        let auto = settings.pipelining == Pipelining::Auto;
        auto && settings.retry == Retry::Idempotent && !self.meter.watches_all()
    }

    /// Whether a connection may have several copies at all.
    #[inline]
    pub(super) fn pipelines(&self) -> bool {
        match self.settings.pipelining {
            Pipelining::UpTo(most) => most > 1,
            Pipelining::Auto => self.is_pacing(),
        }
    }
}

impl Target {
    /// Most copies that a connection may have now.
    #[inline]
    pub(super) fn most_on(&self, shared: &Shared, now: Time, id: LinkId) -> usize {
        match shared.settings.pipelining {
            Pipelining::UpTo(most) => return most,
            Pipelining::Auto if !shared.is_pacing() => return 1,
            Pipelining::Auto => {}
        }
        let Some(link) = self.links.get(id.slot) else {
            return 1;
        };
        let endpoint = self.endpoints.get(link.endpoint);
        endpoint.map_or(1, |endpoint| {
            endpoint.pace.most(now, id, link.answered(), link.fresh)
        })
    }

    /// The head of a reply to the front copy has come, and its body has not.
    #[inline]
    pub(super) fn pace_head(&mut self, shared: &Shared, now: Time, id: LinkId) {
        if !shared.is_pacing() {
            return;
        }
        if let Some(link) = self.links.get(id.slot)
            && let Some(front) = link.exchange.turns().next()
            && let Some(endpoint) = self.endpoints.get_mut(link.endpoint)
        {
            let took = now.since(link.since);
            let pace = &mut endpoint.pace;
            pace.handle_answer(now, id, front.was_behind(), took);
        }
    }

    /// The front copy of a connection ends like this, and is still there.
    #[inline]
    pub(super) fn pace_end(&mut self, shared: &Shared, now: Time, id: LinkId, ended: &Ended) {
        if !shared.is_pacing() {
            return;
        }
        let Some(link) = self.links.get(id.slot) else {
            return;
        };
        let mut turns = link.exchange.turns();
        let (Some(front), Some(endpoint)) = (turns.next(), self.endpoints.get_mut(link.endpoint))
        else {
            return;
        };
        let others = turns.next().is_some_and(Turn::is_begun);
        let pace = &mut endpoint.pace;
        match ended {
            Ok((_, After::Reusable)) => {
                let took = now.since(link.since);
                match front.is_answered() {
                    true => pace.handle_body(took),
                    false => pace.handle_answer(now, id, front.was_behind(), took),
                }
                pace.handle_another(link.answered() + 1);
            }
            Ok((_, After::Spent)) if link.exchange.is_disclaimed() => {
                if others {
                    pace.handle_last(now, link.answered() + 1);
                }
            }
            Err(Failure::Reset | Failure::Timeout | Failure::BadReply)
                if others || front.was_behind() =>
            {
                pace.handle_trouble(now);
            }
            Ok((_, After::Cut)) if others => pace.handle_cut(now),
            Ok(_) if others => pace.handle_trouble(now),
            Ok(_) | Err(_) => {}
        }
    }

    /// Looks which endpoints keep several copies waiting, and cuts the bodies that they wait for.
    pub(super) fn see_to_pace(&mut self, shared: &mut Shared, now: Time) {
        if !shared.is_pacing() {
            return;
        }
        for pace in self.endpoints.paces() {
            pace.set_stalled(false);
        }
        let mut bodies = Vec::new();
        for (slot, link) in &self.links {
            let waits = link.exchange.len() > 1 && link.due.is_some();
            if !waits || now.since(link.since) < STALLED {
                continue;
            }
            if let Some(endpoint) = self.endpoints.get_mut(link.endpoint) {
                endpoint.pace.set_stalled(true);
            }
            if link.exchange.is_reading_body() {
                bodies.push(slot);
            }
        }
        for slot in bodies {
            self.stop_link(shared, slot, Stop::Timeout);
        }
    }
}

#[cfg(test)]
mod tests;
