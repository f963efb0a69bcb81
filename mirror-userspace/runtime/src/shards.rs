//! Rings and the threads that read them, for any number of mirrors.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use mirror_capture::{Capture, LiveConfig, Rings};
use mirror_core::policy::KernelSampling;
use tokio::task::spawn_blocking;

use super::shard::{Ended, MirrorId, Routes, Shard, ShardConfig, Share, UnclaimedRecords};

/// Rings and a thread for each of them. They are there once, for one mirror or for many, and gone with the last one.
pub struct Shards {
    rings: Rings,
    shards: Vec<Shard>,
    routes: Routes,
    unclaimed: UnclaimedRecords,
    mirrors: AtomicU64,
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").finish_non_exhaustive()
    }
}

impl Shards {
    /// Makes the rings, and starts the threads that read them. Of `capture`, what is looked at is what
    /// [`Rings::open`] looks at. Records that are no mirror's are counted in `unclaimed`.
    ///
    /// # Errors
    /// A capability is missing, the kernel refuses a ring, or there can't be one more thread.
    pub fn start(capture: &LiveConfig, unclaimed: UnclaimedRecords) -> anyhow::Result<Arc<Self>> {
        let (rings, readers) = Rings::open(capture)?;
        let routes = Routes::default();
        let shards = readers.into_iter().enumerate();
        let shards = shards
            .map(|(number, reader)| Shard::start(number, reader, routes.clone(), unclaimed.clone()))
            .collect::<anyhow::Result<_>>()?;
        Ok(Arc::new(Self {
            rings,
            shards,
            routes,
            unclaimed,
            mirrors: AtomicU64::new(0),
        }))
    }

    /// Whether a thread has ended although nobody stopped it: no mirror should join any more.
    #[must_use]
    pub fn are_broken(&self) -> bool {
        self.shards.iter().any(Shard::is_broken)
    }

    /// How many records were no mirror's.
    pub(super) fn unclaimed(&self) -> u64 {
        self.unclaimed.count()
    }

    /// A number for one more mirror.
    pub(super) fn number(&self) -> MirrorId {
        MirrorId(self.mirrors.fetch_add(1, Ordering::Relaxed))
    }

    /// A mirror's share of each shard. Whenever one of them ends, `ended` makes what tells so.
    ///
    /// # Errors
    /// A target can't be used, or a shard is gone.
    pub(super) async fn join(
        &self,
        id: MirrorId,
        config: &ShardConfig,
        ended: impl Fn() -> Ended,
    ) -> anyhow::Result<Vec<Share>> {
        let mut shares = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            shares.push(shard.join(id, config.clone(), ended()).await?);
        }
        Ok(shares)
    }

    /// A mirror's own end of the rings: nothing is attached.
    pub(super) fn capture(&self, config: LiveConfig, sampling: KernelSampling) -> Capture {
        Capture::share(self.rings.clone(), config, sampling)
    }

    /// Whose the attachments are.
    pub(super) const fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Lets go of them. If nobody else has them, returns when their threads have ended.
    ///
    /// # Errors
    /// Waiting for them panicked.
    pub(super) async fn leave(self: Arc<Self>) -> anyhow::Result<()> {
        let Some(last) = Arc::into_inner(self) else {
            return Ok(());
        };
        spawn_blocking(move || last.shards.into_iter().for_each(Shard::end))
            .await
            .context("ending the shards panicked")
    }
}

/// Waits for what was asked of all shares, which were asked at the same time.
pub(super) async fn answers<T, F: Future<Output = T>>(asked: impl Iterator<Item = F>) -> Vec<T> {
    let begun: Vec<F> = asked.collect();
    let mut done = Vec::with_capacity(begun.len());
    for answer in begun {
        done.push(answer.await);
    }
    done
}
