//! With the five capabilities only, and little memory that may be locked: podmirror works, or says
//! what it lacks.

use std::path::Path;

use anyhow::{Result, bail};
use lab::Family;

use crate::{
    report::{Check, Outcome},
    scene::{Hook, Scene, balanced},
};

/// What a deployment grants.
const CAPABILITIES: &str = "--bounding-set=-all,+bpf,+perfmon,+net_admin,+sys_admin,+sys_ptrace";

/// Limits on locked memory that containers have: containerd's old one, and systemd's.
const LIMITS: [(&str, u64); 2] = [("64 KiB", 64 << 10), ("8 MiB", 8 << 20)];

pub(super) fn all() -> Vec<Check> {
    let mut checks = Vec::new();
    for ring in ["bpf", "perf"] {
        for (name, limit) in LIMITS {
            let name = format!("five capabilities, {name}, {ring}");
            checks.push(Check::new(name, move |_| limited(ring, limit)));
        }
    }
    checks
}

fn limited(ring: &'static str, limit: u64) -> Result<Outcome> {
    let scene = Scene::new(Family::V4)?;
    let limit = format!("--memlock={limit}:{limit}");
    let before = [
        limit.as_str(),
        "setpriv",
        CAPABILITIES,
        crate::scene::PODMIRROR,
    ];
    let prlimit = Path::new("/usr/bin/prlimit");
    match scene.mirror_by(prlimit, &before, Hook::Ingress, &["--ring", ring]) {
        Ok(mirror) => {
            let sent = scene.converse(&[1_448])?;
            balanced(&mirror.stop()?)?;
            Ok(Outcome::Passed(format!("{sent} requests")))
        }
        Err(error) => {
            let said = format!("{error:#}");
            let memory = ["MEMLOCK", "may lock", "locked memory"];
            let why = if memory.iter().any(|word| said.contains(word)) {
                "refused: memory lock"
            } else if said.contains("perf buffer") {
                "refused: perf buffer"
            } else {
                bail!("it does not say what it could not have:\n{said}");
            };
            Ok(Outcome::Passed(why.to_owned()))
        }
    }
}
