//! The events that the reducer is told of, and the actions that it answers with.

use std::{net::IpAddr, time::Duration};

use mirror_core::destination::ServiceRef;

use super::{
    pod::{PodUid, PodView, Sandbox},
    service::ServiceView,
};
use crate::plan::Source;

/// The number of a running rule. A restarted rule has a new number, so that late answers for the old one
/// can't be mistaken for answers to the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// The number of a search and of the attachments that follow from it, by which late answers are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search(pub u64);

/// Something that happened in the cluster, to the rules, or on this node.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// watch: these are all the pods (of this node, in the rules' scope). Sent at the start, and whenever the
    /// watch had to start over (410, connection lost): a pod that is not among them is gone.
    PodsListed(Vec<PodView>),
    /// watch: a pod is new or has changed.
    PodApplied(PodView),
    /// watch: a pod is deleted, or has left the watch's selector; it may live on.
    PodDeleted(PodUid),
    /// watch: a service that a rule names is new or has changed.
    ServiceApplied(ServiceView),
    /// watch: a service that a rule names does not exist, or no longer does.
    ServiceDeleted(ServiceRef),

    /// rules: a rule starts to run, or selects other pods from now on.
    RuleApplied(RuleId, Source),
    /// rules: a rule is stopped; its attachments go with it.
    RuleRemoved(RuleId),

    /// node: the answer to [`Action::Find`].
    Found(PodUid, Search, Sandbox),
    /// node: the answer to [`Action::Find`] if there is no such sandbox, with the reason for people.
    NotFound(PodUid, Search, String),
    /// node: the answer to [`Action::Attach`].
    Attached(RuleId, PodUid, Search),
    /// node: the answer to [`Action::Attach`] if it did not work, with the reason for people.
    AttachFailed(RuleId, PodUid, Search, String),
    /// node: an attachment does nothing any more, because its interface is gone.
    Gone(RuleId, PodUid, Search),
}

/// Something to be done on this node.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Look for the pod's network namespace, and answer.
    Find {
        /// The pod that is looked for.
        pod: PodUid,
        /// The number to answer with.
        search: Search,
        /// What follows `pod` in the names of its cgroups.
        cgroup: String,
        /// The pod's addresses, one of which its network has; none while the API shows none.
        ips: Vec<IpAddr>,
        /// How long to wait before looking.
        after: Duration,
    },
    /// Attach a rule's mirror to a pod, and answer.
    Attach {
        /// The rule whose mirror it is.
        rule: RuleId,
        /// The pod to attach to.
        pod: PodUid,
        /// The number to answer with.
        search: Search,
        /// The pod's name for people, `default/web-v1-0`.
        name: String,
        /// The pod's network, as it was found.
        sandbox: Sandbox,
        /// The ports that are mirrored, sorted, 1 to 16.
        ports: Vec<u16>,
    },
    /// Detach a rule's mirror from a pod.
    Detach {
        /// The rule whose mirror it is.
        rule: RuleId,
        /// The pod to detach from.
        pod: PodUid,
    },
    /// Log this once, for people.
    Tell(String),
}
