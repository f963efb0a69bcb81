//! The agent on a node: the real binary and kernel program, an API server that fails as it is told to,
//! and pods made of network namespaces, cgroups and veths.
//!
//! Every test ends the agent and asks for its ledger, which must balance.
//!
//! Needs root, cgroup2 and the eBPF object: `cargo xtask test` provides for the last.

#![cfg(test)]

mod api;
mod blue_green;
mod caps;
mod compared;
mod documents;
mod doors;
mod early;
mod gates;
mod grpc;
mod hand_over;
mod kubectl;
mod many_rules;
mod node;
mod pods;
mod remembered;
mod rollouts;
mod targets;
mod tenants;
mod told;
mod traffic_mirrors;
mod tuning;
