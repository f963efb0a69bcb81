//! What shards are told, and how a mirror tells them.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::Context as _;
use mirror_capture::AttachmentId;
use mirror_core::{ledger::Counted, pipeline, policy::Policy, segment::Time, value::Rate};
use mirror_dispatch::DispatchConfig;
use tokio::sync::{mpsc, oneshot};

use super::super::{lost::Lost, sink::Sink};

/// What a mirror's share of each shard is built from.
#[derive(Clone)]
pub(crate) struct ShardConfig {
    pub(crate) limits: pipeline::Limits,
    pub(crate) policy: Policy,
    pub(crate) sink: Sink,
    pub(crate) dispatch: DispatchConfig,
}

/// A mirror among those that share shards: a number that is given out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MirrorId(pub(crate) u64);

/// Tells a mirror that it is on a shard no longer, when this is dropped: last, even after a panic.
pub(crate) struct Ended(pub(crate) mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // A daemon that is gone need not be told.
        let _gone = self.0.send(());
    }
}

/// mirror --what to do--> shard. Whoever tells waits for the answer, so there are no more of these than mirrors.
pub(super) enum Control {
    /// One more mirror.
    Join(Box<Joining>),
    /// Of this mirror.
    Tell(MirrorId, Command),
    /// Nobody waits for anything of this mirror any more.
    Gone(MirrorId),
}

/// A mirror that is to be on the shard.
pub(super) struct Joining {
    pub(super) id: MirrorId,
    pub(super) config: ShardConfig,
    pub(super) ended: Ended,
    pub(super) ready: oneshot::Sender<anyhow::Result<()>>,
}

/// mirror --what to do--> its share of a shard
pub(super) enum Command {
    Snapshot(oneshot::Sender<Counted>),
    Lost(oneshot::Sender<Lost>),
    SampleRate(Rate, oneshot::Sender<()>),
    Policy(Box<Policy>, oneshot::Sender<()>),
    /// Segments of clients that were captured from then on are another one's.
    EndAt(Time, oneshot::Sender<()>),
    /// The endpoints of a target, by its place among the targets.
    Addresses(usize, Arc<[SocketAddr]>, oneshot::Sender<()>),
    /// Copies per second to each target, at most.
    MaxRps(Option<f64>, oneshot::Sender<()>),
    /// Whether overloaded targets get less.
    BackOff(bool, oneshot::Sender<()>),
    /// An attachment is detached: once what it left in the ring is read, its connections end.
    Ended(AttachmentId, oneshot::Sender<()>),
    Stop(oneshot::Sender<Counted>),
}

/// A mirror's end of its share of a running shard. Dropping it ends the share at once.
///
/// What it is told it is told when the method is called; what that returns waits until it is done.
pub(crate) struct Share {
    id: MirrorId,
    control: mpsc::UnboundedSender<Control>,
}

impl Share {
    /// Has the shard serve one more mirror; returns once its pipeline and dispatcher are ready.
    ///
    /// When they end, however they do, `ended` is told.
    ///
    /// # Errors
    /// A target that can't be used; the shard is gone.
    pub(super) async fn take(
        control: mpsc::UnboundedSender<Control>,
        id: MirrorId,
        config: ShardConfig,
        ended: Ended,
    ) -> anyhow::Result<Self> {
        let (ready, started) = oneshot::channel();
        // If this future is dropped meanwhile, the share ends.
        let share = Self { id, control };
        let joining = Joining {
            id,
            config,
            ended,
            ready,
        };
        // A shard that is gone drops `ready` with the command.
        let _gone = share.control.send(Control::Join(Box::new(joining)));
        started
            .await
            .context("a shard ended before it was ready")??;
        Ok(share)
    }

    /// The counters now, or `None` if the mirror is no longer on the shard.
    pub(crate) fn snapshot(&self) -> Answer<Counted> {
        self.ask(Command::Snapshot)
    }

    /// The last losses; `None` if the mirror is no longer on the shard.
    pub(crate) fn lost(&self) -> Answer<Lost> {
        self.ask(Command::Lost)
    }

    /// Has it decide at this rate.
    pub(crate) fn set_sample_rate(&self, rate: Rate) -> Answer<()> {
        self.ask(|done| Command::SampleRate(rate, done))
    }

    /// Has it decide by this policy.
    pub(crate) fn set_policy(&self, policy: Policy) -> Answer<()> {
        self.ask(|done| Command::Policy(Box::new(policy), done))
    }

    /// Has it take no requests that come after this moment.
    pub(crate) fn end_at(&self, until: Time) -> Answer<()> {
        self.ask(|done| Command::EndAt(until, done))
    }

    /// Sets the addresses of a target.
    pub(crate) fn set_addresses(&self, target: usize, addresses: Arc<[SocketAddr]>) -> Answer<()> {
        self.ask(|done| Command::Addresses(target, addresses, done))
    }

    /// Limits the copies per second to each target.
    pub(crate) fn set_max_rps(&self, most: Option<f64>) -> Answer<()> {
        self.ask(|done| Command::MaxRps(most, done))
    }

    /// Has it back off from overloaded targets, or not.
    pub(crate) fn set_back_off(&self, back_off: bool) -> Answer<()> {
        self.ask(|done| Command::BackOff(back_off, done))
    }

    /// Has what a detached attachment left in the ring read, and ends its connections.
    pub(crate) fn end_attachment(&self, id: AttachmentId) -> Answer<()> {
        self.ask(|done| Command::Ended(id, done))
    }

    /// Has what is left in the ring read, waits a while for replies to copies in flight, and ends. Returns the last
    /// report, or `None` after a panic. The other mirrors of the shard go on meanwhile.
    pub(crate) fn stop(self) -> impl Future<Output = Option<Counted>> {
        let report = self.ask(Command::Stop);
        async move {
            let _until_it_has_left = self;
            report.await
        }
    }

    /// Tells the shard at once. What comes of this is the answer, once it is done; a share that is gone gives none.
    fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        // A shard that is gone drops `reply` with the command.
        let _gone = self.control.send(Control::Tell(self.id, command(reply)));
        Answer(answer)
    }
}

/// Waits for a share's answer: `None` if it is gone.
pub(crate) struct Answer<T>(oneshot::Receiver<T>);

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // A shard that is gone has no shares.
        let _gone = self.control.send(Control::Gone(self.id));
    }
}
