//! Kinds of interfaces that pods and nodes have: what one receives is mirrored, or it receives
//! nothing that could be.
//!
//! Three namespaces for each: a client, a node in between, a pod with v1. Devices that are made on
//! top of the node's interface and given to the pod are given to it.

mod kinds;

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{Behaviour, Mirror, Namespace, Process, RawClient, RecordingServer};

use self::kinds::{DEVICES, Device, Sees};
use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{PODMIRROR, balanced},
};

/// How long anything may take: the machine may be an emulated one.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where v1 listens, in every device's network.
const V1: &str = "10.66.0.2";

/// The client and the pod joined by a veth pair `under`, and nothing on it yet.
const JOINED: &str = "link add under type veth peer name under netns POD";

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
    /// What carries a tun device's packets.
    _carriers: Vec<Process>,
}

impl Network {
    fn new(device: &Device) -> Result<Self> {
        let mut network = Self {
            client: Namespace::unique("client")?,
            pod: Namespace::unique("pod")?,
            _node: Namespace::unique("node")?,
            _carriers: Vec::new(),
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
        match device.name {
            "wireguard" => network.exchange_keys()?,
            "tun" => network._carriers = network.carry()?,
            _ => {}
        }
        Ok(network)
    }

    /// Carries what goes into one end's `tun0` to the other's, by UDP. Until both do, packets are lost,
    /// which TCP repeats.
    fn carry(&self) -> Result<Vec<Process>> {
        let ends = [(&self.client, "10.65.0.1"), (&self.pod, "10.65.0.2")];
        let [(_, first), (_, second)] = ends;
        let mut carriers = Vec::new();
        for ((namespace, own), other) in ends.into_iter().zip([second, first]) {
            let mut socat = Command::new("socat");
            socat.arg("TUN,tun-name=tun0,tun-type=tun,iff-no-pi");
            socat.arg(format!("UDP4-DATAGRAM:{other}:9999,bind={own}:9999"));
            carriers.push(namespace.spawn(&mut socat)?);
        }
        Ok(carriers)
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
    // By the loopback interface come those from the pod itself, as behind a mesh's sidecar.
    let from = match device.interface {
        "lo" => &network.pod,
        _ => &network.client,
    };
    let mut client = RawClient::connect(from, address)?;
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
