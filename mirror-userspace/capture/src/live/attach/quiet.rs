//! When a program that was detached is on no CPU any more, so that its counters are final.
//!
//! Closing a link detaches only if nobody else holds it: a process that lists links (`bpftool link`),
//! or that was forked from this one and has not yet become another program. The kernel frees a
//! filter's program later, in its own time. Both hold the program, whose number is in use until
//! then.

use std::{
    io,
    thread::sleep,
    time::{Duration, Instant},
};

use aya::programs::{ProgramError, loaded_programs};
use rustix::{
    io::Errno,
    thread::{MembarrierCommand, membarrier},
};

/// How long the program may be held by others before they are not waited for any more.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);

/// Waits until the program with this number is gone, at most a second.
pub(super) fn wait_until_gone(program: u32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match is_loaded(program) {
            Ok(false) => return,
            Ok(true) if Instant::now() < deadline => sleep(LOOK),
            Ok(true) => {
                log::warn!(
                    "program {program} is detached, but somebody holds it: what it counts from now \
                     on is not in our books"
                );
                return;
            }
            Err(error) => {
                log::debug!("whether program {program} is gone can't be known: {error}");
                return;
            }
        }
    }
}

/// Waits until every CPU has left what it was running in the kernel's networking when this was
/// called: a driver lets go of an XDP program that may be in the middle of a frame.
pub(super) fn wait_for_every_cpu() {
    // Does what the kernel calls a grace period of RCU (`membarrier(2)`, Linux 4.3).
    match membarrier(MembarrierCommand::Global) {
        Ok(()) => {}
        // Where some CPUs have no timer tick (`nohz_full`).
        Err(Errno::INVAL) => sleep(Duration::from_millis(50)),
        Err(error) => log::debug!("membarrier: {}", io::Error::from(error)),
    }
}

/// Whether the kernel still has the program of this number.
pub(in crate::live) fn is_loaded(program: u32) -> Result<bool, ProgramError> {
    for loaded in loaded_programs() {
        match loaded {
            Ok(info) if info.id() == program => return Ok(true),
            Ok(_) => {}
            // One that went while the list was read.
            Err(error) if super::os_error(&error) == Some(nix::libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
