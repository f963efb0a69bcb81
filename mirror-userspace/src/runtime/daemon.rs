//! One attachment with its shards: started, asked, tuned and stopped.

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::{
    names,
    shard::{Ended, Shard, ShardConfig},
};
use crate::{
    capture::{Capture, LiveConfig},
    dispatch::DispatchConfig,
    ledger::{Counted, Ledger, Names},
    pipeline::Limits,
    policy::Policy,
    record::RecordTo,
    target::TargetSpec,
};

/// Everything that a running mirror is built from.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// Where and what to capture.
    pub capture: LiveConfig,
    /// The limits of one shard.
    pub limits: Limits,
    /// Sampling, filters and rewrites.
    pub policy: Policy,
    /// Where copies go.
    pub targets: Vec<TargetSpec>,
    /// How they get there.
    pub dispatch: DispatchConfig,
    /// Where requests are recorded, instead of being sent.
    pub record: Option<RecordTo>,
}

/// A running mirror. Dropping it detaches from the interface.
pub struct Daemon {
    capture: Capture,
    shards: Vec<Shard>,
    names: Names,
    ended: mpsc::UnboundedReceiver<()>,
}

impl Daemon {
    /// Attaches, then starts the shards: what is captured meanwhile waits in the rings.
    ///
    /// # Errors
    /// A target that can't be used, or an interface that can't be attached to.
    pub async fn start(config: DaemonConfig) -> anyhow::Result<Self> {
        let names = Names {
            rules: config.policy.rules().to_vec(),
            targets: names::of_targets(&config.targets),
        };
        let (capture, readers) = Capture::start(&config.capture)?;
        let shard = ShardConfig {
            limits: config.limits,
            policy: config.policy,
            targets: config
                .targets
                .into_iter()
                .map(|target| target.destination)
                .collect(),
            dispatch: config.dispatch,
            record: config.record,
        };
        let (tell, ended) = mpsc::unbounded_channel();
        let mut shards = Vec::with_capacity(readers.len());
        for (number, reader) in readers.into_iter().enumerate() {
            shards.push(Shard::start(number, shard.clone(), reader, Ended(tell.clone())).await?);
        }
        Ok(Self {
            capture,
            shards,
            names,
            ended,
        })
    }

    /// The books as they stand. Segments under way make it balance only at a quiet moment.
    ///
    /// # Errors
    /// The kernel's counters can't be read.
    pub async fn ledger(&self) -> anyhow::Result<Ledger> {
        let mut total = Counted::default();
        for shard in &self.shards {
            total += &shard.snapshot().await.context("a shard is gone")?;
        }
        self.book(total)
    }

    /// Returns when a shard has ended though nobody stopped it: it panicked, and what is captured
    /// for it goes nowhere.
    pub async fn broken(&mut self) {
        self.ended.recv().await;
    }

    /// Detaches, lets what was captured reach its end, and closes the books.
    ///
    /// # Errors
    /// The interface can't be detached from, or the kernel's counters can't be read.
    pub async fn stop(mut self) -> anyhow::Result<Ledger> {
        self.capture.detach()?;
        let mut total = Counted::default();
        let mut stopping = Vec::with_capacity(self.shards.len());
        for shard in std::mem::take(&mut self.shards) {
            stopping.push(shard.begin_stop().await);
        }
        for shard in stopping {
            match shard.finish().await {
                Some(report) => total += &report,
                None => log::error!("a shard ended early: its part of the ledger is missing"),
            }
        }
        self.book(total)
    }

    fn book(&self, mut total: Counted) -> anyhow::Result<Ledger> {
        total.kernel = self
            .capture
            .counters()
            .context("reading the kernel's counters")?;
        Ok(Ledger::new(&total, &self.names))
    }
}
