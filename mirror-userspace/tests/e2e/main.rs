//! The whole mirror, live: real kernel program, real namespaces, real servers and clients.
//!
//! Each test has a lab of its own: a client, v1, v2 and the node that `podmirror run` runs in. v1
//! and v2 record what they receive, byte by byte; what v2 has must be what v1 has. Every test ends
//! the mirror and asks for its ledger, which must balance.
//!
//! Needs root and the eBPF object: `cargo xtask test` provides for both.

#![cfg(test)]

mod admin;
mod asked;
mod back_off;
mod clients;
mod compare;
mod daemon;
mod fidelity;
mod hooks;
mod http;
mod http2;
mod https;
mod mirror;
mod network;
mod nothing;
mod paced;
mod policy;
mod proxied;
mod record;
mod replies;
mod scene;
mod streams;
mod taken;
mod taps;
mod targets;
mod traffic;
#[path = "../versions/mod.rs"]
mod versions;
mod why;
