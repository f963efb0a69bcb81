//! One pod: what it has, the search under way, and what people were told of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::demand::{Demand, Wanted};
use crate::cluster::{
    event::{Action, RuleId, Search},
    pod::{NetnsId, PodView, Sandbox},
    selection::Selection,
};

/// The pause before a search is repeated: doubled each time, from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// After how many searches that came to nothing people are told: about three seconds.
const PATIENCE: u32 = 5;

/// The pauses of a pod that has no address yet, each for searches up to this number: a sandbox is there
/// within seconds of the pod's coming to its node, unless its volumes or its network take long.
const EARLY_PAUSES: [(u32, Duration); 2] = [
    (400, Duration::from_millis(25)),
    (1_500, Duration::from_millis(500)),
];

/// How many different things people are told of one pod: the reasons of failures may hold numbers.
const MOST_TOLD: usize = 8;

/// A pod that the API has told of.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) view: PodView,
    /// The search under way.
    sought: Option<Sought>,
    /// Attachments that failed since the last one that worked.
    failures: u32,
    mirrors: BTreeMap<RuleId, PodMirror>,
    told: BTreeSet<String>,
    /// Whether its attachments were made before the API told its address.
    unproven: bool,
}

#[derive(Debug)]
struct Sought {
    search: Search,
    /// How many searches came to nothing before it.
    before: u32,
    /// Why the last of them did.
    why: Option<String>,
}

/// A rule's attachment to the pod.
#[derive(Debug)]
pub(super) struct PodMirror {
    netns: NetnsId,
    interface: String,
    ports: Vec<u16>,
    search: Search,
    pub(super) state: MirrorState,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum MirrorState {
    Attaching,
    Attached,
    /// Nothing is attached, for this reason.
    Failed(String),
}

impl PodMirror {
    fn stands(&self) -> bool {
        !matches!(self.state, MirrorState::Failed(_))
    }

    fn is_in(&self, sandbox: &Sandbox) -> bool {
        self.netns == sandbox.netns && self.interface == sandbox.interface
    }
}

impl Tracked {
    pub(super) fn new(view: PodView) -> Self {
        Self {
            view,
            sought: None,
            failures: 0,
            mirrors: BTreeMap::new(),
            told: BTreeSet::new(),
            unproven: false,
        }
    }

    /// The API said something of it. Its network namespace may be another one, whether or not the part
    /// of the object that is kept here has changed.
    pub(super) fn applied(&mut self, demand: &mut Demand, actions: &mut Vec<Action>) {
        let wanted = self.trim(demand, actions);
        if !wanted.is_empty() {
            self.seek(0, Duration::ZERO, demand, actions);
        }
    }

    /// What the rules want may have changed.
    pub(super) fn compare(&mut self, demand: &mut Demand, actions: &mut Vec<Action>) {
        let wanted = self.trim(demand, actions);
        let lacks = |rule| !self.mirrors.get(rule).is_some_and(PodMirror::stands);
        if self.sought.is_none() && wanted.keys().any(lacks) {
            self.seek(0, Duration::ZERO, demand, actions);
        }
    }

    /// The answer to the search: replaces what is attached elsewhere, and attaches what is missing.
    pub(super) fn found(
        &mut self,
        search: Search,
        sandbox: &Sandbox,
        demand: &Demand,
        actions: &mut Vec<Action>,
    ) {
        if !self.is_sought_by(search) {
            return;
        }
        self.sought = None;
        let mut standing = self.mirrors.values().filter(|mirror| mirror.stands());
        if self.unproven && standing.any(|mirror| !mirror.is_in(sandbox)) {
            let news = "its address is in another network than the one that was attached to before \
                        it had one: attached to anew";
            self.tell(news, actions);
        }
        self.unproven = self.view.ips.is_empty();
        self.detach_if(|_, mirror| !mirror.is_in(sandbox), actions);
        for (rule, ports) in self.wanted(demand, actions) {
            if self.mirrors.get(&rule).is_some_and(PodMirror::stands) {
                continue;
            }
            let mirror = PodMirror {
                netns: sandbox.netns,
                interface: sandbox.interface.clone(),
                ports: ports.clone(),
                search,
                state: MirrorState::Attaching,
            };
            self.mirrors.insert(rule, mirror);
            actions.push(Action::Attach {
                rule,
                pod: self.view.uid.clone(),
                search,
                name: self.view.full_name(),
                sandbox: sandbox.clone(),
                ports,
            });
        }
    }

    /// The search came to nothing: the pod is new, or its sandbox is being restarted.
    pub(super) fn not_found(
        &mut self,
        search: Search,
        why: String,
        demand: &mut Demand,
        actions: &mut Vec<Action>,
    ) {
        let Some(sought) = self.sought.take_if(|sought| sought.search == search) else {
            return;
        };
        let before = sought.before.saturating_add(1);
        // Without an address there may be nothing to be found.
        if before == PATIENCE && !self.view.ips.is_empty() {
            self.tell(&format!("not found on this node yet: {why}"), actions);
        }
        let after = match self.view.ips.is_empty() {
            true => early_pause(before),
            false => pause(before),
        };
        self.seek(before, after, demand, actions);
        if let Some(sought) = &mut self.sought {
            sought.why = Some(why);
        }
    }

    pub(super) fn attached(&mut self, rule: RuleId, search: Search) {
        if let Some(mirror) = self.mirror(rule, search) {
            mirror.state = MirrorState::Attached;
            self.failures = 0;
        }
    }

    pub(super) fn attach_failed(
        &mut self,
        rule: RuleId,
        search: Search,
        why: String,
        demand: &mut Demand,
        actions: &mut Vec<Action>,
    ) {
        let Some(mirror) = self.mirror(rule, search) else {
            return;
        };
        let news = format!("not attached: {why}");
        mirror.state = MirrorState::Failed(why);
        self.tell(&news, actions);
        self.failures = self.failures.saturating_add(1);
        self.seek(self.failures, pause(self.failures), demand, actions);
    }

    /// An attachment's interface is gone: the sandbox is being restarted, or the pod ends.
    pub(super) fn gone(
        &mut self,
        rule: RuleId,
        search: Search,
        demand: &mut Demand,
        actions: &mut Vec<Action>,
    ) {
        if self.mirror(rule, search).is_some() {
            self.detach_if(|one, _| one == rule, actions);
            self.seek(0, Duration::ZERO, demand, actions);
        }
    }

    /// The rule and all that it attached is no more.
    pub(super) fn drop_mirror(&mut self, rule: RuleId) {
        self.mirrors.remove(&rule);
    }

    pub(super) fn detach_if(
        &mut self,
        outdated: impl Fn(RuleId, &PodMirror) -> bool,
        actions: &mut Vec<Action>,
    ) {
        let pod = &self.view.uid;
        self.mirrors.retain(|&rule, mirror| {
            let stays = !outdated(rule, mirror);
            if !stays && mirror.stands() {
                let pod = pod.clone();
                actions.push(Action::Detach { rule, pod });
            }
            stays
        });
    }

    pub(super) fn mirror_state(&self, rule: RuleId) -> Option<&MirrorState> {
        self.mirrors.get(&rule).map(|mirror| &mirror.state)
    }

    /// Why it is not found, once a search has come to nothing.
    pub(super) fn lost_because(&self) -> Option<&str> {
        self.sought.as_ref()?.why.as_deref()
    }

    /// Detaches what is not wanted any more, or with other ports. Returns what is wanted.
    fn trim(&mut self, demand: &Demand, actions: &mut Vec<Action>) -> Wanted {
        let wanted = self.wanted(demand, actions);
        self.detach_if(
            |rule, mirror| wanted.get(&rule) != Some(&mirror.ports),
            actions,
        );
        if wanted.is_empty() {
            self.sought = None;
        }
        wanted
    }

    fn wanted(&mut self, demand: &Demand, actions: &mut Vec<Action>) -> Wanted {
        let mut wanted = Wanted::new();
        if !self.view.may_be_attached() {
            return wanted;
        }
        let mut news = Vec::new();
        for (rule, selection) in demand.selections(&self.view) {
            match selection {
                Selection::Other => {}
                Selection::Ports(ports) => {
                    wanted.insert(rule, ports);
                }
                Selection::HostNetwork => {
                    let why = "not mirrored: it has the network of its node (hostNetwork)";
                    news.push(why.to_owned());
                }
                Selection::Unfit(why) => news.push(format!("not mirrored: {why}")),
            }
        }
        news.iter().for_each(|news| self.tell(news, actions));
        wanted
    }

    fn seek(
        &mut self,
        before: u32,
        after: Duration,
        demand: &mut Demand,
        actions: &mut Vec<Action>,
    ) {
        let search = demand.next_search();
        self.sought = Some(Sought {
            search,
            before,
            why: None,
        });
        actions.push(Action::Find {
            pod: self.view.uid.clone(),
            search,
            cgroup: self.view.cgroup().to_owned(),
            ips: self.view.ips.clone(),
            after,
        });
    }

    fn is_sought_by(&self, search: Search) -> bool {
        self.sought
            .as_ref()
            .is_some_and(|sought| sought.search == search)
    }

    fn mirror(&mut self, rule: RuleId, search: Search) -> Option<&mut PodMirror> {
        let mirror = self.mirrors.get_mut(&rule);
        mirror.filter(|mirror| mirror.search == search)
    }

    fn tell(&mut self, news: &str, actions: &mut Vec<Action>) {
        let news = format!("{}: {news}", self.view.full_name());
        if self.told.len() < MOST_TOLD && self.told.insert(news.clone()) {
            actions.push(Action::Tell(news));
        }
    }
}

/// How long to wait before the search that follows so many that came to nothing, of a pod without an
/// address.
fn early_pause(before: u32) -> Duration {
    let mut pauses = EARLY_PAUSES.iter();
    let found = pauses.find(|(until, _)| before < *until);
    found.map_or(LAST_PAUSE, |(_, pause)| *pause)
}

/// How long to wait before the search that follows so many that came to nothing.
fn pause(before: u32) -> Duration {
    match before.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => 2_u32
            .checked_pow(doublings)
            .and_then(|factor| FIRST_PAUSE.checked_mul(factor))
            .map_or(LAST_PAUSE, |pause| pause.min(LAST_PAUSE)),
    }
}
