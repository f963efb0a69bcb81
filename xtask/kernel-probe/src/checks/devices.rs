//! Kinds of interfaces that pods and nodes have: what one receives is mirrored, or it receives
//! nothing that could be.
//!
//! Three namespaces for each: a client, a node in between, a pod with v1. Devices that are made on
//! top of the node's interface and given to the pod are given to it.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{Behaviour, Mirror, Namespace, RawClient, RecordingServer};

use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{PODMIRROR, balanced},
};

/// How long anything may take: the machine may be an emulated one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where v1 listens, in every device's network.
const V1: &str = "10.66.0.2";

/// A kind of interface.
struct Device {
    name: &'static str,
    /// Since which Linux.
    since: (u32, u32),
    /// `ip` commands in the client, the node and the pod. `NODE` and `POD` stand for the names of
    /// the namespaces.
    client: &'static str,
    node: &'static str,
    pod: &'static str,
    /// Where podmirror looks, in the pod.
    interface: &'static str,
    /// Whether requests come by it.
    sees: Sees,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// Every request.
    All,
    /// None: its address is reached by way of another interface.
    Nothing,
}

/// The client and the pod joined by a veth pair `under`, and nothing on it yet.
const JOINED: &str = "link add under type veth peer name under netns POD";

const DEVICES: &[Device] = &[
    Device {
        name: "veth",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "",
        pod: "address add 10.66.0.2/24 dev under",
        interface: "under",
        sees: Sees::All,
    },
    Device {
        name: "VLAN",
        since: (0, 0),
        client: "link add link under name tagged type vlan id 5\n\
                 address add 10.66.0.1/24 dev tagged\nlink set tagged up",
        node: "",
        pod: "link add link under name tagged type vlan id 5\n\
              address add 10.66.0.2/24 dev tagged\nlink set tagged up",
        interface: "tagged",
        sees: Sees::All,
    },
    Device {
        name: "below a VLAN",
        since: (0, 0),
        client: "link add link under name tagged type vlan id 5\n\
                 address add 10.66.0.1/24 dev tagged\nlink set tagged up",
        node: "",
        pod: "link add link under name tagged type vlan id 5\n\
              address add 10.66.0.2/24 dev tagged\nlink set tagged up",
        interface: "under",
        sees: Sees::All,
    },
    Device {
        name: "below QinQ",
        since: (0, 0),
        client: "link add link under name outer type vlan proto 802.1ad id 7\nlink set outer up\n\
                 link add link outer name tagged type vlan id 5\n\
                 address add 10.66.0.1/24 dev tagged\nlink set tagged up",
        node: "",
        pod: "link add link under name outer type vlan proto 802.1ad id 7\nlink set outer up\n\
              link add link outer name tagged type vlan id 5\n\
              address add 10.66.0.2/24 dev tagged\nlink set tagged up",
        interface: "under",
        sees: Sees::All,
    },
    Device {
        name: "bond",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "",
        pod: "link add bond0 type bond mode active-backup\nlink set under down\n\
              link set under master bond0\nlink set under up\n\
              address add 10.66.0.2/24 dev bond0\nlink set bond0 up",
        interface: "bond0",
        sees: Sees::All,
    },
    Device {
        name: "bridge",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "",
        pod: "link add br0 type bridge forward_delay 0\nlink set under master br0\n\
              address add 10.66.0.2/24 dev br0\nlink set br0 up",
        interface: "br0",
        sees: Sees::All,
    },
    Device {
        name: "macvlan",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "link add link port name mv0 netns POD type macvlan mode bridge",
        pod: "address add 10.66.0.2/24 dev mv0\nlink set mv0 up",
        interface: "mv0",
        sees: Sees::All,
    },
    Device {
        name: "ipvlan l2",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "link add link port name iv0 netns POD type ipvlan mode l2",
        pod: "address add 10.66.0.2/24 dev iv0\nlink set iv0 up",
        interface: "iv0",
        sees: Sees::All,
    },
    Device {
        name: "ipvlan l3",
        since: (0, 0),
        client: "address add 10.65.0.1/24 dev under\n\
                 address add 10.66.0.1/32 dev under\nroute add 10.66.0.2/32 via 10.65.0.2",
        node: "address add 10.65.0.2/24 dev port\n\
               link add link port name iv0 netns POD type ipvlan mode l3",
        pod: "address add 10.66.0.2/32 dev iv0\nlink set iv0 up\nroute add default dev iv0",
        interface: "iv0",
        sees: Sees::All,
    },
    Device {
        name: "netkit l2",
        since: (6, 7),
        client: "link add nk0 type netkit mode l2 peer name nk1 netns POD\n\
                 address add 10.66.0.1/24 dev nk0\nlink set nk0 up",
        node: "",
        pod: "address add 10.66.0.2/24 dev nk1\nlink set nk1 up",
        interface: "nk1",
        sees: Sees::All,
    },
    Device {
        name: "netkit l3",
        since: (6, 7),
        client: "link add nk0 type netkit mode l3 peer name nk1 netns POD\n\
                 address add 10.66.0.1/24 dev nk0\nlink set nk0 up",
        node: "",
        pod: "address add 10.66.0.2/24 dev nk1\nlink set nk1 up",
        interface: "nk1",
        sees: Sees::All,
    },
    Device {
        name: "IP in IP",
        // Before, a program is shown the outer header, behind which nothing is looked for.
        since: (5, 14),
        client: "address add 10.65.0.1/24 dev under\n\
                 link add tun0 type ipip local 10.65.0.1 remote 10.65.0.2\n\
                 address add 10.66.0.1/24 dev tun0\nlink set tun0 up",
        node: "",
        pod: "address add 10.65.0.2/24 dev under\n\
              link add tun0 type ipip local 10.65.0.2 remote 10.65.0.1\n\
              address add 10.66.0.2/24 dev tun0\nlink set tun0 up",
        interface: "tun0",
        sees: Sees::All,
    },
    Device {
        name: "wireguard",
        since: (5, 6),
        client: "address add 10.65.0.1/24 dev under\nlink add wg0 type wireguard\n\
                 address add 10.66.0.1/24 dev wg0\nlink set wg0 up",
        node: "",
        pod: "address add 10.65.0.2/24 dev under\nlink add wg0 type wireguard\n\
              address add 10.66.0.2/24 dev wg0\nlink set wg0 up",
        interface: "wg0",
        sees: Sees::All,
    },
    Device {
        name: "dummy",
        since: (0, 0),
        client: "address add 10.65.0.1/24 dev under\nroute add 10.66.0.2/32 via 10.65.0.2",
        node: "",
        pod: "address add 10.65.0.2/24 dev under\nlink add dm0 type dummy\n\
              address add 10.66.0.2/32 dev dm0\nlink set dm0 up",
        interface: "dm0",
        sees: Sees::Nothing,
    },
];

pub(super) fn all() -> Vec<Check> {
    let check = |device: &'static Device| {
        let name = format!("device {}", device.name);
        Check::new(name, move |machine: &Machine| try_one(device, machine))
    };
    DEVICES.iter().map(check).collect()
}

/// Two namespaces for a device that joins client and pod, three for one on top of the node's.
struct Network {
    client: Namespace,
    pod: Namespace,
    _node: Namespace,
}

impl Network {
    fn new(device: &Device) -> Result<Self> {
        let network = Self {
            client: Namespace::unique("client")?,
            pod: Namespace::unique("pod")?,
            _node: Namespace::unique("node")?,
        };
        let node = &network._node;
        let named = |words: &str| {
            words
                .replace("POD", network.pod.name())
                .replace("NODE", node.name())
        };
        if device.node.is_empty() {
            network.client.ip(&named(JOINED))?;
            network.pod.ip("link set under up")?;
        } else {
            let link = "link add under type veth peer name port netns NODE";
            network.client.ip(&named(link))?;
            node.ip("link set port up")?;
            node.ip(&named(device.node))?;
        }
        network.client.ip("link set under up")?;
        network.client.ip(&named(device.client))?;
        network.pod.ip(&named(device.pod))?;
        if device.name == "wireguard" {
            network.exchange_keys()?;
        }
        Ok(network)
    }

    /// Each end gets a key, and is told the other's.
    fn exchange_keys(&self) -> Result<()> {
        let ends = [(&self.client, "10.65.0.1"), (&self.pod, "10.65.0.2")];
        let mut public = Vec::new();
        for (namespace, address) in ends {
            let key = wg(namespace, "genkey")?;
            let file = format!("/tmp/{address}.key");
            fs::write(&file, &key)?;
            wg(
                namespace,
                &format!("set wg0 private-key {file} listen-port 51820"),
            )?;
            public.push(wg(namespace, "show wg0 public-key")?);
        }
        for ((namespace, _), ((_, address), key)) in ends.iter().zip(ends.iter().zip(&public).rev())
        {
            let key = key.trim();
            wg(
                namespace,
                &format!("set wg0 peer {key} allowed-ips 0.0.0.0/0 endpoint {address}:51820"),
            )?;
        }
        Ok(())
    }
}

fn wg(namespace: &Namespace, words: &str) -> Result<String> {
    let output = namespace.output(Command::new("wg").args(words.split(' ')))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "wg {words}: {}", said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

fn try_one(device: &Device, machine: &Machine) -> Result<Outcome> {
    let (major, minor) = device.since;
    if !machine.has(major, minor) {
        return Ok(Outcome::Absent(format!("since Linux {major}.{minor}")));
    }
    let network = Network::new(device)?;
    let address: SocketAddr = format!("{V1}:80").parse()?;
    let v1 = RecordingServer::start(&network.pod, address, Behaviour::Answer)?;
    // v2 is where podmirror runs, which is none of the networks above.
    let node = Namespace::unique("mirror")?;
    let v2 = RecordingServer::start(&node, "127.0.0.1:8080".parse()?, Behaviour::Answer)?;
    let target = format!("http://{}", v2.address());
    let mut arguments = vec!["run", "--interface", device.interface];
    arguments.extend(["--netns", network.pod.name(), "--port", "80"]);
    arguments.extend(["--target", &target]);
    let mirror = Mirror::start_command(&node, Path::new(PODMIRROR), &arguments, "mirroring ")?;
    let mut client = RawClient::connect(&network.client, address)?;
    for size in [0, 70_000] {
        let head = format!("POST /{size} HTTP/1.1\r\nHost: v1\r\nContent-Length: {size}\r\n\r\n");
        let mut request = head.into_bytes();
        request.resize(request.len() + size, b'x');
        client.write(&request)?;
        client.read_reply("POST")?;
    }
    let sent = v1.requests();
    ensure!(sent.len() == 2, "v1 itself has {}", sent.len());
    let wanted = match device.sees {
        Sees::All => sent.len(),
        Sees::Nothing => 0,
    };
    v2.wait_for(wanted, PATIENCE);
    let ended = mirror.stop()?;
    let ledger = balanced(&ended)?;
    // With those that came while it ended: where nothing is to be seen, none did.
    let copies = v2.requests();
    ensure!(
        copies.len() == wanted,
        "{} copies, not {wanted}: {}",
        copies.len(),
        ledger.0
    );
    for copy in &copies {
        let original = sent
            .iter()
            .find(|original| original.target() == copy.target());
        let original = original.with_context(|| format!("{} at v2 only", copy.target()))?;
        ensure!(copy.body == original.body, "{}: body", copy.target());
    }
    Ok(Outcome::Passed(match device.sees {
        Sees::All => "mirrored".to_owned(),
        Sees::Nothing => "sees nothing".to_owned(),
    }))
}
