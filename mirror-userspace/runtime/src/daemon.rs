//! One mirror: its share of shards that stay, attachments that come and go; asked, tuned and stopped.

use std::{
    mem,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use mirror_capture::{AttachmentId, Capture, LiveConfig, Place};
use mirror_core::{
    counters::KernelCounters,
    ledger::{Counted, Ledger, Names},
    pipeline,
    policy::Policy,
    segment::Time,
    value::Rate,
    verdict::Terms,
};
use mirror_dispatch::{DispatchConfig, SharedCap};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    lost::{FullRings, Lost},
    shard::{Ended, MirrorId, Routes, ShardConfig, Share, UnclaimedRecords},
    shards::{Shards, answers},
    sink::Sink,
};

/// Everything that a running mirror is built from.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// How to capture, wherever it attaches.
    pub capture: LiveConfig,
    /// The limits of one shard.
    pub limits: pipeline::Limits,
    /// Sampling, filters and rewrites.
    pub policy: Policy,
    /// Where copies go. `policy` is [made for it](Sink::policy).
    pub sink: Sink,
    /// How they get there.
    pub dispatch: DispatchConfig,
    /// How a baseline is compared with a candidate, where targets are that.
    pub terms: Terms,
}

impl DaemonConfig {
    /// What filters and targets are called.
    #[must_use]
    pub fn names(&self) -> Names {
        self.sink.names(&self.policy, &self.dispatch, self.terms)
    }

    /// The rate of each target, in the order of [`names`](Self::names).
    #[must_use]
    pub fn sample_rates(&self) -> Vec<Rate> {
        (0..self.policy.targets())
            .map(|target| self.policy.rate(target))
            .collect()
    }

    /// Copies per second that each target gets from all shards together, at most.
    #[must_use]
    pub fn cap(&self) -> Option<f64> {
        self.dispatch.max_rps.map(SharedCap::whole)
    }
}

/// A running mirror of any number of interfaces. Dropping it detaches from all of them.
pub struct Daemon {
    /// Shared with the thread that attaches or detaches, which nobody else waits for.
    capture: Arc<Mutex<Capture>>,
    /// What it was started with. Its policy has the rates of now, as the shards' have.
    config: DaemonConfig,
    shares: Vec<Share>,
    /// After the shares: until they are gone, records are read for it.
    own: Arc<Own>,
    /// After the shares: their threads end with the last of both.
    shards: Arc<Shards>,
    names: Names,
    full_rings: FullRings,
    paused: bool,
    ended: mpsc::UnboundedReceiver<()>,
}

/// Whose its attachments are, as the shards are told: forgotten once none of them reads for it any more.
struct Own {
    routes: Routes,
    id: MirrorId,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.routes.forget(self.id);
    }
}

impl Daemon {
    /// Makes rings and starts shards that nobody else has, and [joins](Self::join) them.
    ///
    /// # Errors
    /// Those of [`Shards::start`] and [`join`](Self::join).
    pub async fn start(config: DaemonConfig) -> anyhow::Result<Self> {
        let shards = Shards::start(&config.capture, UnclaimedRecords::default())?;
        Self::join(config, shards).await
    }

    /// Shares these shards, which were started with a capture like its own, with the mirrors that are there. Nothing is
    /// mirrored before the first [`attach`](Self::attach).
    ///
    /// # Errors
    /// A target that can't be used; or a shard is gone.
    pub async fn join(config: DaemonConfig, shards: Arc<Shards>) -> anyhow::Result<Self> {
        let names = config.names();
        let sampling = config.policy.kernel_sampling();
        let shard = ShardConfig {
            limits: config.limits.clone(),
            policy: config.policy.clone(),
            sink: config.sink.clone(),
            dispatch: DispatchConfig {
                keep_lost: config.limits.keep_lost.losses,
                ..config.dispatch.clone()
            },
        };
        let (tell, ended) = mpsc::unbounded_channel();
        let id = shards.number();
        let shares = shards.join(id, &shard, || Ended(tell.clone())).await?;
        let capture = shards.capture(config.capture.clone(), sampling);
        Ok(Self {
            capture: Arc::new(Mutex::new(capture)),
            full_rings: FullRings::new(config.limits.keep_lost),
            config,
            shares,
            own: Arc::new(Own {
                routes: shards.routes().clone(),
                id,
            }),
            shards,
            names,
            paused: false,
            ended,
        })
    }

    /// How many records of the rings that it reads were no mirror's.
    #[must_use]
    pub fn unclaimed(&self) -> u64 {
        self.shards.unclaimed()
    }

    /// Mirrors one more place from the moment this returns, 10 to 40 ms later (the first of a process waits until
    /// the kernel has verified the programs), on a thread of its own. A place that is attached to twice is mirrored twice.
    ///
    /// If this is cancelled, the place may be attached to all the same: then it is among
    /// [`attachments`](Self::attachments).
    ///
    /// # Errors
    /// The interface is missing or can't be attached to.
    pub async fn attach(&mut self, place: Place) -> anyhow::Result<AttachmentId> {
        // If the daemon is dropped meanwhile, what was added is forgotten at the end of this.
        let own = Arc::clone(&self.own);
        let attaching = self.blocking(move |capture| {
            let id = capture.number();
            // Before its first record comes.
            own.routes.add(id, own.id);
            Ok((id, capture.attach_as(id, place)))
        });
        let (id, attached) = attaching.await?;
        if attached.is_err() {
            // What v1 says may have been captured before requests could not be.
            self.forget(id).await;
        }
        attached.map(|()| id)
    }

    /// Ends what was captured there.
    async fn forget(&self, id: AttachmentId) {
        answers(self.shares.iter().map(|it| it.end_attachment(id))).await;
        self.own.routes.remove(id);
    }

    /// Stops mirroring this place. What was captured until then is still processed; connections that are open
    /// there are ended, and their unfinished requests counted as dropped (`detached`). The place's counters
    /// stay in the ledger.
    ///
    /// # Errors
    /// There is no such attachment, or it can't be detached; then this can be tried again.
    pub async fn detach(&mut self, id: AttachmentId) -> anyhow::Result<()> {
        self.blocking(move |capture| capture.detach(id)).await?;
        self.forget(id).await;
        Ok(())
    }

    /// The attachments in the order in which they were made, and what the kernel counted at each.
    ///
    /// # Errors
    /// The kernel's counters can't be read.
    pub fn attachments(&self) -> anyhow::Result<Vec<(AttachmentId, KernelCounters)>> {
        self.capture().attachments()
    }

    /// At how many attachments v1's kernel is not asked, or has had no answer.
    ///
    /// # Errors
    /// The kernel's counters can't be read.
    pub fn unasked(&self) -> anyhow::Result<usize> {
        self.capture().unasked()
    }

    /// Whether the place's interface still exists. If not, it should be [detached](Self::detach).
    #[must_use]
    pub fn attachment_alive(&self, id: AttachmentId) -> bool {
        self.capture().is_alive(id)
    }

    /// Changes the rate of all targets, including those with a rate of their own, from the next segment or
    /// request on, at every present and future place. 0 is the kill switch.
    ///
    /// # Errors
    /// A kernel program can't be told: it goes on at the old rate, the shards do not.
    pub async fn set_sample_rate(&mut self, rate: Rate) -> anyhow::Result<()> {
        self.config.policy.set_sample_rate(rate);
        let told = self.tell_threshold();
        answers(self.shares.iter().map(|it| it.set_sample_rate(rate))).await;
        told
    }

    /// Decides by another policy from the next segment or request on, at every present and future place. It has to be
    /// made for the same targets, sample by the same, and have rules of the same names.
    ///
    /// # Errors
    /// A kernel program can't be told: it goes on at the old rate, the shards do not.
    pub async fn set_policy(&mut self, policy: Policy) -> anyhow::Result<()> {
        self.config.policy.replace(policy.clone());
        let told = self.tell_threshold();
        answers(self.shares.iter().map(|it| it.set_policy(policy.clone()))).await;
        told
    }

    /// Copies nothing in the kernel, at any present and future place, whatever the policy says; or again what it says.
    ///
    /// # Errors
    /// A kernel program can't be told, and goes on as it was.
    pub async fn set_paused(&mut self, paused: bool) -> anyhow::Result<()> {
        self.paused = paused;
        self.tell_threshold()
    }

    /// Takes no requests of segments that were captured after this moment of [`clock`](super::clock), once this
    /// returns. What v1 says of those before is read on.
    pub async fn end_at(&self, until: Time) {
        answers(self.shares.iter().map(|it| it.end_at(until))).await;
    }

    fn tell_threshold(&self) -> anyhow::Result<()> {
        let threshold = match self.paused {
            true => 0,
            false => self.config.policy.kernel_sampling().threshold,
        };
        self.capture().set_threshold(threshold)
    }

    /// Sets the ready endpoints of this target, a service or selector; the list may be empty. Targets count
    /// from 0, as in the configuration. Until the first list, copies wait up to
    /// [`endpoint_wait`](DispatchConfig::endpoint_wait).
    pub async fn set_addresses(&self, target: usize, addresses: Vec<SocketAddr>) {
        let addresses: Arc<[SocketAddr]> = addresses.into();
        answers(
            self.shares
                .iter()
                .map(|it| it.set_addresses(target, Arc::clone(&addresses))),
        )
        .await;
    }

    /// Has all shards together send each target so many copies per second at most; `None`: as many as there are.
    pub async fn set_max_rps(&mut self, most: Option<SharedCap>) {
        self.config.dispatch.max_rps = most;
        let of_shard = most.map(SharedCap::of_shard);
        answers(self.shares.iter().map(|it| it.set_max_rps(of_shard))).await;
    }

    /// Has each shard send less to targets that are overloaded, or all come what may.
    pub async fn set_back_off(&mut self, back_off: bool) {
        self.config.dispatch.back_off = back_off;
        answers(self.shares.iter().map(|it| it.set_back_off(back_off))).await;
    }

    /// What it was started with, but for the rates and limits, which are those of now.
    #[must_use]
    pub const fn config(&self) -> &DaemonConfig {
        &self.config
    }

    /// What filters and targets are called.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// All counters at this moment, including those of detached places.
    ///
    /// # Errors
    /// The kernel's counters can't be read, or a shard is gone.
    pub async fn counted(&self) -> anyhow::Result<Counted> {
        let mut total = Counted::default();
        for report in answers(self.shares.iter().map(Share::snapshot)).await {
            total += &report.context("a shard is gone")?;
        }
        total.kernel = self.capture().counters()?;
        total.kernel_replies = self.capture().reply_counters()?;
        Ok(total)
    }

    /// The last losses, as far as they are kept ([`keep_lost`](mirror_core::pipeline::Limits::keep_lost)).
    ///
    /// # Errors
    /// The kernel's counters can't be read, or a shard is gone.
    pub async fn lost(&mut self) -> anyhow::Result<Lost> {
        let most = self.config.limits.keep_lost.losses;
        if most == 0 {
            return Ok(Lost::default());
        }
        let counters = self.capture().counters()?;
        let mut all = self.full_rings.look(&counters);
        for lost in answers(self.shares.iter().map(Share::lost)).await {
            all.join(lost.context("a shard is gone")?, most);
        }
        Ok(all)
    }

    /// The books at this moment. While segments are in flight they need not balance;
    /// [`while_running`](Ledger::while_running) says so.
    ///
    /// # Errors
    /// Those of [`counted`](Self::counted).
    pub async fn ledger(&self) -> anyhow::Result<Ledger> {
        Ok(Ledger::new(&self.counted().await?, &self.names))
    }

    /// Returns when this mirror is on a shard no longer although nobody stopped it: something of it panicked, and what
    /// is captured for it is lost. The shard's other mirrors go on.
    pub async fn broken(&mut self) {
        self.ended.recv().await;
    }

    /// Detaches everywhere, processes what was captured until then, and closes the books.
    ///
    /// # Errors
    /// An interface can't be detached from, or the kernel's counters can't be read.
    pub async fn stop(mut self) -> anyhow::Result<Ledger> {
        let detached = self.blocking(Capture::detach_all).await;
        let mut total = Counted::default();
        for report in answers(mem::take(&mut self.shares).into_iter().map(Share::stop)).await {
            match report {
                Some(report) => total += &report,
                None => log::error!("a shard ended early: its part of the ledger is missing"),
            }
        }
        detached?;
        total.kernel = self.capture().counters()?;
        total.kernel_replies = self.capture().reply_counters()?;
        let ledger = Ledger::new(&total, &self.names).at_end();
        drop(self.capture);
        self.shards.leave().await?;
        Ok(ledger)
    }

    fn capture(&self) -> MutexGuard<'_, Capture> {
        lock(&self.capture)
    }

    /// Runs a slow system call on a thread where it keeps no task waiting.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Capture) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let capture = Arc::clone(&self.capture);
        spawn_blocking(move || work(&mut lock(&capture)))
            .await
            .context("attaching or detaching panicked")?
    }
}

/// Locks the capture. A panic under the lock leaves its attachments intact, so poison is ignored.
fn lock(capture: &Mutex<Capture>) -> MutexGuard<'_, Capture> {
    capture.lock().unwrap_or_else(PoisonError::into_inner)
}
