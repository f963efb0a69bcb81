//! The cluster: which pods of this node are mirrored, and what follows when they come, change and go.
//!
//! ```text
//! watches ──Event──► reducer ──Action──► executor ──► a Daemon for each rule
//!                       ▲                    │
//!                       └──Event: found, attached, failed
//! ```
//!
//! What the API says and what the node says arrive late, twice and in any order. So what to do is
//! decided in one place without I/O: [`State`] takes an [`Event`] and returns [`Action`]s, and all
//! that can happen to a pod is a unit test of it.

mod client;
mod document;
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
mod watch;

pub use client::connect;
pub use document::DocumentKind;
pub use endpoints::{
    BackendPod, Endpoints, PodNames, Problem, SliceEndpoint, SlicePort, SliceView, Subset,
};
pub use event::{Action, Event, RuleId, Search};
pub use kube::Client;
pub use place::{AttachAt, Node};
pub use pod::{NetnsId, Phase, PodUid, PodView, Sandbox};
pub use reducer::{AttachState, PodStatus, State, Waiting};
pub use sandbox::Sought;
pub use searcher::Searcher;
pub use service::{ServicePort, ServiceView, TargetPort};
pub use watch::{
    Failure, FailureReason, Needs, Update, WatchCounts, WatchState, WatchStatus, WatchedKind,
    Watches,
};
