//! A node of a cluster without the cluster: containerd with real pods, and the manifests of
//! `deploy/` as kubectl and Helm render them.
//!
//! ```text
//! deploy/ ── manifests (kubectl kustomize, helm template) ──► objects
//!                                                               │
//!    kubelet: a pod's object ──► sandbox and containers ──► cri ──► containerd, runc, CNI
//!                                                                   in namespaces of their own
//! ```
//!
//! What is missing of a cluster is its API server, which a test brings, and the scheduler.

mod cgroups;
mod cri;
mod kubelet;
pub mod manifests;
mod node;
pub mod rollouts;
mod tools;
pub mod tutorial;

pub use kubelet::RunningPod;
pub use node::{Node, POD_IMAGE};
