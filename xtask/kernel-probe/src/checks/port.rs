//! Copies that others make: `tc mirred` copies what v1 receives to a port that receives nothing else, where
//! podmirror reads it by XDP (before Linux 5.18 it says that it can't); or into a tunnel that ends at any
//! interface, where podmirror looks inside of it by TC.

use anyhow::{Context as _, Result, bail, ensure};
use lab::{Family, Lab, Mirror, Namespace, Offload};

use super::neighbours::tc_in;
use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{Hook, PODMIRROR, SIZES, Scene, balanced},
};

/// The port is the peer of this interface of the node.
const MAKE: &str = "link add tap0 mtu 1600 type veth peer name tap1 netns TAP mtu 1600\n\
                    address add 10.99.0.1/24 dev tap0\n\
                    link set tap0 up";

/// Tunnels to the port, by name, and as `ip link add` makes them.
const TUNNELS: [(&str, &str); 5] = [
    ("VXLAN", "vxlan id 7 remote 10.99.0.2 dstport 4789 dev tap0"),
    ("Geneve", "geneve id 7 remote 10.99.0.2"),
    ("GRE", "gretap local 10.99.0.1 remote 10.99.0.2"),
    (
        "ERSPAN",
        "erspan seq key 7 local 10.99.0.1 remote 10.99.0.2 erspan_ver 2 erspan_dir ingress erspan_hwid 3",
    ),
    ("IP in IP", "ipip local 10.99.0.1 remote 10.99.0.2"),
];

pub(super) fn all() -> Vec<Check> {
    let mut checks = vec![Check::new("port of copies, XDP", by_xdp)];
    for (name, device) in TUNNELS {
        let name = format!("copies in {name}, --decap");
        checks.push(Check::new(name, move |_| in_tunnel(device)));
    }
    checks
}

fn in_tunnel(device: &str) -> Result<Outcome> {
    let scene = Scene::new(Family::V4)?;
    // Whoever makes ERSPAN cuts what is longer than a frame.
    scene.lab.set_offload(Offload::Off)?;
    let port = Namespace::unique("tap")?;
    scene.lab.node.ip(&MAKE.replace("TAP", port.name()))?;
    port.ip("address add 10.99.0.2/24 dev tap1\nlink set tap1 up")?;
    let made = scene
        .lab
        .node
        .ip(&format!("link add tun7 mtu 1500 type {device}"));
    match made {
        Err(error) if format!("{error:#}").contains("Unknown device type") => {
            return Ok(Outcome::Absent("no such tunnels".to_owned()));
        }
        made => made?,
    };
    scene.lab.node.ip("link set tun7 up")?;
    copy_to(&scene.lab, "tun7")?;
    let place = ["--interface", "tap1", "--netns", port.name(), "--decap"];
    let flags = scene.flags_at(&place, &[]);
    let mirror = Mirror::start(&scene.lab.node, PODMIRROR.as_ref(), flags)?;
    scene.converse(&SIZES).with_context(|| mirror.stderr())?;
    let ended = mirror.stop()?;
    let ledger = balanced(&ended)?;
    ensure!(ledger.count("/segments/copied")? > 0, "{}", ledger.0);
    Ok(Outcome::Passed("mirrored".to_owned()))
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
    copy_to(lab, "tap0")?;
    Ok(port)
}

/// Copies all that the node sends to v1 to this interface of the node.
fn copy_to(lab: &Lab, interface: &str) -> Result<()> {
    let (node, to_v1) = Hook::Egress.place(lab);
    tc_in(node, &format!("qdisc add dev {to_v1} clsact"))?;
    let copied =
        format!("protocol all u32 match u32 0 0 action mirred egress mirror dev {interface}");
    tc_in(node, &format!("filter add dev {to_v1} egress {copied}")).map(drop)
}
