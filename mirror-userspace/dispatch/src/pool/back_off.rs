//! Sends a target less while it is overloaded, and more again as it recovers.
//!
//! A target is overloaded if it refuses copies for want of room, by status 429 (RFC 6585 section 4) or 503 (RFC 9110
//! section 15.6.4), in gRPC by RESOURCE_EXHAUSTED or UNAVAILABLE, or if its latency has doubled; *and* if sending less
//! makes that better. What stays as it is, whatever is sent, is the target's nature: a route that always answers 503 is
//! what a mirror is there to show, and must not silence it. So each time a part of the copies is held back, to see what
//! comes of it:
//!
//! * It helps: less is sent, step by step, until it is enough. Then more, slowly at first and faster the longer all goes
//!   well (a cubic, as congestion control has it).
//! * It does not: all is sent again, and what was seen is the normal from then on.
//!
//! What is held back is chosen by a hash of the request, never by what is in it or how it went: what is sent is a sample,
//! and the targets of one request that back off alike have the same one.
//!
//! The breaker is for a target that does not answer, and stops; this is for one that answers, and slows down.

mod latency;
mod refusals;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use mirror_core::{pipeline::RequestKey, random::Random, segment::Time};

use self::{latency::Latency, refusals::Refusals};
use crate::outcome::{Failure, Outcome, refuses};

/// The least part of the copies that is sent, so that it is seen when the target recovers.
const LEAST: f64 = 1.0 / 64.0;

/// What is judged is at least so long.
const WINDOW: Duration = Duration::from_secs(1);

/// Where it has few replies, it is longer: so long without a refusal, …
const QUIET_WINDOW: Duration = Duration::from_secs(2);

/// … and so long at most.
const LONGEST_WINDOW: Duration = Duration::from_secs(10);

/// Replies that are enough to judge by.
const ENOUGH: u32 = 20;

/// How long a target may ask to be left alone with more, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Windows in which all is sent and nothing is wrong, until it is over.
const CALM: u32 = 10;

/// What held back so much of the copies and did not help, does not help.
const FAR_ENOUGH: f64 = 1.0 / 8.0;

/// Which part of the copies for a target is sent, and why.
#[derive(Debug)]
pub(super) struct BackOff {
    /// 1 if all are.
    share: f64,
    /// Windows in a row in which nothing was wrong.
    good: u32,
    began: Option<Time>,
    refusals: Refusals,
    latency: Latency,
    trial: Option<Trial>,
    /// It refused too much in the window before, or since then none was good.
    suspect: bool,
    /// What replies of this window say: to wait so long before the next try.
    asked: Duration,
    /// Until then nothing more is sent than now.
    waits_until: Option<Time>,
    /// That less is sent was said, and not yet that it is over.
    said: bool,
}

/// How a target shows that it is overloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answers 429 or 503, or ends calls of gRPC for want of room.
    Refuses,
    /// Its latency has doubled.
    Slow,
}

/// What is to be said in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Less is sent from now on.
    Begins(Sign),
    /// Sending less did not help: all is sent again.
    InVain(Sign),
    /// All is sent again.
    Over,
}

/// Less is sent, to see what comes of it.
#[derive(Clone, Copy, Debug)]
struct Trial {
    sign: Sign,
    /// The part that was sent before it.
    before: f64,
    /// How bad it was before it.
    bad: f64,
    /// It has helped.
    helps: bool,
}

/// What a window shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    /// Nothing is wrong.
    Good,
    /// Too little to say anything, or not good enough to send more.
    Unclear,
    /// So bad, the last being how uncertain that is.
    Bad(f64, f64),
}

impl BackOff {
    pub(super) fn new() -> Self {
        Self {
            share: 1.0,
            good: 0,
            began: None,
            refusals: Refusals::default(),
            latency: Latency::default(),
            trial: None,
            suspect: false,
            asked: Duration::ZERO,
            waits_until: None,
            said: false,
        }
    }

    /// Whether the copies of this request are sent.
    pub(super) fn admits(&self, request: RequestKey) -> bool {
        self.share >= 1.0 || place(request) < self.share
    }

    /// How many of a thousand copies are held back.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 1000"
    )]
    pub(super) fn held_back(&self) -> u64 {
        ((1.0 - self.share) * 1_000.0).round() as u64
    }

    /// A copy ended so.
    pub(super) fn handle_outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Answered(answer) => {
                self.refusals.add(refuses(answer.status));
                self.latency.add(answer.latency);
            }
            // It would have taken longer.
            Outcome::Failed(Failure::Timeout) => self.latency.add(Some(Duration::MAX)),
            Outcome::Failed(_) | Outcome::Read(_) => {}
        }
    }

    /// A reply of this status says to wait for so many seconds (RFC 9110 section 10.2.3). It counts if the reply is a
    /// refusal, where the target is backed off from.
    pub(super) fn handle_retry_after(&mut self, status: u16, seconds: u32) {
        if refuses(status) {
            self.wait_for(Duration::from_secs(seconds.into()));
        }
    }

    /// A call of gRPC, which counts as answered by the head of its reply, ended with a refusal that may say to wait for
    /// so many milliseconds.
    pub(super) fn handle_refused_call(&mut self, pushback: Option<u32>) {
        self.refusals.correct();
        if let Some(pushback) = pushback {
            self.wait_for(Duration::from_millis(pushback.into()));
        }
    }

    fn wait_for(&mut self, asked: Duration) {
        self.asked = self.asked.max(asked.min(LONGEST_WAIT));
    }

    /// Decides anew, if it is time to. To be called more often than once a second.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Option<Turn> {
        let age = now.since(*self.began.get_or_insert(now));
        let enough = self.refusals.replies() >= ENOUGH
            || self.refusals.is_none() && age >= QUIET_WINDOW
            || age >= LONGEST_WINDOW;
        if age < WINDOW || !enough {
            return None;
        }
        self.began = Some(now);
        let waits = self.trial.is_some_and(|it| it.sign == Sign::Slow) && age < LONGEST_WINDOW;
        let refusals = self.see_refusals();
        let latency = self.latency.take(self.share >= 1.0, waits);
        // Where more replies are waited for, it counts with them.
        if refusals != Seen::Unclear {
            let asked = std::mem::take(&mut self.asked);
            if refusals != Seen::Good && !asked.is_zero() {
                self.waits_until = Some(now + asked);
            }
        }
        if self.waits_until.is_some_and(|until| until <= now) {
            self.waits_until = None;
        }
        match (refusals, latency) {
            (Seen::Bad(bad, unsure), _) => self.handle_bad(Sign::Refuses, bad, unsure),
            (_, Seen::Bad(bad, unsure)) => self.handle_bad(Sign::Slow, bad, unsure),
            (Seen::Good, Seen::Good) if self.waits_until.is_none() => self.handle_good(),
            _ => None,
        }
    }

    fn see_refusals(&mut self) -> Seen {
        let look = self.refusals.look();
        let tried = self.trial.as_ref().filter(|it| !it.helps);
        let tried = tried.filter(|it| it.sign == Sign::Refuses && self.share < it.before);
        if let Some(trial) = tried
            && !look.is_much
            && look.beyond + look.unsure >= trial.middle(self.share / trial.before)
        {
            // It may be better, and it may be chance: more replies will tell.
            let is_same = trial.helps(self.share, look.beyond, look.unsure) == Some(false);
            return match is_same {
                true => Seen::Bad(look.beyond, look.unsure),
                false => Seen::Unclear,
            };
        }
        self.refusals.reset(!look.is_much);
        match look.is_much {
            true => Seen::Bad(look.beyond, look.unsure),
            false => Seen::Good,
        }
    }

    fn handle_good(&mut self) -> Option<Turn> {
        self.trial = None;
        self.suspect = false;
        if self.share >= 1.0 && !self.said {
            return None;
        }
        let all_is_sent = self.share >= 1.0;
        self.good = self.good.saturating_add(1);
        let good = f64::from(self.good);
        let growth = 0.01 * (1.0 + good * good / 8.0);
        self.share = (self.share * (1.0 + growth.min(0.5))).min(1.0);
        if !all_is_sent && self.share >= 1.0 {
            self.good = 0;
        }
        let over = all_is_sent && self.good >= CALM;
        self.said &= !over;
        over.then_some(Turn::Over)
    }

    fn handle_bad(&mut self, sign: Sign, bad: f64, unsure: f64) -> Option<Turn> {
        self.good = 0;
        let share = self.share;
        self.refusals.reset(false);
        // How bad it was by one sign says nothing of the other.
        self.trial.take_if(|it| it.sign != sign);
        let begins = self.trial.is_none();
        // The refusals began somewhere in this window, or what the target takes at once was not used up: by the next
        // it is known how bad it is.
        if begins && sign == Sign::Refuses && !std::mem::replace(&mut self.suspect, true) {
            self.latency.forget();
            return None;
        }
        let trial = self.trial.get_or_insert(Trial {
            sign,
            before: share,
            bad,
            helps: false,
        });
        // What has helped may do so no more: the target broke.
        trial.helps &= bad < trial.bad;
        if !begins && !trial.helps {
            match trial.helps(share, bad, unsure) {
                Some(true) => trial.helps = true,
                Some(false) => return Some(self.give_up(sign, bad)),
                None => {}
            }
        }
        let factor = match sign {
            // So much of what was sent was taken.
            Sign::Refuses => ((1.0 - bad) * 0.85).clamp(0.5, 0.85),
            Sign::Slow => 0.7,
        };
        self.share = (share * factor).max(LEAST);
        self.latency.forget();
        let first = !std::mem::replace(&mut self.said, true);
        first.then_some(Turn::Begins(sign))
    }

    /// It is the target's nature.
    fn give_up(&mut self, sign: Sign, bad: f64) -> Turn {
        match sign {
            Sign::Refuses => self.refusals.accept(bad),
            Sign::Slow => self.latency.accept(bad),
        }
        self.waits_until = None;
        self.suspect = false;
        if let Some(trial) = self.trial.take() {
            self.share = trial.before;
        }
        self.said = self.share < 1.0;
        Turn::InVain(sign)
    }
}

impl Trial {
    /// Between the part that is refused if it helps to send only so much of what was sent, and if it does not.
    fn middle(&self, sent: f64) -> f64 {
        // What a target takes is the same as before, if it takes as much as it can: then so many are refused.
        let expected = (1.0 - (1.0 - self.bad) / sent).max(0.0);
        f64::midpoint(self.bad, expected)
    }

    /// Whether sending only this share has helped; `None` if that can't be said yet.
    fn helps(&self, share: f64, bad: f64, unsure: f64) -> Option<bool> {
        let sent = share / self.before;
        // Nothing less can be tried.
        let at_least = share <= LEAST && bad >= 0.9 * self.bad;
        match self.sign {
            Sign::Refuses => {
                let middle = self.middle(sent);
                if bad + unsure < middle {
                    return Some(true);
                }
                let all = sent <= FAR_ENOUGH && bad >= 0.9 * self.bad;
                (all || at_least || bad - unsure > middle).then_some(false)
            }
            Sign::Slow if bad < 0.75 * self.bad => Some(true),
            Sign::Slow => (at_least || sent <= 0.25).then_some(false),
        }
    }
}

/// Where between 0 and 1 a request is, as if by chance.
fn place(request: RequestKey) -> f64 {
    let RequestKey { connection, number } = request;
    let of_connection = Random::new(connection.0).bits();
    Random::new(of_connection ^ u64::from(number)).fraction()
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuses => "it answers 429 or 503 (in gRPC: RESOURCE_EXHAUSTED or UNAVAILABLE)",
            Self::Slow => "its latency has doubled",
        })
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins(sign) => {
                write!(
                    f,
                    "{sign}: backing off, and further copies are dropped (backing_off); --back-off off sends all"
                )
            }
            Self::InVain(sign) => {
                write!(
                    f,
                    "{sign} however little is sent: all is sent again, as that is no overload"
                )
            }
            Self::Over => f.write_str("it keeps up again: all is sent"),
        }
    }
}
