//! One rule's mirror.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::Result;
use mirror_capture::{AttachmentId, Place};
use mirror_core::{
    counters::TargetCounters,
    ledger::{Counted, Ledger, Names},
    policy::{Policy, PolicyConfig},
    value::Rate,
};
use mirror_kubernetes::{
    cluster::{Aim, PodUid, RuleId, Search},
    plan::Rule,
};

use super::{Addresses, Ended, MirrorConfig, ToAttach};
use crate::{
    admin::{self, SampleRate},
    runtime::{Daemon, DaemonConfig, target_names},
};

/// A rule's mirror, whose daemon runs once a pod was attached.
pub(super) struct Mirror {
    rule: String,
    /// The namespace of its document.
    tenant: Option<String>,
    /// What the daemon is, or will be, started with. Its policy has the rate of now.
    config: DaemonConfig,
    daemon: Option<Daemon>,
    attached: BTreeMap<PodUid, Attached>,
}

struct Attached {
    id: AttachmentId,
    search: Search,
    pod: String,
}

impl Mirror {
    pub(super) fn new(rule: &Rule, common: &MirrorConfig) -> Result<Self> {
        let policy = Policy::new(PolicyConfig {
            targets: rule.targets.iter().map(Into::into).collect(),
            ..rule.policy.clone()
        })?;
        let MirrorConfig {
            capture,
            limits,
            dispatch,
            rooms: _,
        } = common.clone();
        Ok(Self {
            rule: rule.name.clone(),
            tenant: rule.tenant.clone(),
            config: DaemonConfig {
                capture,
                limits,
                policy,
                targets: rule.targets.clone(),
                dispatch,
                record: None,
            },
            daemon: None,
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

    /// Bytes that its daemon takes whether or not there are requests: rings, and free blocks of large
    /// bodies, which are at most 1/32 of its memory.
    pub(super) fn rings(&self) -> usize {
        let shards = self.config.capture.shards as usize;
        let shard = self.config.capture.ring_bytes + self.config.limits.memory / 32;
        shards.saturating_mul(shard)
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.daemon.is_some()
    }

    /// Interfaces that it is attached to.
    pub(super) fn attachments(&self) -> usize {
        self.attached.len()
    }

    /// Ends its daemon, which starts anew with the next pod. Says where it was attached.
    pub(super) fn give_way(
        &mut self,
    ) -> (Vec<(PodUid, Search)>, impl Future<Output = Ended> + use<>) {
        let attached = std::mem::take(&mut self.attached).into_iter();
        let attached = attached.map(|(pod, attached)| (pod, attached.search));
        (
            attached.collect(),
            end(self.rule.clone(), self.daemon.take()),
        )
    }

    pub(super) async fn attach(
        &mut self,
        place: Place,
        to: &ToAttach,
        addresses: &Addresses,
    ) -> Result<()> {
        self.detach(&to.pod).await?;
        let id = self.daemon(addresses).await?.attach(place).await?;
        let attached = Attached {
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
        let (Some(attached), Some(daemon)) = (attached, &mut self.daemon) else {
            return Ok(None);
        };
        daemon.detach(attached.id).await?;
        Ok(Some(attached.pod))
    }

    /// The attachments whose interface is gone.
    pub(super) fn gone(&self) -> impl Iterator<Item = (PodUid, Search)> {
        let daemons = self.daemon.iter();
        daemons.flat_map(|daemon| {
            let all = self.attached.iter();
            all.filter(|(_, attached)| !daemon.attachment_alive(attached.id))
                .map(|(pod, attached)| (pod.clone(), attached.search))
        })
    }

    pub(super) async fn set_addresses(&self, to: &Aim, addresses: &[SocketAddr]) {
        let Some(daemon) = &self.daemon else { return };
        for (number, target) in self.config.targets.iter().enumerate() {
            if Aim::from(target) == *to {
                daemon.set_addresses(number, addresses.to_vec()).await;
            }
        }
    }

    pub(super) async fn set_sample_rate(&mut self, rate: Rate) -> Result<()> {
        self.config.policy.set_sample_rate(rate);
        match &mut self.daemon {
            Some(daemon) => daemon.set_sample_rate(rate).await,
            None => Ok(()),
        }
    }

    pub(super) fn sample_rates(&self) -> Vec<SampleRate> {
        if let Some(daemon) = &self.daemon {
            return SampleRate::of(&self.rule, daemon).collect();
        }
        let rates = self.targets().into_iter().zip(self.rates());
        let rates = rates.map(|(target, rate)| SampleRate {
            rule: self.rule.clone(),
            target,
            rate,
        });
        rates.collect()
    }

    /// As metrics show it: before it has begun, all is zero.
    pub(super) async fn snapshot(&self) -> Result<admin::Mirror> {
        if let Some(daemon) = &self.daemon {
            return admin::Mirror::of(self.rule.clone(), daemon).await;
        }
        let targets = self.targets();
        Ok(admin::Mirror {
            rule: self.rule.clone(),
            rates: self.rates(),
            counted: Counted {
                targets: vec![TargetCounters::default(); targets.len()],
                ..Counted::default()
            },
            names: Names {
                rules: self.config.policy.rules().to_vec(),
                targets,
            },
            attachments: 0,
        })
    }

    fn rates(&self) -> Vec<Rate> {
        let policy = &self.config.policy;
        (0..policy.targets())
            .map(|target| policy.rate(target))
            .collect()
    }

    fn targets(&self) -> Vec<String> {
        target_names(&self.config.targets)
    }

    /// `None` if it has not begun.
    pub(super) async fn ledger(&self) -> Result<Option<Ledger>> {
        match &self.daemon {
            Some(daemon) => Ok(Some(daemon.ledger().await?)),
            None => Ok(None),
        }
    }

    /// What returns the rule's number once a shard has ended; `None` if it has not begun.
    pub(super) fn broken(&mut self, id: RuleId) -> Option<impl Future<Output = RuleId>> {
        let daemon = self.daemon.as_mut()?;
        Some(async move {
            daemon.broken().await;
            id
        })
    }

    /// Detaches everywhere, and lets copies in flight end.
    pub(super) async fn stop(self) -> Ended {
        end(self.rule, self.daemon).await
    }

    /// The daemon, started if it is not running.
    async fn daemon(&mut self, addresses: &Addresses) -> Result<&mut Daemon> {
        let daemon = match self.daemon.take() {
            Some(daemon) => daemon,
            None => {
                let daemon = Daemon::start(self.config.clone()).await?;
                for (number, target) in self.config.targets.iter().enumerate() {
                    if let Some(known) = addresses.get(&Aim::from(target)) {
                        daemon.set_addresses(number, known.clone()).await;
                    }
                }
                daemon
            }
        };
        Ok(self.daemon.insert(daemon))
    }
}

async fn end(rule: String, daemon: Option<Daemon>) -> Ended {
    let ledger = match daemon {
        Some(daemon) => daemon.stop().await.map(Some),
        None => Ok(None),
    };
    Ended { rule, ledger }
}
