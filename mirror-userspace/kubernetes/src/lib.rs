//! What podmirror knows of Kubernetes: which pods are mirrored, and to where.
//!
//! [`config`] reads the documents that Istio and the Gateway API mirror by into the rules of [`plan`].
//! [`cluster`] (feature `cluster`) watches the API and decides which pods of this node are attached to;
//! all that only it needs, kube above all, stays behind that feature.

#[cfg(feature = "cluster")]
pub mod cluster;
pub mod config;
pub mod plan;
