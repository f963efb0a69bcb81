//! Which pods' readiness gates may be opened.

use super::{NodeState, Tracked, tracked::MirrorState};
use crate::cluster::{
    pod::{PodUid, PodView},
    selection::Selection,
};

/// The condition of a pod that its readiness gate waits for.
#[cfg(feature = "cluster")]
pub(in crate::cluster) const GATE: &str = "podmirror.io/attached";

/// A pod that waits at its gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gated {
    /// The pod's UID.
    pub uid: PodUid,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// Whether its containers may be waiting for nothing else.
    pub runs: bool,
    /// What became of it here.
    pub state: GateState,
}

/// What a pod that waits at its gate waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Nothing: every rule that selects it is attached.
    Attached,
    /// No rule selects it.
    NotSelected,
    /// It can't be mirrored as it is.
    Unfit(String),
    /// To be attached to; with the reason, if that has failed.
    Waiting(Option<String>),
}

impl NodeState {
    /// The pods of this node whose gate is closed, as far as the API has told. Unless all rules are known, one that
    /// none of them selects waits for the others.
    pub fn gated(&self, all_rules: bool) -> impl Iterator<Item = Gated> {
        let closed = self.pods.values().filter(|pod| is_closed(&pod.view));
        closed.map(move |pod| Gated {
            uid: pod.view.uid.clone(),
            namespace: pod.view.namespace.clone(),
            name: pod.view.name.clone(),
            runs: pod.view.may_serve(),
            state: match self.gate_of(pod) {
                GateState::NotSelected if !all_rules => {
                    GateState::Waiting(Some("not all that is watched is known".to_owned()))
                }
                state => state,
            },
        })
    }

    fn gate_of(&self, pod: &Tracked) -> GateState {
        let mut gate = GateState::NotSelected;
        for (rule, selection) in self.demand.selections(&pod.view) {
            let of_rule = match (selection, pod.mirror_state(rule)) {
                (Selection::HostNetwork, _) => {
                    GateState::Unfit("it has the network of its node".to_owned())
                }
                (Selection::Unfit(why), _) => GateState::Unfit(why),
                (_, Some(MirrorState::Attached)) => GateState::Attached,
                (_, Some(MirrorState::Failed(why))) => {
                    return GateState::Waiting(Some(why.clone()));
                }
                (_, Some(MirrorState::Attaching) | None) => {
                    return GateState::Waiting(pod.lost_because().map(str::to_owned));
                }
            };
            if gate != GateState::Attached {
                gate = of_rule;
            }
        }
        gate
    }
}

fn is_closed(view: &PodView) -> bool {
    view.gate_open == Some(false) && view.may_be_attached() && !view.deleting
}
