//! Requests are mirrored byte for byte: both rings, both hooks, both versions of IP, segments of
//! all sizes.

use anyhow::{Result, bail, ensure};
use lab::{Family, Lab, Offload};

use super::ends::Ours;
use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{Hook, Scene},
};

const RINGS: [&str; 2] = ["bpf", "perf"];

/// BIG TCP's size, as clusters set it.
const BIG: u32 = 196_608;

/// The program for each kind of ring loads and is attached.
pub(super) fn loads() -> Vec<Check> {
    let check = |ring: &'static str| {
        Check::new(format!("load {ring}"), move |machine: &Machine| {
            let scene = Scene::new(Family::V4)?;
            let mirror = scene.mirror(Hook::Ingress, &["--ring", ring])?;
            let ours = Ours::find(&scene.lab, Hook::Ingress, machine)?;
            mirror.stop()?;
            match ours {
                Ours { tcx: 1, filter: 0 } => Ok(Outcome::Passed("tcx".to_owned())),
                Ours { tcx: 0, filter: 1 } => Ok(Outcome::Passed("clsact filter".to_owned())),
                other => bail!("at the hook: {other:?}"),
            }
        })
    };
    RINGS.map(check).into()
}

/// What `cargo xtask test` asks of the oldest kernels.
pub(super) fn quick() -> Vec<Check> {
    let check = |ring: &'static str| {
        Check::new(format!("mirror {ring}"), move |_| {
            let scene = Scene::new(Family::V4)?;
            let flags = ["--ring", ring, "--replies", "on"];
            let sent = scene.mirrored(Hook::Ingress, &flags, &[1_448])?;
            Ok(Outcome::Passed(format!("{sent} requests")))
        })
    };
    RINGS.map(check).into()
}

/// Every way to capture.
pub(super) fn all() -> Vec<Check> {
    let mut checks = vec![Check::new("default ring", default_ring)];
    for ring in RINGS {
        for hook in Hook::BOTH {
            for (family, ip) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
                let name = format!("{ring} {} {ip}", hook.name());
                checks.push(Check::new(name, move |_| every_offload(ring, hook, family)));
            }
        }
    }
    let big = |ring: &'static str| {
        let name = format!("BIG TCP {ring}");
        Check::new(name, move |machine: &Machine| big_tcp(machine, ring))
    };
    checks.extend(RINGS.map(big));
    checks
}

/// Without a word on it, podmirror takes the ring that this kernel has.
fn default_ring(machine: &Machine) -> Result<Outcome> {
    let scene = Scene::new(Family::V4)?;
    let sent = scene.all_mirrored(Hook::Ingress, &[])?;
    let ring = if machine.has(5, 10) { "bpf" } else { "perf" };
    Ok(Outcome::Passed(format!("{ring}, {sent} requests")))
}

fn every_offload(ring: &'static str, hook: Hook, family: Family) -> Result<Outcome> {
    let scene = Scene::new(family)?;
    let mut sent = 0;
    for offload in [Offload::On, Offload::Off] {
        scene.lab.set_offload(offload)?;
        // With the program at the other hook and without.
        for replies in ["off", "on"] {
            sent += scene.all_mirrored(hook, &["--ring", ring, "--replies", replies])?;
        }
    }
    Ok(Outcome::Passed(format!("{sent} requests")))
}

/// Socket buffers of more than 64 KiB: several records each.
fn big_tcp(machine: &Machine, ring: &'static str) -> Result<Outcome> {
    if !machine.has(5, 19) {
        return Ok(Outcome::Absent("since Linux 5.19".to_owned()));
    }
    let lab = Lab::new()?;
    lab.set_big_tcp(BIG)?;
    let scene = Scene::in_lab(lab, Family::V6)?;
    let sizes = [500_000, 900_000];
    let sent = scene.mirrored(
        Hook::Ingress,
        &["--ring", ring, "--ring-size", "64M"],
        &sizes,
    )?;
    ensure!(sent > 0, "nothing was sent");
    Ok(Outcome::Passed(format!("{sent} requests")))
}
