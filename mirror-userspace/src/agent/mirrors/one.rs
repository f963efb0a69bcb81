//! One rule's mirror.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::{Context as _, Result, bail};
use log::info;
use mirror_capture::{AttachmentId, Place};
#[cfg(doc)]
use mirror_core::verdict::Bounds;
use mirror_core::{ledger::Ledger, segment::Time, value::Rate, verdict::Terms};
use mirror_kubernetes::{
    cluster::{Aim, Node, PodUid, Portion, RuleId, Search},
    plan::{Rule, Source},
};
use mirror_runtime::{Daemon, DaemonConfig, Sink};
use tokio::task::spawn_blocking;

use super::{Addresses, Common, Ended, MirrorConfig, Sharing, ToAttach, caps::Cap, sending};
use crate::admin::{self, SampleRate};

/// What a daemon takes beside its own rings: threads, maps, connections.
const THREADS: usize = 3 << 19;

/// What it takes of a shard that others have, too: tables, maps, connections.
const SHARE: usize = 1 << 18;

/// What a shard's comparison takes, within [`Bounds::SMALL`].
const COMPARISON: usize = 4 << 20;

/// A rule's mirror, whose daemon runs once a pod was attached.
pub(super) struct RuleMirror {
    rule: String,
    /// The namespace of its document.
    tenant: Option<String>,
    /// Whose requests are copied, as its destinations are told apart by.
    source: Source,
    /// Whether its targets are compared.
    pub(super) compares: bool,
    cap: Cap,
    /// Whether overloaded targets get less, where its document does not say.
    backs_off: bool,
    stage: Stage,
    attached: BTreeMap<PodUid, AttachedPod>,
}

/// Whether the daemon runs. Either way there is one configuration, whose policy has the rate of now.
enum Stage {
    /// It will be started with this.
    Idle(Box<DaemonConfig>),
    Runs(Box<Daemon>),
}

struct AttachedPod {
    id: AttachmentId,
    search: Search,
    pod: String,
}

impl RuleMirror {
    pub(super) fn new(
        rule: &Rule,
        common: &MirrorConfig,
        portion: Option<Portion>,
    ) -> Result<Self> {
        let compares = sending::compares(rule, common.capture.reply_head > 0);
        let targets = sending::targets(rule, compares);
        let sink = Sink::Targets(targets.context("it has no target")?);
        let policy = sink.policy(rule.policy.clone())?;
        let MirrorConfig {
            capture,
            limits,
            dispatch,
            terms,
            rooms: _,
            sharing: _,
        } = common.clone();
        let backs_off = dispatch.back_off;
        let cap = Cap::new(dispatch.max_rps, rule.max_rps, capture.shards, portion);
        let dispatch = sending::of_rule(rule, dispatch, cap, compares);
        let terms = Terms {
            conditions: rule.policy.rewrite.conditions(),
            ..terms
        };
        Ok(Self {
            rule: rule.name.clone(),
            tenant: rule.tenant.clone(),
            source: rule.source.clone(),
            compares,
            cap,
            backs_off,
            stage: Stage::Idle(Box::new(DaemonConfig {
                capture,
                limits,
                policy,
                sink,
                dispatch,
                terms,
            })),
            attached: BTreeMap::new(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.rule
    }

    /// The namespace of its document, if it is of one.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Bytes that its daemon takes whether or not there are requests: the rings, if they are its own, free blocks of
    /// large bodies, which are at most 1/32 of its memory, and what is counted of a comparison.
    pub(super) fn bytes(&self, sharing: Sharing) -> usize {
        let config = self.config();
        let shards = config.capture.shards as usize;
        let blocks = config.limits.memory / 32;
        let compared = if self.compares { COMPARISON } else { 0 };
        match sharing {
            Sharing::Shared => shards.saturating_mul(blocks + SHARE + compared),
            Sharing::Each => {
                let shard = config.capture.ring_bytes.saturating_add(blocks + compared);
                shards.saturating_mul(shard).saturating_add(THREADS)
            }
        }
    }

    pub(super) const fn has_begun(&self) -> bool {
        matches!(self.stage, Stage::Runs(_))
    }

    /// Interfaces that it is attached to.
    pub(super) fn attachments(&self) -> usize {
        self.attached.len()
    }

    /// At how many of them v1's kernel is not asked, or had no answer.
    pub(super) fn unasked(&self) -> usize {
        self.daemon().map_or(0, |daemon| {
            daemon.unasked().unwrap_or_else(|_| self.attachments())
        })
    }

    /// Ends its daemon, which starts anew with the next pod. Says where it was attached.
    pub(super) fn give_way(
        &mut self,
    ) -> (Vec<(PodUid, Search)>, impl Future<Output = Ended> + use<>) {
        let attached = std::mem::take(&mut self.attached).into_iter();
        let attached = attached.map(|(pod, attached)| (pod, attached.search));
        let anew = Stage::Idle(Box::new(self.config().clone()));
        let ended = std::mem::replace(&mut self.stage, anew);
        (attached.collect(), end(self.rule.clone(), ended))
    }

    pub(super) async fn attach(
        &mut self,
        place: Place,
        to: &ToAttach,
        common: &mut Common,
        addresses: &Addresses,
        paused: bool,
    ) -> Result<()> {
        self.detach(&to.pod).await?;
        let daemon = self.start(common, addresses, paused).await?;
        let id = daemon.attach(place).await?;
        let attached = AttachedPod {
            id,
            search: to.search,
            pod: to.name.clone(),
        };
        self.attached.insert(to.pod.clone(), attached);
        Ok(())
    }

    /// Returns the pod's name, if it was attached to.
    pub(super) async fn detach(&mut self, pod: &PodUid) -> Result<Option<String>> {
        let attached = self.attached.remove(pod);
        let (Some(attached), Stage::Runs(daemon)) = (attached, &mut self.stage) else {
            return Ok(None);
        };
        daemon.detach(attached.id).await?;
        Ok(Some(attached.pod))
    }

    /// The attachments whose interface is gone.
    pub(super) fn gone(&self) -> impl Iterator<Item = (PodUid, Search)> {
        self.daemon().into_iter().flat_map(|daemon| {
            let all = self.attached.iter();
            all.filter(|(_, attached)| !daemon.attachment_alive(attached.id))
                .map(|(pod, attached)| (pod.clone(), attached.search))
        })
    }

    pub(super) async fn set_addresses(&self, to: &Aim, addresses: &[SocketAddr]) {
        let Some(daemon) = self.daemon() else { return };
        for (number, target) in self.config().sink.targets().iter().enumerate() {
            if Aim::of(&self.source, &target.spec) == *to {
                daemon.set_addresses(number, addresses.to_vec()).await;
            }
        }
    }

    pub(super) async fn set_sample_rate(&mut self, rate: Rate) -> Result<()> {
        match &mut self.stage {
            Stage::Runs(daemon) => daemon.set_sample_rate(rate).await,
            Stage::Idle(config) => {
                config.policy.set_sample_rate(rate);
                Ok(())
            }
        }
    }

    /// Goes on as the rule says by now, whose source and targets are the same.
    pub(super) async fn change(&mut self, rule: &Rule) -> Result<()> {
        rule.name.clone_into(&mut self.rule);
        let mut policy = self.config().sink.policy(rule.policy.clone())?;
        for (number, target) in rule.targets.iter().enumerate() {
            policy.set_target_rate(number, target.sample);
        }
        if self.cap.set_own(rule.max_rps) {
            self.hold_cap().await;
            if let Some(most) = self.cap.of_node() {
                info!(
                    "{}: at most {most:.2} copies/s to each target from here",
                    self.rule
                );
            }
        }
        let back_off = rule.back_off.unwrap_or(self.backs_off);
        if back_off != self.config().dispatch.back_off {
            self.set_back_off(back_off).await;
        }
        match &mut self.stage {
            Stage::Runs(daemon) => daemon.set_policy(policy).await,
            Stage::Idle(config) => {
                config.policy.replace(policy);
                Ok(())
            }
        }
    }

    async fn set_back_off(&mut self, back_off: bool) {
        match &mut self.stage {
            Stage::Runs(daemon) => daemon.set_back_off(back_off).await,
            Stage::Idle(config) => config.dispatch.back_off = back_off,
        }
        let less = if back_off { "less" } else { "no less" };
        info!("{}: targets get {less} while overloaded", self.rule);
    }

    /// Which part of its pods is on this node, if they are those of this source.
    pub(super) async fn set_portion(&mut self, of: &Source, portion: Portion) {
        if *of == self.source {
            self.cap.set_portion(portion);
            self.hold_cap().await;
        }
    }

    /// What each target gets from here at most, if that is limited and the pods are those of this source.
    pub(super) fn cap(&self, of: &Source) -> Option<f64> {
        self.cap.of_node().filter(|_| *of == self.source)
    }

    async fn hold_cap(&mut self) {
        let most = self.cap.shared();
        match &mut self.stage {
            Stage::Runs(daemon) => daemon.set_max_rps(most).await,
            Stage::Idle(config) => config.dispatch.max_rps = most,
        }
    }

    /// Takes no requests that come after this moment.
    pub(super) async fn end_at(&mut self, until: Time) {
        if let Stage::Runs(daemon) = &self.stage {
            daemon.end_at(until).await;
        }
    }

    /// Copies nothing at any place, or what its policy says.
    pub(super) async fn set_paused(&mut self, paused: bool) -> Result<()> {
        match &mut self.stage {
            Stage::Runs(daemon) => daemon.set_paused(paused).await,
            Stage::Idle(_) => Ok(()),
        }
    }

    pub(super) fn sample_rates(&self) -> impl Iterator<Item = SampleRate> {
        SampleRate::of(&self.rule, self.config())
    }

    /// As metrics show it: before it has begun, all is zero.
    pub(super) async fn snapshot(&self) -> Result<admin::ShownMirror> {
        match &self.stage {
            Stage::Runs(daemon) => admin::ShownMirror::of(self.rule.clone(), daemon).await,
            Stage::Idle(config) => Ok(admin::ShownMirror::idle(self.rule.clone(), config)),
        }
    }

    /// Its last losses; `None` if it has not begun.
    pub(super) async fn lost(&mut self) -> Result<Option<admin::LostOf>> {
        match &mut self.stage {
            Stage::Runs(daemon) => {
                let lost = admin::LostOf::of(self.rule.clone(), daemon);
                lost.await.map(Some)
            }
            Stage::Idle(_) => Ok(None),
        }
    }

    pub(super) fn config(&self) -> &DaemonConfig {
        match &self.stage {
            Stage::Runs(daemon) => daemon.config(),
            Stage::Idle(config) => config,
        }
    }

    fn daemon(&self) -> Option<&Daemon> {
        match &self.stage {
            Stage::Runs(daemon) => Some(daemon),
            Stage::Idle(_) => None,
        }
    }

    /// `None` if it has not begun.
    pub(super) async fn ledger(&self) -> Result<Option<Ledger>> {
        match self.daemon() {
            Some(daemon) => Ok(Some(daemon.ledger().await?)),
            None => Ok(None),
        }
    }

    /// What returns the rule's number once a shard has ended; `None` if it has not begun.
    pub(super) fn broken(&mut self, id: RuleId) -> Option<impl Future<Output = RuleId>> {
        let Stage::Runs(daemon) = &mut self.stage else {
            return None;
        };
        Some(async move {
            daemon.broken().await;
            id
        })
    }

    /// Detaches everywhere, and lets copies in flight end.
    pub(super) async fn stop(self) -> Ended {
        end(self.rule, self.stage).await
    }

    /// The daemon, started if it is not running.
    async fn start(
        &mut self,
        common: &mut Common,
        addresses: &Addresses,
        paused: bool,
    ) -> Result<&mut Daemon> {
        if let Stage::Idle(config) = &self.stage {
            let shards = common.shards(&config.capture)?;
            let mut daemon = Daemon::join(config.as_ref().clone(), shards).await?;
            daemon.set_paused(paused).await?;
            for (number, target) in config.sink.targets().iter().enumerate() {
                if let Some(known) = addresses.get(&Aim::of(&self.source, &target.spec)) {
                    daemon.set_addresses(number, known.clone()).await;
                }
            }
            self.stage = Stage::Runs(Box::new(daemon));
        }
        match &mut self.stage {
            Stage::Runs(daemon) => Ok(daemon),
            Stage::Idle(_) => bail!("the daemon was not started"),
        }
    }
}

/// Opens the place, on a thread that may enter namespaces.
pub(super) async fn place(node: &Node, to: &ToAttach) -> Result<Place> {
    let (node, sandbox, ports) = (node.clone(), to.sandbox.clone(), to.ports.clone());
    spawn_blocking(move || node.place(&sandbox, ports))
        .await
        .context("opening the sandbox panicked")?
}

async fn end(rule: String, stage: Stage) -> Ended {
    let ledger = match stage {
        Stage::Runs(daemon) => daemon.stop().await.map(Some),
        Stage::Idle(_) => Ok(None),
    };
    Ended { rule, ledger }
}

#[cfg(test)]
mod tests;
