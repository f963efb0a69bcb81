//! The rules' mirrors: a daemon for each, attached and detached as the reducer says.
//!
//! A daemon has rings and threads of its own, which cost memory whether or not anything is mirrored. So it
//! is started when its rule selects the first pod on this node, and runs until the rule ends.

mod one;

use std::{
    collections::{BTreeMap, HashMap},
    future,
    net::SocketAddr,
};

use anyhow::{Context as _, Result};
use futures::future::select_all;
use log::{info, warn};
use mirror_capture::{LiveConfig, Place};
use mirror_core::{destination::Destination, ledger::Ledger, pipeline::Limits, value::Rate};
use mirror_dispatch::DispatchConfig;
use mirror_kubernetes::cluster::{Event, Node, PodUid, RuleId, Sandbox, Search};
use mirror_kubernetes::plan::Rule;
use tokio::task::{JoinSet, spawn_blocking};

use crate::admin::{self, SampleRate};
use one::Mirror;

/// What the daemons of all rules have in common.
#[derive(Clone, Debug)]
pub struct MirrorConfig {
    /// How segments are captured, for every rule.
    pub capture: LiveConfig,
    /// The limits of one shard of one rule.
    pub limits: Limits,
    /// How copies get to where they go.
    pub dispatch: DispatchConfig,
}

/// The addresses of each destination, as far as the cluster has reported them.
pub(super) type Addresses = HashMap<Destination, Vec<SocketAddr>>;

/// The mirrors of all rules that have one.
pub(super) struct Mirrors {
    config: MirrorConfig,
    node: Node,
    mirrors: BTreeMap<RuleId, Mirror>,
    addresses: Addresses,
    /// The daemons of rules that have ended, while their copies in flight end.
    ending: JoinSet<Ended>,
}

/// What a rule's mirror leaves.
#[derive(Debug)]
pub struct Ended {
    /// The name of the rule that ended.
    pub rule: String,
    /// Its books; `None` if it never selected a pod of this node.
    pub ledger: Result<Option<Ledger>>,
}

/// What a mirror does of itself.
#[derive(Debug)]
pub(super) enum News {
    /// The daemon of a rule that was gone has ended.
    Ended(Box<Ended>),
    /// A shard of this rule's has ended though nobody stopped it.
    Broken(String),
}

/// A pod to attach to.
#[derive(Clone, Debug)]
pub(super) struct ToAttach {
    pub(super) pod: PodUid,
    pub(super) search: Search,
    pub(super) name: String,
    pub(super) sandbox: Sandbox,
    pub(super) ports: Vec<u16>,
}

impl Mirrors {
    pub(super) fn new(config: MirrorConfig, node: Node) -> Self {
        Self {
            config,
            node,
            mirrors: BTreeMap::new(),
            addresses: Addresses::new(),
            ending: JoinSet::new(),
        }
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// Its rewrites contradict each other.
    pub(super) fn add(&mut self, id: RuleId, rule: &Rule) -> Result<()> {
        self.mirrors.insert(id, Mirror::new(rule, &self.config)?);
        Ok(())
    }

    /// Removes a rule: detaches from all of its pods, and lets copies in flight end.
    pub(super) fn remove(&mut self, id: RuleId) {
        if let Some(mirror) = self.mirrors.remove(&id) {
            self.ending.spawn(mirror.stop());
        }
    }

    /// Attaches, and says how that went.
    pub(super) async fn attach(&mut self, id: RuleId, to: ToAttach) -> Option<Event> {
        let mirror = self.mirrors.get_mut(&id)?;
        let attached = match place(&self.node, &to).await {
            Ok(place) => mirror.attach(place, &to, &self.addresses).await,
            Err(error) => Err(error),
        };
        Some(match attached {
            Ok(()) => {
                let ports: Vec<_> = to.ports.iter().map(u16::to_string).collect();
                let (ToAttach { name, sandbox, .. }, ports) = (&to, ports.join(", "));
                // Whoever is root in the pod has chosen it.
                let interface = sandbox.interface.escape_debug();
                let rule = mirror.name();
                info!("{name}: attached to {interface}, port {ports}, for {rule}");
                Event::Attached(id, to.pod, to.search)
            }
            Err(error) => Event::AttachFailed(id, to.pod, to.search, format!("{error:#}")),
        })
    }

    pub(super) async fn detach(&mut self, id: RuleId, pod: &PodUid) {
        let Some(mirror) = self.mirrors.get_mut(&id) else {
            return;
        };
        match mirror.detach(pod).await {
            Ok(Some(name)) => info!("{name}: detached, for {}", mirror.name()),
            Ok(None) => {}
            Err(error) => warn!("a pod was not detached for {}: {error:#}", mirror.name()),
        }
    }

    /// The attachments whose interface is gone.
    pub(super) fn gone(&self) -> Vec<Event> {
        let all = self.mirrors.iter();
        let gone = all.flat_map(|(&id, mirror)| {
            let gone = mirror.gone();
            gone.map(move |(pod, search)| Event::Gone(id, pod, search))
        });
        gone.collect()
    }

    /// Sets the addresses that copies for this destination go to.
    pub(super) async fn set_addresses(&mut self, to: Destination, addresses: Vec<SocketAddr>) {
        for mirror in self.mirrors.values() {
            mirror.set_addresses(&to, &addresses).await;
        }
        self.addresses.insert(to, addresses);
    }

    /// Forgets the addresses of destinations that are no longer `needed`.
    pub(super) fn retain_addresses(&mut self, needed: impl Fn(&Destination) -> bool) {
        self.addresses.retain(|destination, _| needed(destination));
    }

    /// Changes the rate of the rule of this name, or of all rules. Returns how many that were.
    ///
    /// # Errors
    /// A kernel program can't be told; what could be changed is.
    pub(super) async fn set_sample_rate(
        &mut self,
        rule: Option<&str>,
        rate: Rate,
    ) -> Result<usize> {
        let mut count = 0;
        let mut outcome = Ok(());
        for mirror in self.mirrors.values_mut() {
            if rule.is_none_or(|rule| rule == mirror.name()) {
                count += 1;
                let set = mirror.set_sample_rate(rate).await;
                outcome = outcome.and(set.with_context(|| mirror.name().to_owned()));
            }
        }
        outcome.map(|()| count)
    }

    pub(super) fn sample_rates(&self) -> Vec<SampleRate> {
        self.mirrors
            .values()
            .flat_map(Mirror::sample_rates)
            .collect()
    }

    /// All mirrors, as the metrics show them.
    ///
    /// # Errors
    /// Counters can't be read.
    pub(super) async fn snapshot(&self) -> Result<Vec<admin::Mirror>> {
        let mut all = Vec::with_capacity(self.mirrors.len());
        for mirror in self.mirrors.values() {
            all.push(mirror.snapshot().await?);
        }
        Ok(all)
    }

    /// The books of the mirrors that have begun, by rule.
    ///
    /// # Errors
    /// Counters can't be read.
    pub(super) async fn ledgers(&self) -> Result<Vec<(String, Ledger)>> {
        let mut all = Vec::with_capacity(self.mirrors.len());
        for mirror in self.mirrors.values() {
            let ledger = mirror.ledger().await?;
            all.extend(ledger.map(|ledger| (mirror.name().to_owned(), ledger)));
        }
        Ok(all)
    }

    /// Waits for the next thing that a mirror does by itself. Nothing is lost if this is dropped early.
    pub(super) async fn next(&mut self) -> News {
        loop {
            tokio::select! {
                Some(end) = self.ending.join_next() => match end {
                    Ok(end) => return News::Ended(Box::new(end)),
                    Err(panic) => warn!("stopping a mirror: {panic}"),
                },
                rule = broken(&mut self.mirrors) => return News::Broken(rule),
            }
        }
    }

    /// Ends all mirrors at the same time.
    pub(super) async fn stop(mut self) -> Vec<Ended> {
        let mut ended = Vec::with_capacity(self.mirrors.len());
        for mirror in self.mirrors.into_values() {
            self.ending.spawn(mirror.stop());
        }
        while let Some(end) = self.ending.join_next().await {
            match end {
                Ok(end) => ended.push(end),
                Err(panic) => warn!("stopping a mirror: {panic}"),
            }
        }
        ended.sort_by(|one, other| one.rule.cmp(&other.rule));
        ended
    }
}

/// Returns the name of a rule one of whose shards has ended though nobody stopped it.
async fn broken(mirrors: &mut BTreeMap<RuleId, Mirror>) -> String {
    let running = mirrors.values_mut().filter_map(Mirror::broken);
    let running: Vec<_> = running.map(Box::pin).collect();
    if running.is_empty() {
        return future::pending().await;
    }
    select_all(running).await.0
}

/// Opens the place, on a thread that may enter namespaces.
async fn place(node: &Node, to: &ToAttach) -> Result<Place> {
    let (node, sandbox, ports) = (node.clone(), to.sandbox.clone(), to.ports.clone());
    spawn_blocking(move || node.place(&sandbox, ports))
        .await
        .context("opening the sandbox panicked")?
}
