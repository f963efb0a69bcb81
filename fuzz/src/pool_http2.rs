//! Whatever targets do on connections in HTTP/2, and whatever becomes of the copies meanwhile, the dispatcher's pool keeps
//! its promises.
//!
//! The bytes are choices: settings first, then what happens next, among that frames of the targets' that break the rules,
//! and any bytes. What plays it is the simulation of the pool's own tests.

#[path = "../../mirror-userspace/dispatch/src/pool/tests/losses.rs"]
mod losses;
#[path = "../../mirror-userspace/dispatch/src/pool/tests/shell.rs"]
mod shell;
#[path = "../../mirror-userspace/dispatch/src/pool/tests/streams/mod.rs"]
mod streams;

/// What the simulation is written in.
mod vocabulary {
    pub(super) use mirror_core::counters::TargetCounters;
    pub(super) use mirror_core::segment::Time;
    pub(super) use mirror_dispatch::{
        DispatchConfig, LinkId, Order, breaker,
        pool::{Action, Origin, Pool, Retry, Settings, Unconnected, Work},
    };
}

/// Plays the choices; panics if a promise is broken.
pub fn run(data: &[u8]) {
    streams::run(data);
}
