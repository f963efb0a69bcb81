//! What the state says to probes, metrics and people.

use super::{Listing, NodeState, tracked::MirrorState};
use crate::cluster::{event::RuleId, pod::PodUid, selection::Selection};

/// What became of a pod that a rule selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodStatus {
    /// The rule that selects it.
    pub rule: RuleId,
    /// The pod's UID.
    pub uid: PodUid,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// How far its attachment has come.
    pub state: AttachState,
}

/// How far a rule has come with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachState {
    /// Its requests are mirrored.
    Attached,
    /// Its network namespace is being searched or attached to.
    Waiting(Waiting),
    /// It could not be attached to, for this reason; it is tried again.
    Failed(String),
    /// It is not mirrored: it has the network of its node.
    HostNetwork,
    /// It can't be mirrored as it is, for this reason.
    Unfit(String),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The API shows no address of it.
    Address,
    /// Its network namespace is searched, and was not found for this reason, if it was searched before.
    Sandbox(Option<String>),
    /// The program is being loaded.
    Attachment,
}

impl NodeState {
    /// Every pair of a rule and a pod that is selected by it and may serve, or is attached to before that.
    pub fn status(&self) -> impl Iterator<Item = PodStatus> {
        let alive = self.pods.iter();
        let alive = alive.filter(|(_, pod)| pod.view.may_be_attached());
        alive.flat_map(|(uid, pod)| {
            let selections = self.demand.selections(&pod.view).filter(|(rule, _)| {
                let attached = pod.mirror_state(*rule) == Some(&MirrorState::Attached);
                attached || pod.view.may_serve()
            });
            selections.map(move |(rule, selection)| PodStatus {
                rule,
                uid: uid.clone(),
                namespace: pod.view.namespace.clone(),
                name: pod.view.name.clone(),
                state: match (selection, pod.mirror_state(rule)) {
                    (Selection::HostNetwork, _) => AttachState::HostNetwork,
                    (Selection::Unfit(why), _) => AttachState::Unfit(why),
                    (_, Some(MirrorState::Attached)) => AttachState::Attached,
                    (_, Some(MirrorState::Failed(why))) => AttachState::Failed(why.clone()),
                    (_, Some(MirrorState::Attaching)) => AttachState::Waiting(Waiting::Attachment),
                    (_, None) if pod.view.ips.is_empty() => AttachState::Waiting(Waiting::Address),
                    (_, None) => {
                        let why = pod.lost_because().map(str::to_owned);
                        AttachState::Waiting(Waiting::Sandbox(why))
                    }
                },
            })
        })
    }

    /// Whether every selected pod that can be mirrored is; if not, why not.
    ///
    /// # Errors
    /// The first reason.
    pub fn ready(&self) -> Result<(), String> {
        if self.demand.is_empty() {
            return Ok(());
        }
        if self.listing == Listing::Awaited {
            return Err("the API has not said yet which pods there are".to_owned());
        }
        if let Some(service) = self.demand.unknown_services().next() {
            let (namespace, name) = (&service.namespace, &service.name);
            return Err(format!(
                "the API has not said yet what service {namespace}/{name} is"
            ));
        }
        self.status().try_for_each(|pod| {
            let why = match pod.state {
                // To wait for what a person has to change would keep a rollout waiting, too.
                AttachState::Attached | AttachState::HostNetwork | AttachState::Unfit(_) => {
                    return Ok(());
                }
                AttachState::Failed(why) => why,
                AttachState::Waiting(Waiting::Address) => "it has no address yet".to_owned(),
                AttachState::Waiting(Waiting::Sandbox(why)) => {
                    why.unwrap_or_else(|| "its network namespace is being searched".to_owned())
                }
                AttachState::Waiting(Waiting::Attachment) => "it is being attached to".to_owned(),
            };
            Err(format!("{}/{}: {why}", pod.namespace, pod.name))
        })
    }
}
