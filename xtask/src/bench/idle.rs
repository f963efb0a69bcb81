//! What podmirror uses while nothing happens.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{
    ground::{Ground, PORT},
    procfs,
    subjects::Subject,
};

/// An attached mirror without traffic.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleMirror {
    pub(super) duration: Duration,
    pub(super) cpu: Duration,
}

/// Until it has done what it does at its start.
const TO_SETTLE: Duration = Duration::from_millis(500);

pub(super) fn measure(ground: &Ground, duration: Duration) -> Result<IdleMirror> {
    let mirror = Subject::Podmirror(100).start(ground, PORT)?;
    thread::sleep(TO_SETTLE);
    let before = procfs::cpu_time(mirror.id());
    thread::sleep(duration);
    let cpu = procfs::cpu_time(mirror.id()).saturating_sub(before);
    mirror.stop()?;
    Ok(IdleMirror { duration, cpu })
}

impl IdleMirror {
    pub(super) fn percent_of_a_core(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.duration.as_secs_f64()
    }
}
