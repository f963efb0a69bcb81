//! Ports that receive nothing but copies: `tc mirred` copies what v1 receives to one, where XDP ends
//! it. v1's own interface has no program of ours.

use std::{
    net::{TcpListener, TcpStream},
    process::Command,
};

use aya::programs::{SchedClassifier, TcAttachType};
use lab::{Family, Lab, Namespace};

use crate::{
    mirror::{Mirror, podmirror},
    scene::{PATIENCE, Scene, servers, target},
    traffic::post,
};

/// Where frames go: copies as they are to v1, tunnels to the port.
const V1: &str = "10.77.0.10/32";
const PORT: &str = "10.99.0.2/32";

/// A lab with a port that receives copies, in a namespace of its own.
struct Tapped {
    lab: Lab,
    tap: Namespace,
}

impl Tapped {
    /// `tap1` in a namespace of its own, whose other end `tap0` is on the node.
    fn new(mtu: u32) -> Self {
        let lab = Lab::with_mtu(mtu).unwrap();
        let tap = Namespace::unique("tap").unwrap();
        let (node, namespace) = (lab.node.name(), tap.name());
        // Room for a tunnel's headers.
        let mtu = mtu + 100;
        lab.node
            .ip(&format!(
                "link add tap0 mtu {mtu} type veth peer name tap1 netns {namespace} mtu {mtu}\n\
                 address add 10.99.0.1/24 dev tap0\n\
                 link set tap0 up"
            ))
            .unwrap_or_else(|error| panic!("{node}: {error:#}"));
        tap.ip("address add 10.99.0.2/24 dev tap1\nlink set tap1 up")
            .unwrap();
        Self { lab, tap }
    }

    /// Copies what v1 receives to this interface of the node.
    fn copy_to(&self, interface: &str) {
        tc(&self.lab.node, "qdisc add dev v1 clsact");
        tc(
            &self.lab.node,
            &format!(
                "filter add dev v1 egress protocol all u32 match u32 0 0 \
                 action mirred egress mirror dev {interface}"
            ),
        );
    }

    /// Counts what goes on to the network stack of the port, of frames with this IPv4 destination: those
    /// to all stations may go on.
    fn watch(&self, interface: &str, destination: &str) {
        tc(&self.tap, &format!("qdisc add dev {interface} clsact"));
        tc(
            &self.tap,
            &format!(
                "filter add dev {interface} ingress protocol ip u32 match ip dst {destination} \
                 action mirred egress mirror dev lo"
            ),
        );
    }

    fn start(&self, interface: &str, flags: &[&str]) -> Mirror {
        let place = [
            "--interface",
            interface,
            "--netns",
            self.tap.name(),
            "--port",
            "80",
            "--ring-size",
            "128M",
        ];
        let to = target(Family::V4);
        Mirror::start_with(
            &self.lab.node,
            &[&place[..], &["--target", &to], flags].concat(),
        )
    }

    /// Everything that the client says to v1 comes to v2 by way of the port.
    fn assert_mirrored(self, interface: &str, flags: &[&str], mode: &str) {
        let (v1, v2) = servers(&self.lab, Family::V4);
        let mirror = self.start(interface, &[&["--attach", "xdp"], flags].concat());
        let said = mirror.wait_for("XDP on ");
        assert!(said.contains(mode), "{said}");
        self.assert_v1_is_left_alone();
        self.assert_the_port_answers();
        let links = output(&self.tap, "ip", &format!("link show dev {interface}"));
        assert!(links.contains("xdp"), "{links}");
        let scene = Scene {
            mirror,
            v1,
            v2,
            lab: self.lab,
            family: Family::V4,
        };
        // Before it captured, whatever came has gone on.
        let before = seen(&self.tap, interface);
        let count = converse(&scene);
        scene.compare(count);
        let gone_on = seen(&self.tap, interface) - before;
        // The lab stays, for with the node goes the port.
        let Scene {
            mirror, lab: _lab, ..
        } = scene;
        let ledger = mirror.stop();
        ledger.assert_all_answered(count);
        assert_eq!(ledger.count("segments/unparsable"), 0);
        assert_eq!(ledger.count("segments/ring_full"), 0);
        let copied = ledger.count("segments/copied");
        assert!(copied >= count as u64, "{copied} copied");
        if flags.contains(&"--pass") {
            let seen = seen(&self.tap, interface);
            assert!(seen >= copied, "{seen} went on, {copied} were copied");
        } else {
            assert_eq!(gone_on, 0, "copies went on to the network stack");
        }
        let links = output(&self.tap, "ip", &format!("link show dev {interface}"));
        assert!(!links.contains("xdp"), "detached: {links}");
    }

    /// What is for the port itself comes to it: ARP, and connections to its own address.
    fn assert_the_port_answers(&self) {
        let address = "10.99.0.2:80";
        let listener = self.tap.run(|| TcpListener::bind(address).unwrap());
        let client = self.lab.node.run(|| TcpStream::connect(address));
        let (_, peer) = listener.unwrap().accept().unwrap();
        assert_eq!(peer, client.unwrap().unwrap().local_addr().unwrap());
    }

    fn assert_v1_is_left_alone(&self) {
        let links = output(&self.lab.v1, "ip", "-details link show dev eth0");
        assert!(!links.contains("xdp"), "{links}");
        for hook in [TcAttachType::Ingress, TcAttachType::Egress] {
            let of_v1 = self.lab.v1.run(|| {
                let (_, programs) = SchedClassifier::query_tcx("eth0", hook).unwrap();
                programs.len()
            });
            assert_eq!(of_v1.unwrap(), 0);
        }
        assert!(!tc(&self.lab.v1, "qdisc show dev eth0").contains("clsact"));
    }
}

/// Asks v1, and waits for each copy before it asks again: a port drops what it has no room for (a veth
/// has room for 256 frames), and nobody sends a copy again.
fn converse(scene: &Scene) -> usize {
    let mut count = 0;
    for connection in 0..3 {
        let mut client = scene.connect();
        for len in [0, 100, 1_448, 70_000, 200_000] {
            let request = post(&format!("/{connection}/{len}"), len);
            client.write(&request).unwrap();
            client.read_reply("POST").unwrap();
            count += 1;
            scene.v2.wait_for(count, PATIENCE);
        }
    }
    count
}

/// What went on to the network stack of the port.
fn seen(tap: &Namespace, interface: &str) -> u64 {
    let text = tc(tap, &format!("-s filter show dev {interface} ingress"));
    let packets = text.split(" bytes ").nth(1).expect("a counter");
    packets.split(' ').next().unwrap().parse().unwrap()
}

fn tc(namespace: &Namespace, arguments: &str) -> String {
    output(namespace, "tc", arguments)
}

#[track_caller]
fn output(namespace: &Namespace, program: &str, arguments: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace());
    let output = namespace.output(&mut command).unwrap();
    assert!(output.status.success(), "{program} {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn copies_at_a_port_end_there_and_come_to_v2() {
    let tapped = Tapped::new(1_500);
    tapped.copy_to("tap0");
    tapped.watch("tap1", V1);
    tapped.assert_mirrored("tap1", &[], "native");
}

#[test]
fn copies_go_on_if_that_is_asked_for() {
    let tapped = Tapped::new(1_500);
    tapped.copy_to("tap0");
    tapped.watch("tap1", V1);
    tapped.assert_mirrored("tap1", &["--pass"], "native");
}

#[test]
fn jumbo_frames_come_in_several_buffers() {
    let tapped = Tapped::new(9_000);
    tapped.copy_to("tap0");
    tapped.watch("tap1", V1);
    tapped.assert_mirrored("tap1", &[], "native");
}

/// Has copies sent to the port in VXLAN.
fn in_vxlan() -> Tapped {
    let tapped = Tapped::new(1_500);
    let vxlan = "link add vx0 type vxlan id 7 remote 10.99.0.2 dstport 4789 dev tap0\n\
                 link set vx0 mtu 1500 up";
    tapped.lab.node.ip(vxlan).unwrap();
    tapped.copy_to("vx0");
    tapped
}

#[test]
fn copies_in_vxlan_are_taken_out_of_it() {
    let tapped = in_vxlan();
    // The tunnel's end is the port, which answers ARP while the program sits on it.
    tapped.watch("tap1", PORT);
    tapped.assert_mirrored("tap1", &[], "native");
}

#[test]
fn a_device_without_native_xdp_takes_the_generic_one() {
    let tapped = in_vxlan();
    let vxlan = "link add vx1 type vxlan id 7 dstport 4789 dev tap1\nlink set vx1 up";
    tapped.tap.ip(vxlan).unwrap();
    tapped.watch("vx1", V1);
    tapped.assert_mirrored("vx1", &[], "generic");
}

/// Has copies sent in a tunnel of this kind to an interface that is no port of copies alone, and has podmirror
/// look inside.
fn assert_decapsulated(kind: &str, mtu: u32, ring: &str) {
    let tapped = Tapped::new(mtu);
    let tunnel = format!("link add tun7 {kind}\nlink set tun7 mtu {mtu} up");
    tapped.lab.node.ip(&tunnel).unwrap();
    tapped.copy_to("tun7");
    tapped.watch("tap1", PORT);
    let (v1, v2) = servers(&tapped.lab, Family::V4);
    let mirror = tapped.start("tap1", &["--decap", "--ring", ring]);
    mirror.wait_for("mirroring tap1");
    tapped.assert_the_port_answers();
    let scene = Scene {
        mirror,
        v1,
        v2,
        lab: tapped.lab,
        family: Family::V4,
    };
    let before = seen(&tapped.tap, "tap1");
    let count = converse(&scene);
    scene.compare(count);
    let Scene {
        mirror, lab: _lab, ..
    } = scene;
    let ledger = mirror.stop();
    ledger.assert_all_answered(count);
    assert_eq!(ledger.count("segments/unparsable"), 0, "{kind}");
    let copied = ledger.count("segments/copied");
    assert_eq!(ledger.count("segments/unasked"), copied, "nobody to ask");
    // Copies are looked at, and left to whoever else reads them.
    let gone_on = seen(&tapped.tap, "tap1") - before;
    assert!(gone_on >= copied, "{gone_on} went on, {copied} were copied");
}

#[test]
fn copies_in_vxlan_are_read_at_an_interface_that_has_other_traffic() {
    let kind = "type vxlan id 7 remote 10.99.0.2 dstport 4789 dev tap0";
    for ring in ["bpf", "perf"] {
        assert_decapsulated(kind, 1_400, ring);
    }
}

#[test]
fn what_v1_says_is_not_asked_for_where_copies_come() {
    let flags = ["--replies", "on"];
    for place in [&["--decap"][..], &["--attach", "xdp"]] {
        let args = [
            "run",
            "--interface",
            "lo",
            "--port",
            "80",
            "--target",
            "http://192.0.2.1",
        ];
        let output = podmirror(args).args(flags).args(place).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("--replies on: not with --"), "{said}");
    }
}
