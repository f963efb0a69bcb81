//! podmirror: copies the live HTTP requests of a running service (v1) to another one (v2).
//!
//! This crate is the program around the other crates: it reads flags, starts threads, and joins
//! capture, core and dispatch.
//!
//! ```text
//!  cli: flags ─► run, record      replay                agent
//!                  │                │                     │ mirror-kubernetes: pods, rules
//!                  ▼                ▼                     ▼
//!               runtime::Daemon   runtime::replay      a Daemon per rule
//!                  │                │
//!                  ▼ one thread per shard (runtime/shard/mod.rs)
//!   mirror-capture ─Segment─► mirror-core: Pipeline ─Output─► mirror-dispatch ─► v2
//!                                   │ Observer                     (or record, or replay's printer)
//!                                   └─► counters ─► ledger ─► stderr, --ledger-json, admin: /metrics
//! ```
//!
//! # The tour
//!
//! 1. [`cli`]: every command and flag. `cli/run.rs` is the shortest way through: flags to a
//!    [`runtime::DaemonConfig`], a daemon, an attachment, and `cli/supervise.rs`, which waits for signals and
//!    prints the ledger.
//! 2. [`runtime`]: [`runtime::Daemon`] is one mirror; it joins [`runtime::Shards`], rings and a thread for each, which mirrors
//!    may share; attachments come and go. `runtime/shard/mod.rs` is the loop that everything passes: ring, pipeline, dispatcher, sleep.
//! 3. `agent` (feature `kubernetes`): watches, the reducer's decisions and a daemon per rule, joined.
//! 4. [`admin`]: probes, Prometheus metrics and the sample rate over HTTP.
//! 5. [`record`] and [`replay`]: requests to capture files, and capture files to requests.
//!
//! What happens to a request between the ring and v2 is in the crates `mirror-core` (start there with its
//! `Pipeline`), `mirror-capture` and `mirror-dispatch`.

pub mod admin;
#[cfg(feature = "kubernetes")]
pub mod agent;
pub mod cli;
pub mod record;
pub mod replay;
pub mod runtime;
