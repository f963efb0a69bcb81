//! What stays behind: nothing after SIGTERM, and after `kill -9` nothing by tcx, else one filter
//! that the next start deletes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use aya::programs::{SchedClassifier, TcAttachType};
use lab::{Family, Lab};
use nix::sys::signal::Signal;

use super::neighbours::filters;
use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{Hook, Scene},
};

/// How long the kernel may take to let go of a killed process.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn all() -> Vec<Check> {
    vec![
        Check::new("SIGTERM", after_sigterm),
        Check::new("kill -9", after_sigkill),
    ]
}

/// Our programs at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    /// By tcx. Only ours are in the lab.
    pub(super) tcx: usize,
    /// By filter, with our handle.
    pub(super) filter: usize,
}

impl Ours {
    /// What the kernel says.
    pub(super) fn find(lab: &Lab, hook: Hook, machine: &Machine) -> Result<Self> {
        let (namespace, interface) = hook.place(lab);
        let side = match hook {
            Hook::Ingress => TcAttachType::Ingress,
            Hook::Egress => TcAttachType::Egress,
        };
        let tcx = if machine.has(6, 6) {
            let query = || SchedClassifier::query_tcx(interface, side);
            namespace.run(query)??.1.len()
        } else {
            0
        };
        let filter = filters(lab, hook)?.matches("handle 0x706d").count();
        Ok(Self { tcx, filter })
    }
}

fn ours(lab: &Lab, hook: Hook, machine: &Machine) -> Result<usize> {
    let Ours { tcx, filter } = Ours::find(lab, hook, machine)?;
    Ok(tcx + filter)
}

fn wait_for(lab: &Lab, hook: Hook, machine: &Machine, wanted: usize) -> Result<()> {
    let start = Instant::now();
    loop {
        let found = ours(lab, hook, machine)?;
        if found == wanted {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("{found} programs of ours at the hook, not {wanted}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn after_sigterm(machine: &Machine) -> Result<Outcome> {
    for hook in Hook::BOTH {
        let scene = Scene::new(Family::V4)?;
        let mirror = scene.mirror(hook, &[])?;
        let found = ours(&scene.lab, hook, machine)?;
        ensure!(found == 1, "{found} programs of ours while it runs");
        ensure!(mirror.stop()?.status.success(), "SIGTERM is no failure");
        wait_for(&scene.lab, hook, machine, 0)?;
    }
    Ok(Outcome::Passed("nothing stays".to_owned()))
}

fn after_sigkill(machine: &Machine) -> Result<Outcome> {
    let left = usize::from(!machine.has(6, 6));
    for hook in Hook::BOTH {
        let scene = Scene::new(Family::V4)?;
        for _ in 0..2 {
            let mirror = scene.mirror(hook, &[])?;
            let found = ours(&scene.lab, hook, machine)?;
            ensure!(found == 1, "{found} programs of ours while it runs");
            mirror.signal(Signal::SIGKILL)?;
            drop(mirror);
            wait_for(&scene.lab, hook, machine, left)?;
        }
        scene.mirrored(hook, &[], &[1])?;
        wait_for(&scene.lab, hook, machine, 0)?;
    }
    let said = if left == 0 {
        "nothing stays"
    } else {
        "one filter, which the next start deletes"
    };
    Ok(Outcome::Passed(said.to_owned()))
}
