//! A port that receives nothing but copies: `tc mirred` copies what v1 receives to it, and podmirror
//! reads it there by XDP. Before Linux 5.18 podmirror says that it can't.

use anyhow::{Context as _, Result, bail, ensure};
use lab::{Family, Lab, Mirror, Namespace};

use super::neighbours::tc_in;
use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{Hook, PODMIRROR, SIZES, Scene, balanced},
};

/// The port is the peer of this interface of the node.
const MAKE: &str = "link add tap0 type veth peer name tap1 netns TAP\nlink set tap0 up";

pub(super) fn all() -> Vec<Check> {
    vec![Check::new("port of copies, XDP", by_xdp)]
}

fn by_xdp(machine: &Machine) -> Result<Outcome> {
    let scene = Scene::new(Family::V4)?;
    let port = port(&scene.lab)?;
    let flags = scene.flags_at(
        &[
            "--interface",
            "tap1",
            "--netns",
            port.name(),
            "--attach",
            "xdp",
        ],
        &["--ring-size", "64M"],
    );
    let mirror = Mirror::start(&scene.lab.node, PODMIRROR.as_ref(), flags);
    let mirror = match (mirror, machine.has(5, 18)) {
        (Ok(mirror), true) => mirror,
        (Err(error), false) => {
            let said = format!("{error:#}");
            ensure!(said.contains("--attach xdp needs Linux 5.18"), "{said}");
            return Ok(Outcome::Passed("refused: needs Linux 5.18".to_owned()));
        }
        (Err(error), true) => return Err(error),
        (Ok(_), false) => bail!("it starts before Linux 5.18"),
    };
    let said = mirror.stderr();
    let mut modes = ["native", "generic"].into_iter();
    let mode = modes.find(|mode| said.contains(&format!("XDP on `tap1`: {mode}")));
    let mode = mode.with_context(|| format!("it says no mode: {said}"))?;
    scene.converse(&SIZES).with_context(|| mirror.stderr())?;
    let ended = mirror.stop()?;
    let ledger = balanced(&ended)?;
    ensure!(ledger.count("/segments/copied")? > 0, "{}", ledger.0);
    Ok(Outcome::Passed(format!("{mode} XDP, mirrored")))
}

/// A port in a namespace of its own, to which all is copied that the node sends to v1.
fn port(lab: &Lab) -> Result<Namespace> {
    let port = Namespace::unique("tap")?;
    lab.node.ip(&MAKE.replace("TAP", port.name()))?;
    port.ip("link set tap1 up")?;
    let (node, to_v1) = Hook::Egress.place(lab);
    tc_in(node, &format!("qdisc add dev {to_v1} clsact"))?;
    let copied = "protocol all u32 match u32 0 0 action mirred egress mirror dev tap0";
    tc_in(node, &format!("filter add dev {to_v1} egress {copied}"))?;
    Ok(port)
}
