//! What podmirror knows of Kubernetes: which pods are mirrored, and to where.
//!
//! [`config`] reads the documents that Istio and the Gateway API mirror by into the rules of [`plan`].
//! [`cluster`] decides which pods of this node are attached to, and which endpoints get copies; with the feature
//! `cluster` it also watches the API and looks at this node. All that only those need, kube above all, stays
//! behind that feature.

pub mod cluster;
pub mod config;
pub mod plan;
