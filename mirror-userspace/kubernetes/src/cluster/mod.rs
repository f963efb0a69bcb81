//! The cluster: which pods of this node are mirrored, and what follows when they come, change and go.
//!
//! ```text
//! watches ──Event──► reducer ──Action──► executor ──► a Daemon for each rule
//!                       ▲                    │
//!                       └──Event: found, attached, failed
//! ```
//!
//! Reports of the API and of the node arrive late, twice and in any order. So one place decides what to do,
//! without I/O: [`State`] takes an [`Event`] and returns [`Action`]s, and everything that can happen to a
//! pod is a unit test of it. Which pods a rule selects is decided in `selection`.

mod aim;
mod client;
mod document;
mod documents;
mod endpoints;
mod event;
mod known;
mod objects;
mod place;
mod pod;
mod reducer;
mod sandbox;
mod searcher;
mod selection;
mod service;
mod shares;
mod watch;

pub use aim::Aim;
pub use client::connect;
pub use document::DocumentKind;
pub use documents::{AllDocuments, LeftOut};
pub use endpoints::{
    BackendPod, Endpoints, PodNames, Problem, Proof, SliceEndpoint, SlicePort, SliceView, Subset,
};
pub use event::{Action, Event, RuleId, Search};
pub use kube::Client;
pub use place::{AttachAt, Node};
pub use pod::{NetnsId, Phase, PodUid, PodView, Sandbox};
pub use reducer::{AttachState, PodStatus, State, Waiting};
pub use sandbox::Sought;
pub use searcher::Searcher;
pub use service::{ServicePort, ServiceView, TargetPort};
pub use shares::{Room, Shares};
pub use watch::{
    Failure, FailureReason, Needs, Update, WatchCounts, WatchState, WatchStatus, WatchedKind,
    Watches,
};
