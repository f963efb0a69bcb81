//! Whatever happens to connections and copies, the dispatcher's pool keeps its promises.
//!
//! The bytes are choices: settings first, then what happens next. What plays it is the simulation of
//! the pool's own tests.

#[path = "../../mirror-userspace/dispatch/src/pool/tests/losses.rs"]
mod losses;
#[path = "../../mirror-userspace/dispatch/src/pool/tests/shell.rs"]
mod shell;
#[path = "../../mirror-userspace/dispatch/src/pool/tests/simulation/mod.rs"]
mod simulation;

/// What the simulation is written in.
mod vocabulary {
    pub(super) use mirror_core::{
        budget::{Budget, Reserved},
        counters::TargetCounters,
        pipeline::{
            ConnectionId, CopyId, Effect, Expect, MirrorCopy, Output, Persistence, RequestKey,
            Rest, TargetId, Wire,
        },
        segment::Time,
    };
    pub(super) use mirror_dispatch::{
        LinkId, Order, Pipelining, breaker,
        pool::{Action, Origin, Pool, Retry, Settings, Unconnected, Work},
        reply,
    };
}

/// Plays the choices; panics if a promise is broken.
pub fn run(data: &[u8]) {
    simulation::run(data);
}
