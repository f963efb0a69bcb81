//! The cluster: which pods of this node are mirrored, and what follows when they come, change and go.
//!
//! ```text
//! watches ──Event──► reducer ──Action──► executor ──► a Daemon for each rule
//!                       ▲                    │
//!                       └──Event: found, attached, failed
//! ```
//!
//! Reports of the API and of the node arrive late, twice and in any order. So one place decides what to do,
//! without I/O: [`NodeState`] takes an [`Event`] and returns [`Action`]s, and everything that can happen to a
//! pod is a unit test of it. Which pods a rule selects is decided in `selection`, and which endpoints get its
//! copies in `endpoints`. Without the feature `cluster` there are only those that decide.

mod aim;
mod endpoints;
mod event;
mod pod;
#[cfg(feature = "cluster")]
mod portion;
mod reducer;
mod selection;
mod service;

#[cfg(feature = "cluster")]
pub mod agents;
#[cfg(feature = "cluster")]
mod client;
#[cfg(feature = "cluster")]
mod document;
#[cfg(feature = "cluster")]
mod documents;
#[cfg(feature = "cluster")]
mod gates;
#[cfg(feature = "cluster")]
mod known;
#[cfg(feature = "cluster")]
mod objects;
#[cfg(feature = "cluster")]
mod place;
#[cfg(feature = "cluster")]
mod sandbox;
#[cfg(feature = "cluster")]
mod searcher;
#[cfg(feature = "cluster")]
mod shares;
#[cfg(feature = "cluster")]
mod tell;
#[cfg(feature = "cluster")]
mod watch;

pub use aim::Aim;
pub use endpoints::{
    BackendPod, Endpoints, PodNames, Problem, Proof, SliceEndpoint, SlicePort, SliceView, Subset,
};
pub use event::{Action, Event, RuleId, Search};
pub use pod::{NetnsId, Phase, PodUid, PodView, Sandbox};
pub use reducer::{AttachState, GateState, Gated, NodeState, PodStatus, Waiting};
pub use service::{ServicePort, ServiceView, TargetPort};

#[cfg(feature = "cluster")]
pub use {
    client::{connect, connect_as_kubectl},
    document::DocumentKind,
    documents::{AllDocuments, LeftOut},
    gates::{GateConfig, Gates},
    kube::Client,
    place::{AttachAt, Node},
    portion::Portion,
    sandbox::Sought,
    searcher::Searcher,
    shares::{Room, Shares},
    tell::{
        Comparing, Counts, Identity, MOST_REMARKS, Part, Remark, Seen, SeenDocument, Subject,
        TellConfig, Teller, rounded,
    },
    watch::{
        Failure, FailureReason, Needs, Update, WatchCounts, WatchState, WatchStatus, WatchedKind,
        Watches,
    },
};
