//! Decides what is attached where: events in, actions out, no I/O and no clock.
//!
//! The problem: a pod's labels, its network namespace and its addresses change under the same name,
//! the API tells of it a second late, and each answer of the node may be about a pod that is no more.
//! The way: after every event, what the rules want of a pod is compared with what it has, and only the
//! difference is done. Whatever the API says of a pod that is wanted, its network namespace is searched
//! anew, and an attachment in another one than the one found is replaced. Every search has a number,
//! and an answer with another number than the last one's is ignored.
//!
//! A pod is looked for from the moment that it is scheduled here, as the API shows its address about a
//! second after its containers have begun to serve. What was found before is held against the address
//! once there is one.
//!
//! What is attached stays attached until an event says otherwise: an API that can't be reached says
//! nothing.

mod demand;
mod gates;
mod status;
#[cfg(test)]
mod tests;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};

use demand::Demand;
#[cfg(feature = "cluster")]
pub(super) use gates::GATE;
pub use gates::{GateState, Gated};
pub use status::{AttachState, PodStatus, Waiting};
use tracked::Tracked;

use super::{
    event::{Action, Event},
    pod::{PodUid, PodView},
};

/// All that is known of pods, services and rules.
#[derive(Debug, Default)]
pub struct NodeState {
    pods: BTreeMap<PodUid, Tracked>,
    demand: Demand,
    listing: Listing,
}

/// Whether the API has said which pods there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Listing {
    #[default]
    Awaited,
    Known,
}

impl NodeState {
    /// Takes in what happened, and says what is to be done, in this order.
    pub fn on_event(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::PodsListed(views) => self.on_list(views, &mut actions),
            Event::PodApplied(view) => self.on_pod(view, &mut actions),
            Event::PodDeleted(uid) => self.forget(&uid, &mut actions),
            Event::ServiceApplied(view) => {
                self.demand.set_service(view);
                self.compare_all(&mut actions);
            }
            Event::ServiceDeleted(service) => {
                actions.extend(self.demand.unset_service(service).map(Action::Tell));
                self.compare_all(&mut actions);
            }
            Event::RuleApplied(rule, source) => {
                self.demand.set_rule(rule, source);
                self.compare_all(&mut actions);
            }
            Event::RuleRemoved(rule) => {
                self.demand.unset_rule(rule);
                // The rule's daemon is stopped, and its attachments with it.
                self.pods.values_mut().for_each(|pod| pod.drop_mirror(rule));
                self.compare_all(&mut actions);
            }
            Event::Found(uid, search, sandbox) => {
                self.with_pod(&uid, |pod, demand| {
                    pod.found(search, &sandbox, demand, &mut actions);
                });
            }
            Event::NotFound(uid, search, why) => self.with_pod(&uid, |pod, demand| {
                pod.not_found(search, why, demand, &mut actions);
            }),
            Event::Attached(rule, uid, search) => {
                self.with_pod(&uid, |pod, _| pod.attached(rule, search));
            }
            Event::AttachFailed(rule, uid, search, why) => self.with_pod(&uid, |pod, demand| {
                pod.attach_failed(rule, search, why, demand, &mut actions);
            }),
            Event::Gone(rule, uid, search) => self.with_pod(&uid, |pod, demand| {
                pod.gone(rule, search, demand, &mut actions);
            }),
        }
        actions
    }

    fn on_list(&mut self, views: Vec<PodView>, actions: &mut Vec<Action>) {
        self.listing = Listing::Known;
        let listed: BTreeSet<_> = views.iter().map(|view| &view.uid).collect();
        let known = self.pods.keys();
        let gone: Vec<_> = known.filter(|uid| !listed.contains(uid)).cloned().collect();
        for uid in gone {
            self.forget(&uid, actions);
        }
        for view in views {
            self.on_pod(view, actions);
        }
    }

    fn on_pod(&mut self, view: PodView, actions: &mut Vec<Action>) {
        let uid = view.uid.clone();
        let pod = self
            .pods
            .entry(uid)
            .and_modify(|pod| pod.view.clone_from(&view))
            .or_insert_with(|| Tracked::new(view));
        pod.applied(&mut self.demand, actions);
    }

    fn forget(&mut self, uid: &PodUid, actions: &mut Vec<Action>) {
        if let Some(mut pod) = self.pods.remove(uid) {
            pod.detach_if(|_, _| true, actions);
        }
    }

    fn compare_all(&mut self, actions: &mut Vec<Action>) {
        for pod in self.pods.values_mut() {
            pod.compare(&mut self.demand, actions);
        }
    }

    fn with_pod(&mut self, uid: &PodUid, change: impl FnOnce(&mut Tracked, &mut Demand)) {
        if let Some(pod) = self.pods.get_mut(uid) {
            change(pod, &mut self.demand);
        }
    }
}
