//! A running capture: rings that stay, and attachments that come and go.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use mirror_core::{counters::KernelCounters, policy::KernelSampling};

use super::{
    attach::abandoned::delete_everywhere,
    attached::Attached,
    config::{AttachmentId, LiveConfig, Place},
    reader::RingReader,
    rings::Rings,
};

/// Attachments that feed rings, which others may feed as well. Dropping it detaches everywhere.
///
/// The first attachment loads the programs, of which the kernel's verifier takes 0.1 s of CPU time; the others
/// use the same ones, and attaching takes as long as the kernel waits for all CPUs, 5 to 15 ms a hook, as
/// detaching does (2 cores, Linux 6.18).
pub struct Capture {
    config: LiveConfig,
    /// What the program of each attachment is told.
    sampling: KernelSampling,
    attached: BTreeMap<AttachmentId, Attached>,
    /// Once nothing feeds them any more.
    rings: Rings,
    /// What those counted that are detached.
    detached: KernelCounters,
    detached_replies: KernelCounters,
}

impl Capture {
    /// Deletes the filters that killed processes left, as their [notes](LiveConfig::notes) say;
    /// failures are logged. [`Rings::open`] does it, too.
    pub fn delete_abandoned(config: &LiveConfig) {
        delete_everywhere(&config.notes, &config.proc);
    }

    /// Makes rings that nobody else has, and a reader for each shard. Nothing is attached yet; what is will sample
    /// as `sampling` says.
    ///
    /// # Errors
    ///
    /// Those of [`Rings::open`].
    pub fn open(config: LiveConfig, sampling: KernelSampling) -> Result<(Self, Vec<RingReader>)> {
        let (rings, readers) = Rings::open(&config)?;
        Ok((Self::share(rings, config, sampling), readers))
    }

    /// Feeds rings that others may feed, too, and that were opened with a configuration like this one.
    #[must_use]
    pub fn share(rings: Rings, config: LiveConfig, sampling: KernelSampling) -> Self {
        Self {
            config,
            sampling,
            rings,
            attached: BTreeMap::new(),
            detached: KernelCounters::default(),
            detached_replies: KernelCounters::default(),
        }
    }

    /// Begins to capture at one more place.
    ///
    /// # Errors
    ///
    /// If the interface is missing (the message names those that exist), its namespace can't be
    /// entered, or the kernel refuses the program.
    pub fn attach(&mut self, place: Place) -> Result<AttachmentId> {
        let id = self.number();
        self.attach_as(id, place)?;
        Ok(id)
    }

    /// The number of an attachment to come, for who must know it before the first record comes.
    #[must_use]
    pub fn number(&self) -> AttachmentId {
        self.rings.number()
    }

    /// Begins to capture at one more place, under a [number](Self::number) of its own.
    ///
    /// # Errors
    ///
    /// Those of [`attach`](Self::attach).
    pub fn attach_as(&mut self, id: AttachmentId, place: Place) -> Result<()> {
        let (config, sampling) = (&self.config, self.sampling);
        // Of an attachment that fails half way, the books are to have what its other half has counted.
        let left = &mut self.detached_replies;
        let attached = Attached::new(&self.rings, config, sampling, id, place, left)?;
        self.attached.insert(id, attached);
        Ok(())
    }

    /// Ends capturing at this place: what was copied until then can still be read, and its counters
    /// stay in the [sum](Self::counters).
    ///
    /// # Errors
    ///
    /// If there is no such attachment (any more), its counters can't be read, or its filter can't
    /// be deleted: then it is still attached, and this can be tried again.
    pub fn detach(&mut self, id: AttachmentId) -> Result<()> {
        let attached = self
            .attached
            .get_mut(&id)
            .with_context(|| format!("there is no attachment {id}"))?;
        attached.detach()?;
        let (requests, replies) = (attached.counters()?, attached.reply_counters()?);
        self.detached += &requests;
        self.detached_replies += &replies;
        self.attached.remove(&id);
        self.rings.leave(id);
        Ok(())
    }

    /// Ends capturing everywhere.
    ///
    /// # Errors
    ///
    /// The first of those of [`detach`](Self::detach); the others are detached all the same.
    pub fn detach_all(&mut self) -> Result<()> {
        let all: Vec<_> = self.attached.keys().copied().collect();
        first_error(all.into_iter().map(|id| self.detach(id)))
    }

    /// Whether the place is still there. An attachment that is not alive sees nothing any more, and
    /// is to be [detached](Self::detach).
    #[must_use]
    pub fn is_alive(&self, id: AttachmentId) -> bool {
        self.attached.get(&id).is_some_and(Attached::is_alive)
    }

    /// Whether it is attached by tcx, and so goes with the process even when that is killed.
    #[must_use]
    pub fn is_tcx(&self, id: AttachmentId) -> bool {
        self.attached.get(&id).is_some_and(Attached::is_tcx)
    }

    /// Changes how much is sampled, at every place and those to come, from the next segment on: 0
    /// (nothing) to [`ALWAYS`](mirror_common::sample::ALWAYS).
    ///
    /// # Errors
    ///
    /// If a program's settings can't be written: there the old value stays.
    pub fn set_threshold(&mut self, threshold: u64) -> Result<()> {
        self.sampling.threshold = threshold;
        first_error(
            self.attached
                .values_mut()
                .map(|attached| attached.set_threshold(threshold)),
        )
    }

    /// The attachments, and what each has counted so far.
    ///
    /// # Errors
    ///
    /// If a map can't be read.
    pub fn attachments(&self) -> Result<Vec<(AttachmentId, KernelCounters)>> {
        let all = self.attached.iter();
        all.map(|(id, attached)| Ok((*id, attached.counters()?)))
            .collect()
    }

    /// At how many attachments v1's kernel is not asked, or has had no answer: by the hook, or by
    /// [`LiveConfig::ask_kernel`], or because no socket ever had a connection on a mirrored port.
    ///
    /// # Errors
    ///
    /// If a map can't be read.
    pub fn unasked(&self) -> Result<usize> {
        let mut unasked = 0;
        for attached in self.attached.values() {
            unasked += usize::from(attached.is_unasked()?);
        }
        Ok(unasked)
    }

    /// What the programs at the other hooks have counted of what v1 sends, those that are detached
    /// included; zero unless [`LiveConfig::reply_head`] asks for it.
    ///
    /// # Errors
    ///
    /// If a map can't be read.
    pub fn reply_counters(&self) -> Result<KernelCounters> {
        let mut sum = self.detached_replies;
        for attached in self.attached.values() {
            sum += &attached.reply_counters()?;
        }
        Ok(sum)
    }

    /// What all programs have counted so far, those that are detached included.
    ///
    /// # Errors
    ///
    /// If a map can't be read.
    pub fn counters(&self) -> Result<KernelCounters> {
        let mut sum = self.detached;
        for attached in self.attached.values() {
            sum += &attached.counters()?;
        }
        Ok(sum)
    }
}

/// Goes through all of them, whatever some come to.
fn first_error(results: impl Iterator<Item = Result<()>>) -> Result<()> {
    let mut first = Ok(());
    for result in results {
        match result {
            Err(error) if first.is_err() => log::error!("{error:#}"),
            Err(error) => first = Err(error),
            Ok(()) => {}
        }
    }
    first
}
