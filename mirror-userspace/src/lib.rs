//! podmirror: copies the live HTTP requests of a running service (v1) to another one (v2).
//!
//! This crate is the program around the other crates: it reads flags, asks the cluster, and starts mirrors.
//!
//! ```text
//!  cli: flags ─► run, record      replay                agent
//!                  │                │                     │ mirror-kubernetes: pods, rules
//!                  ▼                ▼                     ▼
//!               a Daemon          a Replay            a Daemon per rule
//!                  │                │                     │
//!                  ▼ mirror-runtime ▼                     ▼
//!   mirror-capture ─Segment─► mirror-core: Pipeline ─Output─► mirror-dispatch ─► v2
//!                                   │
//!                                   └─► ledger ─► stderr, --ledger-json, admin: /metrics
//! ```
//!
//! # The tour
//!
//! 1. [`cli`]: every command and flag. `cli/run.rs` is the shortest way through: flags to a
//!    [`DaemonConfig`](mirror_runtime::DaemonConfig), a daemon, an attachment, and `cli/supervise.rs`, which waits for
//!    signals and prints the ledger.
//! 2. [`mirror_runtime`], a crate of its own: what a mirror is while it runs, and the loop that everything passes.
//! 3. `agent` (feature `kubernetes`): watches, the reducer's decisions and a daemon per rule, joined.
//! 4. [`admin`]: probes, Prometheus metrics and the sample rate over HTTP.
//!
//! What happens to a request between the ring and v2 is in the crates `mirror-core` (start there with its
//! `Pipeline`), `mirror-capture` and `mirror-dispatch`.

pub mod admin;
#[cfg(feature = "kubernetes")]
pub mod agent;
pub mod cli;
