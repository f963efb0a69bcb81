//! What the server asks of whoever owns the mirrors.

use std::{fmt, future};

use mirror_core::value::Rate;
use tokio::{
    select,
    sync::{mpsc, oneshot},
};

use super::{LostOf, SampleRate, Snapshot};

/// How many questions may wait. Each belongs to a connection, which are bounded as well; but a
/// client that is gone leaves its question behind.
const WAITING: usize = 16;

/// Whoever owns the mirrors.
///
/// Each answer is given between its owner's other duties, so it should not take long: `/readyz` is
/// given up after a second, the others after some seconds.
pub trait MirrorOwner {
    /// What is attached, if that is everything that should be; if not, what is missing, for people.
    ///
    /// # Errors
    /// Not ready: what is missing, in one line.
    fn ready(&mut self) -> Result<Attachments, String>;

    /// All counters and states at this moment.
    ///
    /// # Errors
    /// They can't be read.
    fn snapshot(&mut self) -> impl Future<Output = anyhow::Result<Snapshot>>;

    /// The last losses of each rule.
    ///
    /// # Errors
    /// They can't be asked for.
    fn lost(&mut self) -> impl Future<Output = anyhow::Result<Vec<LostOf>>>;

    /// What each target of each rule gets.
    fn sample_rates(&mut self) -> Vec<SampleRate>;

    /// Changes the rate of all targets of one rule, or of all rules, until the process ends or the
    /// rule's document changes.
    ///
    /// # Errors
    /// There is no such rule, or the change failed; what could be changed is.
    fn set_sample_rate(
        &mut self,
        rule: Option<&str>,
        rate: Rate,
    ) -> impl Future<Output = Result<(), Refused>>;
}

/// What everything is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// How many interfaces, each once for each rule.
    pub all: usize,
    /// At how many of them v1's kernel is not asked, or had no answer.
    pub unasked: usize,
    /// Watches that the API server forbids: what is new is not known.
    pub forbidden: usize,
}

/// What `/readyz` adds where there is nothing to attach to.
pub(super) const NOTHING_ATTACHED: &str = "; attached to nothing";

impl fmt::Display for Attachments {
    /// Prints the reason that `/readyz` gives.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            all,
            unasked,
            forbidden,
        } = self;
        f.write_str("ready")?;
        if *all == 0 {
            f.write_str(NOTHING_ATTACHED)?;
        }
        if *unasked > 0 {
            write!(
                f,
                "; v1's kernel not asked at {unasked} of {all} interfaces"
            )?;
        }
        if *forbidden > 0 {
            write!(
                f,
                "; {forbidden} watches are forbidden (RBAC): what is new is not mirrored"
            )?;
        }
        Ok(())
    }
}

/// Why a rate was not changed.
#[derive(Debug)]
pub enum Refused {
    /// No rule has this name.
    UnknownRule,
    /// The change failed, for this reason.
    Failed(anyhow::Error),
}

/// A question that waits for its answer. Dropped, it is answered by "not now".
pub struct Question(Ask);

/// What is asked, and where the answer goes.
pub(super) enum Ask {
    Ready(oneshot::Sender<Result<Attachments, String>>),
    Snapshot(oneshot::Sender<anyhow::Result<Snapshot>>),
    Lost(oneshot::Sender<anyhow::Result<Vec<LostOf>>>),
    SampleRates(oneshot::Sender<Vec<SampleRate>>),
    SetSampleRate {
        rule: Option<String>,
        rate: Rate,
        reply: oneshot::Sender<Result<(), Refused>>,
    },
}

impl Question {
    /// Has `mirrors` answer it. If nobody waits for the answer any more, nothing is done: a client
    /// that was told of no success must not see its change come true later.
    pub async fn answer(self, mirrors: &mut impl MirrorOwner) {
        if self.is_abandoned() {
            return;
        }
        match self.0 {
            Ask::Ready(reply) => drop(reply.send(mirrors.ready())),
            Ask::Snapshot(reply) => drop(reply.send(mirrors.snapshot().await)),
            Ask::Lost(reply) => drop(reply.send(mirrors.lost().await)),
            Ask::SampleRates(reply) => drop(reply.send(mirrors.sample_rates())),
            Ask::SetSampleRate { rule, rate, reply } => {
                drop(reply.send(mirrors.set_sample_rate(rule.as_deref(), rate).await));
            }
        }
    }

    fn is_abandoned(&self) -> bool {
        match &self.0 {
            Ask::Ready(reply) => reply.is_closed(),
            Ask::Snapshot(reply) => reply.is_closed(),
            Ask::Lost(reply) => reply.is_closed(),
            Ask::SampleRates(reply) => reply.is_closed(),
            Ask::SetSampleRate { reply, .. } => reply.is_closed(),
        }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Ask::Ready(_) => "Ready",
            Ask::Snapshot(_) => "Snapshot",
            Ask::Lost(_) => "Lost",
            Ask::SampleRates(_) => "SampleRates",
            Ask::SetSampleRate { .. } => "SetSampleRate",
        })
    }
}

/// The owner's end: server --questions--> owner of the mirrors.
#[derive(Debug)]
pub struct Questions {
    asked: mpsc::Receiver<Question>,
    pings: mpsc::Receiver<oneshot::Sender<()>>,
}

impl Questions {
    /// Where no server asks: [`next`](Self::next) never returns.
    #[must_use]
    pub fn none() -> Self {
        channel().1
    }

    /// Waits for the next question; for ever, when the server is gone. It may be dropped at any
    /// time without losing one: made for `select!`.
    pub async fn next(&mut self) -> Question {
        loop {
            select! {
                biased;
                // What `/healthz` wants to know is that we come by here at all.
                Some(ping) = self.pings.recv() => drop(ping.send(())),
                Some(question) = self.asked.recv() => return question,
                else => future::pending().await,
            }
        }
    }
}

/// The server's end, which asks and waits for answers.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    asked: mpsc::Sender<Question>,
    pub(super) pings: mpsc::Sender<oneshot::Sender<()>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Too many questions wait already.
    Busy,
    /// The owner is shutting down.
    Stopping,
}

impl Asker {
    /// Asks, and waits for the answer.
    pub(super) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Result<T, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        self.asked
            .try_send(Question(question(reply)))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => NoAnswer::Busy,
                mpsc::error::TrySendError::Closed(_) => NoAnswer::Stopping,
            })?;
        answer.await.map_err(|_| NoAnswer::Stopping)
    }
}

pub(super) fn channel() -> (Asker, Questions) {
    let (asked, questions) = mpsc::channel(WAITING);
    let (pings, pinged) = mpsc::channel(1);
    (
        Asker { asked, pings },
        Questions {
            asked: questions,
            pings: pinged,
        },
    )
}
