//! The rules' mirrors: a daemon for each, attached and detached as the reducer says.
//!
//! A daemon costs memory whether or not anything is mirrored. So it is started when its rule selects the first pod on
//! this node, and runs until the rule ends. Rings and threads they [share](sharing).

mod caps;
mod one;
mod relief;
mod reports;
mod room;
mod sending;
mod sharing;

use std::{
    collections::{BTreeMap, HashMap},
    future,
    net::SocketAddr,
};

use anyhow::Result;
use futures::future::{join_all, select_all};
use log::{info, warn};
use mirror_capture::LiveConfig;
use mirror_core::{
    ledger::Ledger,
    pipeline::Limits,
    verdict::{Bounds, Terms},
};
use mirror_dispatch::DispatchConfig;
use mirror_kubernetes::cluster::{Aim, Event, Node, PodUid, RuleId, Sandbox, Search};
use mirror_kubernetes::plan::{Rule, Source};
use tokio::task::JoinSet;

use crate::admin;
use caps::Known;
use one::{RuleMirror, place};
use relief::Relief;
pub use room::Rooms;
use room::{Admission, Room};
use sharing::Common;
pub use sharing::Sharing;

/// What the daemons of all rules have in common.
#[derive(Clone, Debug)]
pub struct MirrorConfig {
    /// How segments are captured, for every rule.
    pub capture: LiveConfig,
    /// The limits of one shard of one rule.
    pub limits: Limits,
    /// How copies get to where they go.
    pub dispatch: DispatchConfig,
    /// How a baseline is compared with a candidate, where the targets of a rule are that.
    pub terms: Terms,
    /// What the mirrors of documents may take up, all together.
    pub rooms: Rooms,
    /// Whether they share rings and threads.
    pub sharing: Sharing,
}

/// The addresses of each destination, as far as the cluster has reported them.
pub(super) type Addresses = HashMap<Aim, Vec<SocketAddr>>;

/// The mirrors of all rules that have one.
pub(super) struct Mirrors {
    config: MirrorConfig,
    node: Node,
    mirrors: BTreeMap<RuleId, RuleMirror>,
    addresses: Addresses,
    /// Which part of the pods of a source is on this node, where that matters.
    portions: HashMap<Source, Known>,
    room: Room,
    common: Common,
    relief: Relief,
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
    /// This rule is on a shard no longer though nobody stopped it.
    Broken(RuleId),
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
    /// If it `waits`, all is attached but nothing copied, until it is resumed.
    pub(super) fn new(config: MirrorConfig, node: Node, waits: bool) -> Self {
        Self {
            room: Room::new(config.rooms),
            common: Common::new(config.sharing),
            config,
            node,
            mirrors: BTreeMap::new(),
            addresses: Addresses::new(),
            portions: HashMap::new(),
            relief: Relief::new(waits),
            ending: JoinSet::new(),
        }
    }

    /// How many records were no rule's so far.
    pub(super) fn unclaimed(&self) -> u64 {
        self.common.unclaimed()
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// Its rewrites contradict each other.
    pub(super) fn add(&mut self, id: RuleId, rule: &Rule) -> Result<()> {
        let mut config = self.config.clone();
        if let Some(namespace) = &rule.tenant {
            let part = self.room.part(namespace);
            let contents = &mut config.dispatch.contents;
            // Replies that wait to be compared are paid for by the namespace, as copies are.
            contents.pool = Some(part.replies);
            contents.bounds = Bounds::SMALL;
            config.limits.pool = Some(part.copies);
        }
        if rule.compares() && !self.compares(rule) {
            let rule = &rule.name;
            warn!(
                "{rule}: v1's replies are not captured (--replies off, --attach xdp): nothing is compared"
            );
        }
        let known = self.portions.get(&rule.source);
        let portion = known.map(|known| known.portion);
        self.mirrors
            .insert(id, RuleMirror::new(rule, &config, portion)?);
        Ok(())
    }

    /// Whether a rule's targets are compared here.
    pub(super) fn compares(&self, rule: &Rule) -> bool {
        sending::compares(rule, self.config.capture.reply_head > 0)
    }

    /// Whether its document or the flags name the paths that requests are grouped by.
    pub(super) const fn names_groups(&self, rule: &Rule) -> bool {
        !(rule.compare.groups.is_empty() && self.config.dispatch.groups.is_empty())
    }

    /// Removes a rule: detaches from all of its pods, and lets copies in flight end.
    pub(super) fn remove(&mut self, id: RuleId) {
        if let Some(mirror) = self.mirrors.remove(&id) {
            let tenant = mirror.tenant().map(ToOwned::to_owned);
            self.ending.spawn(mirror.stop());
            self.room.leave(id);
            self.count_attachments(tenant.as_deref());
        }
    }

    /// Has a rule's mirror go on as the rule says by now.
    pub(super) async fn change(&mut self, id: RuleId, rule: &Rule) {
        let Some(mirror) = self.mirrors.get_mut(&id) else {
            return;
        };
        if let Err(error) = mirror.change(rule).await {
            warn!(
                "{}: a kernel program goes on at the old rate: {error:#}",
                rule.name
            );
        }
    }

    /// The name of a rule, and the namespace whose document it is of, if it is of one.
    pub(super) fn name(&self, id: RuleId) -> Option<(&str, Option<&str>)> {
        let mirror = self.mirrors.get(&id)?;
        Some((mirror.name(), mirror.tenant()))
    }

    /// Takes what the rule's mirror needs; others may have to give way, and are said to have failed.
    fn admit(&mut self, id: RuleId) -> Result<Vec<Event>, String> {
        let mut events = Vec::new();
        let sharing = self.common.sharing();
        let Some((tenant, bytes)) = self.mirrors.get(&id).and_then(|mirror| {
            let tenant = mirror.tenant()?.to_owned();
            Some((tenant, mirror.bytes(sharing)))
        }) else {
            return Ok(events);
        };
        self.room.check_attachment(&tenant)?;
        loop {
            match self.room.admit(id, &tenant, bytes) {
                Admission::Admitted => return Ok(events),
                Admission::Refused(why) => return Err(why),
                Admission::After(other) => events.extend(self.give_way(other, &tenant)),
            }
        }
    }

    /// Stops the daemon of a rule, which may start again when there is room.
    fn give_way(&mut self, id: RuleId, to: &str) -> Vec<Event> {
        self.room.leave(id);
        let Some(mirror) = self.mirrors.get_mut(&id) else {
            return Vec::new();
        };
        let why = format!("gave way to the mirrors of namespace {to}, which had less memory");
        warn!("{}: {why}", mirror.name());
        let (attached, ending) = mirror.give_way();
        self.ending.spawn(ending);
        let tenant = mirror.tenant().map(ToOwned::to_owned);
        self.count_attachments(tenant.as_deref());
        let failed = attached.into_iter();
        failed
            .map(|(pod, search)| Event::AttachFailed(id, pod, search, why.clone()))
            .collect()
    }

    fn count_attachments(&mut self, tenant: Option<&str>) {
        let Some(tenant) = tenant else { return };
        let own = self
            .mirrors
            .values()
            .filter(|it| it.tenant() == Some(tenant));
        let count = own.map(RuleMirror::attachments).sum();
        self.room.set_attachments(tenant, count);
    }

    /// Attaches, and says how that went, for it and for those that had to give way.
    pub(super) async fn attach(&mut self, id: RuleId, to: ToAttach) -> Vec<Event> {
        let mut events = match self.admit(id) {
            Ok(events) => events,
            Err(why) => {
                let why = of_rule(self.mirrors.get(&id), &why);
                return vec![Event::AttachFailed(id, to.pod, to.search, why)];
            }
        };
        let Some(mirror) = self.mirrors.get_mut(&id) else {
            return events;
        };
        let paused = self.relief.is_paused();
        let attached = match place(&self.node, &to).await {
            Ok(place) => {
                let common = &mut self.common;
                mirror
                    .attach(place, &to, common, &self.addresses, paused)
                    .await
            }
            Err(error) => Err(error),
        };
        events.push(match attached {
            Ok(()) => {
                let ports: Vec<_> = to.ports.iter().map(u16::to_string).collect();
                let (ToAttach { name, sandbox, .. }, ports) = (&to, ports.join(", "));
                // Whoever is root in the pod has chosen it.
                let interface = sandbox.interface.escape_debug();
                let rule = mirror.name();
                info!("{name}: attached to {interface}, port {ports}, for {rule}");
                Event::Attached(id, to.pod, to.search)
            }
            Err(error) => {
                let why = of_rule(Some(mirror), &format!("{error:#}"));
                Event::AttachFailed(id, to.pod, to.search, why)
            }
        });
        let tenant = mirror.tenant().map(ToOwned::to_owned);
        if !mirror.has_begun() {
            self.room.leave(id);
        }
        self.count_attachments(tenant.as_deref());
        events
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
        let tenant = mirror.tenant().map(ToOwned::to_owned);
        self.count_attachments(tenant.as_deref());
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
    pub(super) async fn set_addresses(&mut self, to: Aim, addresses: Vec<SocketAddr>) {
        let all = self.mirrors.values();
        join_all(all.map(|mirror| mirror.set_addresses(&to, &addresses))).await;
        self.addresses.insert(to, addresses);
    }

    /// Forgets the addresses of destinations that are no longer `needed`.
    pub(super) fn retain_addresses(&mut self, needed: impl Fn(&Aim) -> bool) {
        self.addresses.retain(|destination, _| needed(destination));
    }

    /// What they are attached to. Of a mirror whose counters can't be read, as if nothing had been asked.
    pub(super) fn attached(&self) -> admin::Attachments {
        let mut sum = admin::Attachments::default();
        for mirror in self.mirrors.values() {
            sum.all += mirror.attachments();
            sum.unasked += mirror.unasked();
        }
        sum
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

/// Why a rule's mirror was not attached, with the rule's name.
fn of_rule(mirror: Option<&RuleMirror>, why: &str) -> String {
    mirror.map_or_else(|| why.to_owned(), |it| format!("{}: {why}", it.name()))
}

/// Returns a rule that is on a shard no longer though nobody stopped it.
async fn broken(mirrors: &mut BTreeMap<RuleId, RuleMirror>) -> RuleId {
    let running = mirrors
        .iter_mut()
        .filter_map(|(id, mirror)| mirror.broken(*id));
    let running: Vec<_> = running.map(Box::pin).collect();
    if running.is_empty() {
        return future::pending().await;
    }
    select_all(running).await.0
}

#[cfg(test)]
mod tests;
